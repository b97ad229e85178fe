import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AttemptId, ContactId, ConversationId, OutboxId } from "../domain/ids.ts";
import { type Attempt, type News, onNews, STATUS_RANK, type StatusEffect } from "./delivery.ts";

const NOW = new Date("2026-11-22T12:00:00Z");
const SECOND = 1000;
const HOUR = 3600 * SECOND;
const later = (ms: number) => new Date(NOW.getTime() + ms);
const at = later(-2 * SECOND);

type Changes = Partial<Omit<Attempt, "row">> & { row?: Partial<Attempt["row"]> };

/** The first try of an agent's reply, just posted; whatever a row changes is what the row is about. */
function attempt({ row, ...changes }: Changes = {}): Attempt {
  return {
    id: "attempt-1" as AttemptId,
    outboxId: "row-1" as OutboxId,
    contactId: "contact-1" as ContactId,
    conversationId: "chat-1" as ConversationId,
    state: "sending",
    statusRank: 0,
    row: {
      state: "sending",
      purpose: "reply",
      author: "agent",
      isTemplate: false,
      tries: 1,
      isResent: false,
      isUs: false,
      newestInboundAt: undefined,
      ...row,
    },
    pairRefusals: 0,
    isLatest: true,
    ...changes,
  };
}

const status = (name: string, errorCode?: number): News => ({ type: "status", status: name, at, errorCode });
const refused = (code: number): News => ({ type: "refused", code, at });
const effect = (changes: Partial<StatusEffect> = {}): StatusEffect => ({ facts: [], notices: [], ...changes });
const NOTHING = effect();
const ACCEPTED = { state: "accepted", reason: "accepted" } as const;

/** The attempt as it stands once the store has done what was decided. */
function carriedOut(before: Attempt, { attempt: changed, row }: StatusEffect): Attempt {
  return {
    ...before,
    state: changed?.state ?? before.state,
    statusRank: changed?.rank ?? before.statusRank,
    row: { ...before.row, state: row?.state ?? before.row.state, isResent: before.row.isResent || !!row?.isResend },
  };
}

describe("the answer to a POST", () => {
  const rows: [when: string, before: Attempt, news: News, then: StatusEffect][] = [
    ["Meta took it", attempt(), { type: "accepted" }, effect({ attempt: { state: "accepted" }, row: ACCEPTED })],
    ["Meta took it, and its status was faster", attempt({ state: "accepted", statusRank: 2, row: { state: "accepted" } }), { type: "accepted" }, effect({ attempt: { state: "accepted" } })],
    ["it provably never left", attempt(), { type: "not-sent" }, effect({ attempt: { state: "rejected" }, row: { state: "queued", reason: "retry", sendAt: later(500) } })],
    ["it never left, for the twelfth time", attempt({ row: { tries: 12 } }), { type: "not-sent" }, effect({ attempt: { state: "rejected" }, row: { state: "failed", reason: "attempts-exhausted" }, notices: [{ kind: "send-failed" }] })],
    ["nobody knows whether it left: wait 90 s", attempt(), { type: "unknown" }, effect({ attempt: { state: "unknown" }, row: { state: "unknown", reason: "outcome-unknown", sendAt: later(90 * SECOND) } })],
    ["'unknown' after a status told: nothing", attempt({ state: "accepted", row: { state: "accepted" } }), { type: "unknown" }, NOTHING],
    ["'not sent' after a status told: nothing", attempt({ state: "accepted", row: { state: "accepted" } }), { type: "not-sent" }, NOTHING],
    ["'refused' after a status told: nothing", attempt({ state: "accepted", row: { state: "accepted" } }), refused(131000), NOTHING],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, before, news, then) => {
    expect(onNews(before, news, NOW)).toEqual(then);
  });
});

describe("an unknown outcome, 90 s later", () => {
  const unknown = (row: Changes["row"] = {}, changes: Changes = {}) =>
    attempt({ state: "unknown", ...changes, row: { state: "unknown", ...row } });
  const ended = effect({
    row: { state: "failed", reason: "outcome-unknown" },
    notices: [{ kind: "send-outcome-unknown" }],
  });
  const rows: [when: string, before: Attempt, then: StatusEffect][] = [
    ["a free-form reply is sent once more", unknown(), effect({ row: { state: "queued", reason: "resent-after-unknown", sendAt: NOW, isResend: true } })],
    ["a free-form reply is not sent a third time", unknown({ isResent: true }), ended],
    ["a marketing template is never sent again", unknown({ isTemplate: true, purpose: "marketing" }), ended],
    ["a utility template is never sent again", unknown({ isTemplate: true, purpose: "utility" }), ended],
    ["a code is never sent again", unknown({ isTemplate: true, purpose: "authentication" }), ended],
    ["what a status settled meanwhile stays as it is", attempt({ state: "accepted", row: { state: "accepted" } }), NOTHING],
    ["a row that was queued again already is left alone", unknown({ state: "queued" }), NOTHING],
    ["an earlier try of a row is left alone", unknown({}, { isLatest: false }), NOTHING],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, before, then) => {
    expect(onNews(before, { type: "no-news-in-time" }, NOW)).toEqual(then);
  });
});

describe("a late status of an unknown outcome", () => {
  const rows: [when: string, before: Attempt, news: News, then: StatusEffect][] = [
    ["within the 90 s settles it", attempt({ state: "unknown", row: { state: "unknown" } }), status("sent"), effect({ attempt: { state: "accepted", rank: 1, status: "sent" }, row: ACCEPTED })],
    ["before the resend left calls the resend off", attempt({ state: "unknown", row: { state: "queued", isResent: true } }), status("delivered"), effect({ attempt: { state: "accepted", rank: 2, status: "delivered" }, row: ACCEPTED, facts: [{ type: "reached" }] })],
    ["after the resend left is a counted duplicate", attempt({ state: "unknown", isLatest: false, row: { state: "accepted", isResent: true } }), status("delivered"), effect({ attempt: { state: "accepted", rank: 2, status: "delivered", isDuplicate: true }, facts: [{ type: "reached" }] })],
    ["after the resend left, while that one is under way, is counted too", attempt({ state: "unknown", isLatest: false, row: { state: "sending", isResent: true } }), status("sent"), effect({ attempt: { state: "accepted", rank: 1, status: "sent", isDuplicate: true } })],
    ["a failure of the first try after the resend left changes nothing of the row", attempt({ state: "unknown", isLatest: false, row: { state: "accepted", isResent: true } }), status("failed", 131026), effect({ attempt: { state: "accepted", rank: 5, status: "failed", errorCode: 131026 } })],
    ["an earlier try that Meta refused and delivered after all is no duplicate of an unknown", attempt({ state: "rejected", isLatest: false, row: { state: "accepted" } }), status("sent"), effect({ attempt: { state: "accepted", rank: 1, status: "sent", isDuplicate: false } })],
    ["tells of a template given up as unknown that it arrived", attempt({ state: "unknown", row: { state: "failed", isTemplate: true } }), status("delivered"), effect({ attempt: { state: "accepted", rank: 2, status: "delivered" }, row: ACCEPTED, facts: [{ type: "reached" }] })],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, before, news, then) => {
    expect(onNews(before, news, NOW)).toEqual(then);
  });
});

describe("the lattice of statuses", () => {
  const names = ["sent", "delivered", "read", "played", "failed"];
  const order = fc.array(fc.constantFrom(...names, "unsupported"), { maxLength: 12 });

  it("is sent < delivered < read < played, with failed at the end", () => {
    expect(STATUS_RANK).toEqual({ sent: 1, delivered: 2, read: 3, played: 4, failed: 5 });
  });

  it("no order of sent, delivered, read and failed ever goes down, and nothing follows failed", () => {
    fc.assert(
      fc.property(order, (statuses) => {
        let now = attempt({ state: "accepted", row: { state: "accepted" } });
        for (const name of statuses) {
          const before = now;
          const change = onNews(now, status(name, name === "failed" ? 131026 : undefined), NOW);
          now = carriedOut(now, change);
          expect(now.statusRank).toBeGreaterThanOrEqual(before.statusRank);
          if (before.statusRank === STATUS_RANK.failed) expect(change).toEqual(NOTHING);
        }
        const ranks = statuses.map((name) => STATUS_RANK[name] ?? 0);
        expect(now.statusRank).toBe(Math.max(0, ...ranks));
      }),
    );
  });

  it("the same status twice is the same as once", () => {
    fc.assert(
      fc.property(fc.constantFrom(...names), (name) => {
        const once = attempt({ state: "accepted", row: { state: "accepted" } });
        const news = status(name, name === "failed" ? 131026 : undefined);
        expect(onNews(carriedOut(once, onNews(once, news, NOW)), news, NOW)).toEqual(NOTHING);
      }),
    );
  });

  it("every permutation of sent, delivered and read ends in read, with the row accepted", () => {
    for (const permutation of [
      ["sent", "delivered", "read"],
      ["sent", "read", "delivered"],
      ["delivered", "sent", "read"],
      ["delivered", "read", "sent"],
      ["read", "sent", "delivered"],
      ["read", "delivered", "sent"],
    ]) {
      let now = attempt();
      for (const name of permutation) now = carriedOut(now, onNews(now, status(name), NOW));
      expect({ state: now.state, rank: now.statusRank, row: now.row.state }).toEqual({
        state: "accepted",
        rank: 3,
        row: "accepted",
      });
    }
  });

  it.each([
    ["sent", []],
    ["delivered", [{ type: "reached" }]],
    ["read", [{ type: "reached" }]],
    ["played", [{ type: "reached" }]],
  ])("%s tells of the recipient: %j", (name, facts) => {
    expect(onNews(attempt({ state: "accepted", row: { state: "accepted" } }), status(name), NOW)).toEqual(
      effect({
        attempt: { state: "accepted", rank: STATUS_RANK[name], status: name },
        facts: facts as StatusEffect["facts"],
      }),
    );
  });

  it("a status that Meta adds tomorrow changes nothing", () => {
    expect(onNews(attempt(), status("unsupported"), NOW)).toEqual(NOTHING);
    expect(onNews(attempt(), status("teleported"), NOW)).toEqual(NOTHING);
  });
});

describe("the error table at work", () => {
  const marketing: Changes["row"] = { purpose: "marketing", author: "api", isTemplate: true };
  const rows: [when: string, code: number, row: Changes["row"], then: Partial<StatusEffect>][] = [
    ["131000: again, after 2 s", 131000, {}, { row: { state: "queued", reason: "retry", sendAt: later(2 * SECOND) } }],
    ["131000 a second time: after 4 s", 131000, { tries: 2 }, { row: { state: "queued", reason: "retry", sendAt: later(4 * SECOND) } }],
    ["131000 a third time: given up, the merchant told", 131000, { tries: 3 }, { row: { state: "failed", reason: "attempts-exhausted" }, notices: [{ kind: "send-failed", code: 131000 }] }],
    ["an unknown code the third time: given up, the merchant told", 999_999, { tries: 3 }, { row: { state: "failed", reason: "attempts-exhausted" }, notices: [{ kind: "send-failed", code: 999_999 }] }],
    ["131056: this pair waits a second", 131056, {}, { row: { state: "deferred", reason: "pair-limit", sendAt: later(SECOND) }, facts: [{ type: "pair-refused", until: later(SECOND) }] }],
    ["131047: Meta is believed, the window closed, the row weighed again", 131047, {}, { row: { state: "queued", reason: "window-closed", sendAt: NOW }, facts: [{ type: "window-closed", at }] }],
    ["131047, the customer wrote before that: closed", 131047, { newestInboundAt: later(-HOUR) }, { row: { state: "queued", reason: "window-closed", sendAt: NOW }, facts: [{ type: "window-closed", at }] }],
    ["131047, the customer wrote at that very second: closed", 131047, { newestInboundAt: at }, { row: { state: "queued", reason: "window-closed", sendAt: NOW }, facts: [{ type: "window-closed", at }] }],
    ["131047, the customer wrote after that: tried again, the window stays", 131047, { newestInboundAt: later(-SECOND) }, { row: { state: "queued", reason: "retry", sendAt: later(SECOND) } }],
    ["131049: once more, after 24 h", 131049, marketing, { row: { state: "deferred", reason: "retry", sendAt: later(24 * HOUR) } }],
    ["131049 a second time: never again", 131049, { ...marketing, tries: 2 }, { row: { state: "failed", reason: "never-send-again" } }],
    ["131049 to a US number: never again", 131049, { ...marketing, isUs: true }, { row: { state: "failed", reason: "never-send-again" } }],
    ["131050: an opt-out, by Meta's clock", 131050, marketing, { row: { state: "failed", reason: "opted-out" }, facts: [{ type: "meta-opt-out", at }] }],
    ["131026: the recipient cannot be reached", 131026, {}, { row: { state: "failed", reason: "recipient-unreachable" }, facts: [{ type: "unreachable" }] }],
    ["190: waits for a token, the merchant told", 190, {}, { row: { state: "deferred", reason: "token-broken", sendAt: later(60 * SECOND) }, facts: [{ type: "token-broken" }], notices: [{ kind: "token-broken", code: 190 }] }],
    ["368: the number is paused, the merchant told", 368, {}, { row: { state: "deferred", reason: "number-paused", sendAt: later(HOUR) }, facts: [{ type: "number-paused", until: later(HOUR) }], notices: [{ kind: "number-paused", code: 368 }] }],
    ["130497: the country is closed, the merchant told", 130497, {}, { row: { state: "failed", reason: "country-not-served" }, facts: [{ type: "country-blocked" }], notices: [{ kind: "country-blocked", code: 130497 }] }],
    ["132001: the merchant mends the template", 132001, marketing, { row: { state: "failed", reason: "setup-broken" }, notices: [{ kind: "template-or-setup-broken", code: 132001 }] }],
    ["130472: never again, the merchant told", 130472, marketing, { row: { state: "failed", reason: "never-send-again" }, notices: [{ kind: "send-failed", code: 130472 }] }],
  ]; // biome-ignore format: a table reads as a table

  it.each(rows)("refused at once with %s", (_when, code, row, then) => {
    expect(onNews(attempt({ row }), refused(code), NOW)).toEqual(
      effect({ attempt: { state: "rejected", errorCode: code }, ...then }),
    );
  });

  it.each(rows)("failed after a 200 with %s", (_when, code, row, then) => {
    const before = attempt({ state: "accepted", row: { ...row, state: "accepted" } });
    expect(onNews(before, status("failed", code), NOW)).toEqual(
      effect({ attempt: { state: "accepted", rank: 5, status: "failed", errorCode: code }, ...then }),
    );
  });

  it("a failure without a code is an unknown send failure", () => {
    const before = attempt({ state: "accepted", row: { state: "accepted" } });
    expect(onNews(before, status("failed"), NOW)).toEqual(onNews(before, status("failed", 131000), NOW));
  });

  it("131056 in a row: 1, 4, 16 s", () => {
    expect(
      [0, 1, 2].map((pairRefusals) => onNews(attempt({ pairRefusals }), refused(131056), NOW).row?.sendAt),
    ).toEqual([later(SECOND), later(4 * SECOND), later(16 * SECOND)]);
  });

  it("a refusal of a try that is not under way any more changes nothing", () => {
    for (const state of ["accepted", "rejected", "unknown"] as const)
      expect(onNews(attempt({ state }), refused(131050), NOW)).toEqual(NOTHING);
  });
});
