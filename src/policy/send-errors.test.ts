import { describe, expect, it } from "vitest";
import { backoffMs, pairBackoffMs, type Reaction, reactionTo } from "./send-errors.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/** WhatsApp platform reference 5.2, column "reaction", row by row: the codes that a send can meet. */
const rows: [code: number, meaning: string, reaction: Reaction["type"]][] = [
  [0, "cannot authenticate", "token-broken"],
  [1, "unknown API error", "retry"],
  [2, "service down for a moment", "retry"],
  [3, "capability or permission", "token-broken"],
  [4, "app call limit", "retry"],
  [10, "permission removed", "token-broken"],
  [200, "permission missing", "token-broken"],
  [299, "permission missing", "token-broken"],
  [33, "number deleted", "number-paused"],
  [100, "invalid parameter", "never"],
  [190, "token expired", "token-broken"],
  [368, "blocked for a policy violation", "number-paused"],
  [613, "custom rate limit", "retry"],
  [80007, "WABA rate limit", "retry"],
  [80008, "WABA rate limit", "retry"],
  [130429, "throughput reached", "retry"],
  [130472, "user in a marketing experiment", "never"],
  [130497, "country not allowed", "country-blocked"],
  [131000, "unknown send failure", "retry"],
  [131005, "access denied", "token-broken"],
  [131008, "parameter missing", "never"],
  [131009, "parameter invalid", "never"],
  [131016, "service unavailable", "retry"],
  [131021, "recipient is the sender", "never"],
  [131026, "undeliverable", "recipient-unreachable"],
  [131030, "recipient not in the test list", "fix-setup"],
  [131031, "account locked", "number-paused"],
  [131037, "display name not approved", "fix-setup"],
  [131042, "payment problem", "number-paused"],
  [131044, "payment problem of calls", "number-paused"],
  [131045, "registration problem", "number-paused"],
  [131047, "outside the window", "reopen"],
  [131049, "Meta chose not to deliver", "once-after-a-day"],
  [131050, "user stopped marketing", "opt-out"],
  [131051, "unsupported type", "never"],
  [131053, "media upload failed", "never"],
  [131055, "method not allowed", "never"],
  [131056, "pair rate limit", "pair-backoff"],
  [131057, "account in maintenance", "retry"],
  [131062, "not possible by BSUID", "never"],
  [131063, "marketing disabled on Cloud API", "fix-setup"],
  [131064, "classification violations", "number-paused"],
  [132000, "parameter count", "fix-setup"],
  [132001, "template or language missing", "fix-setup"],
  [132005, "text too long", "fix-setup"],
  [132007, "template content policy", "fix-setup"],
  [132008, "parameter value", "fix-setup"],
  [132012, "parameter format", "fix-setup"],
  [132015, "template paused", "fix-setup"],
  [132016, "template disabled", "fix-setup"],
  [132018, "parameter validation", "fix-setup"],
  [132068, "flow blocked", "fix-setup"],
  [132069, "flow throttled", "fix-setup"],
  [133000, "incomplete deregistration", "retry"],
  [133004, "server unavailable", "retry"],
  [133005, "PIN mismatch", "fix-setup"],
  [133006, "number not verified", "fix-setup"],
  [133008, "too many PIN tries", "fix-setup"],
  [133009, "PIN tried too fast", "fix-setup"],
  [133010, "number not registered", "number-paused"],
  [133015, "just deleted, wait 5 min", "retry"],
  [134011, "payments terms", "fix-setup"],
  [134100, "MM API: not marketing", "fix-setup"],
  [134101, "template syncing", "retry"],
  [134102, "template unavailable", "fix-setup"],
  [135000, "generic parameter error", "never"],
  [139103, "block API busy", "retry"],
  [139200, "Direct Send blocked", "fix-setup"],
];

describe("the reaction to a Graph error", () => {
  it.each(rows)("%i (%s): %s", (code, _meaning, type) => {
    expect(reactionTo(code).type).toBe(type);
  });

  it("every permission code from 200 to 299 is a broken token, the neighbours are not", () => {
    for (let code = 200; code <= 299; code++) expect(reactionTo(code)).toEqual({ type: "token-broken" });
    expect(reactionTo(199).type).toBe("retry");
    expect(reactionTo(300).type).toBe("retry");
  });

  it.each([[999_999], [-1], [131_999]])(
    "a code that Meta adds tomorrow (%i) is tried three times and no more",
    (code) => {
      expect(reactionTo(code)).toEqual({ type: "retry", afterMs: 5 * SECOND, factor: 2, tries: 3 });
    },
  );

  it("what is retried is retried a bounded number of times, and not at once", () => {
    for (const [code] of rows) {
      const reaction = reactionTo(code);
      if (reaction.type !== "retry") continue;
      expect(reaction.tries).toBeGreaterThan(1);
      expect(reaction.tries).toBeLessThanOrEqual(10);
      expect(reaction.afterMs).toBeGreaterThanOrEqual(SECOND);
    }
  });

  it.each([
    [134101, "a template that is syncing is given ten minutes", 10 * MINUTE],
    [133015, "a number just deleted is given five minutes", 5 * MINUTE],
    [131057, "an upgrade of throughput is given a minute", MINUTE],
  ])("%i: %s", (code, _why, afterMs) => {
    expect(reactionTo(code)).toMatchObject({ type: "retry", afterMs });
  });
});

describe("how long to wait", () => {
  it("doubles from try to try, and never passes six hours", () => {
    const reaction = { type: "retry", afterMs: 60_000, factor: 2, tries: 20 } as const;
    expect([0, 1, 2, 3, 4].map((tries) => backoffMs(reaction, tries))).toEqual([1, 1, 2, 4, 8].map((n) => n * MINUTE));
    expect(backoffMs(reaction, 9)).toBe(256 * MINUTE);
    expect(backoffMs(reaction, 10)).toBe(6 * HOUR);
    expect(backoffMs(reaction, 1000)).toBe(6 * HOUR);
  });

  it("a pair that is too fast waits 4^X seconds, X counting from 0", () => {
    expect([0, 1, 2, 3].map(pairBackoffMs)).toEqual([1, 4, 16, 64].map((n) => n * SECOND));
    expect(pairBackoffMs(7)).toBe(16_384 * SECOND);
    expect(pairBackoffMs(1000)).toBe(16_384 * SECOND);
  });
});
