import { describe, expect, it } from "vitest";
import type { Author } from "../domain/draft.ts";
import type { ContactId, OutboxId } from "../domain/ids.ts";
import { PRE_CLEARED } from "../domain/verdict.ts";
import { type GateDecision, type GateResult, type OutboundFacts, outboundGate } from "./outbound-gate.ts";
import { planSending, type RowFacts } from "./sending.ts";

const NOW = new Date("2026-11-25T12:00:00Z");
const HOUR = 3_600_000;
const later = (ms: number) => new Date(NOW.getTime() + ms);

/** A reply to somebody in Berlin who wrote at 00:30 of the 25th by their own clock, and opted in to utility. */
function row(author: Author = "agent", changes: Partial<RowFacts> = {}): RowFacts {
  const standing = {
    marketing: { isSuppressed: false, hasOptIn: false },
    utility: { isSuppressed: false, hasOptIn: true },
    isStoppedAtMeta: false,
    isStoppedHere: false,
    hasPendingOptIn: false,
  };
  const outbound: OutboundFacts = {
    now: NOW,
    merchant: { isSuspended: false },
    number: {
      isTokenBroken: false,
      pausedUntil: undefined,
      templatesBlockedUntil: undefined,
      repliesBlockedUntil: undefined,
      initiatedBlockedUntil: undefined,
    },
    chat: { isHumanHeld: false, window: { openedAt: new Date("2026-11-24T23:30:00Z"), closedByMetaAt: undefined } },
    recipient: {
      standing,
      isAskOpen: false,
      isUnreachable: false,
      place: { country: "DE", isUs: false, zones: ["Europe/Berlin"] },
      isCountryBlocked: false,
    },
    confirmed: {},
    template: undefined,
    portfolio: { limit: undefined, used: 0, isCounted: false, nextFreeAt: undefined },
    money: { isSpent: false },
    marketing: { sentAt: [], ignored: 0, caps: { perDay: 1, perWeek: 3, perMonth: 8 }, merchantWindow: undefined },
  };
  return {
    outboxId: "row-1" as OutboxId,
    contactId: "contact-1" as ContactId,
    contentHash: "hash-1",
    message: {
      content: { type: "text", text: "On Friday." },
      purpose: "reply",
      author,
      verdict: PRE_CLEARED,
      isAlwaysAnswered: false,
    },
    tries: 0,
    isLaneClear: true,
    isCalledOff: false,
    isAnswerGone: false,
    pairFreeAt: undefined,
    outbound,
    fallback: { templateName: "answer_ready", languages: ["de", "en"], preferred: ["de"], standing },
    topic: "where is my ficus?",
    expiresAt: undefined,
    ...changes,
  };
}

const gate = (facts: RowFacts): GateResult =>
  outboundGate(
    { outboxId: facts.outboxId, contactId: facts.contactId, contentHash: facts.contentHash },
    facts.message,
    facts.outbound,
  );
const no = (decision: GateDecision): GateResult => ({ decision, cleared: undefined });
const closed = no({ type: "block", reason: "window-closed" });
const notice = (reason: string, detail?: string) => ({
  kind: "message-blocked",
  dedupeKey: "blocked:row-1",
  detail: { outbox: "row-1", reason, ...(detail ? { detail } : {}) },
});

describe("what the sender does when the gate says yes", () => {
  it("sends exactly what was cleared", () => {
    const facts = row();
    const result = gate(facts);
    expect(planSending(facts, result)).toEqual({ type: "send", cleared: result.cleared });
    expect({ ...result.cleared }).toEqual({
      outboxId: "row-1",
      contactId: "contact-1",
      contentHash: "hash-1",
      as: "free-form",
      validUntil: later(60_000),
    });
  });

  const rows: [when: string, changes: Partial<RowFacts>, then: unknown][] = [
    ["was written before a stop of everything", { isCalledOff: true }, { type: "end", state: "blocked", reason: "opted-out" }],
    ["announces an answer that is gone", { isAnswerGone: true }, { type: "end", state: "blocked", reason: "superseded" }],
    ["waits for the earlier part of the answer", { isLaneClear: false }, { type: "wait" }],
    ["waits for the pair limit", { pairFreeAt: later(6000) }, { type: "defer", until: later(6000), reason: "pair-limit" }],
    ["waits for its turn before it minds the pair limit", { isLaneClear: false, pairFreeAt: later(6000) }, { type: "wait" }],
    ["is too late at its very deadline", { expiresAt: NOW }, { type: "end", state: "expired", reason: "expired" }],
    ["is too late though an earlier part is under way", { expiresAt: later(-1), isLaneClear: false }, { type: "end", state: "expired", reason: "expired" }],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, changes, then) => {
    const facts = row("agent", changes);
    expect(planSending(facts, gate(facts))).toEqual(then);
  });

  it("is not too late a millisecond before its deadline", () => {
    const facts = row("agent", { expiresAt: later(1) });
    expect(planSending(facts, gate(facts))).toMatchObject({ type: "send" });
  });
});

describe("what the sender does when the gate says no", () => {
  it("a defer is kept until then, with the gate's word", () => {
    const decision = { type: "defer", until: later(HOUR), reason: "quiet-hours" } as const;
    expect(planSending(row("api"), no(decision))).toEqual(decision);
  });

  it("a defer beyond the deadline is kept; at the deadline it ends", () => {
    const decision = { type: "defer", until: later(2 * HOUR), reason: "quiet-hours" } as const;
    expect(planSending(row("api", { expiresAt: later(HOUR) }), no(decision))).toEqual(decision);
    expect(planSending(row("api", { expiresAt: NOW }), no(decision))).toEqual({
      type: "end",
      state: "expired",
      reason: "expired",
    });
  });

  const rows: [when: string, author: Author, decision: GateDecision, told: unknown][] = [
    ["a block is told to the merchant", "api", { type: "block", reason: "no-opt-in" }, notice("no-opt-in")],
    ["with the gate's detail", "api", { type: "block", reason: "template-unknown", detail: '"news" does not exist at this WABA' }, notice("template-unknown", '"news" does not exist at this WABA')],
    ["a repeated confirmation ends in silence", "fixed", { type: "block", reason: "confirmation-repeated" }, undefined],
    ["a draft while a person has the chat ends in silence", "agent", { type: "block", reason: "human-has-chat" }, undefined],
    ["a fixed sentence whose window closed is not held, the merchant is told", "fixed", { type: "block", reason: "window-closed" }, notice("window-closed")],
    ["a business message whose window closed is not held, the merchant is told", "api", { type: "block", reason: "window-closed" }, notice("window-closed")],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, author, decision, told) => {
    const reason = decision.type === "block" ? decision.reason : undefined;
    expect(planSending(row(author), no(decision))).toEqual({ type: "end", state: "blocked", reason, notice: told });
  });
});

describe("an answer whose window closed", () => {
  const hold = (topic: string, date = "2026-11-25") => ({
    type: "hold",
    reason: "held-answer",
    template: {
      type: "template",
      template: {
        name: "answer_ready",
        language: "de",
        body: [
          { type: "text", text: topic },
          { type: "text", text: date },
        ],
        buttons: [{ type: "quick-reply", index: 0, payload: "esek:held-answer" }],
      },
    },
  });

  it.each(["agent", "human"] as const)(
    "by the %s is held, and named by the customer's request and its day on their calendar",
    (author) => {
      expect(planSending(row(author), closed)).toEqual(hold("where is my ficus?"));
    },
  );

  it("of a customer whose zone nobody knows is named by the day in UTC", () => {
    const facts = row();
    facts.outbound.recipient.place.zones = [];
    expect(planSending(facts, closed)).toEqual(hold("where is my ficus?", "2026-11-24"));
  });

  const family = "👨‍👩‍👧‍👦";
  const topics: [when: string, topic: string, then: string][] = [
    ["line breaks and tabs become single spaces", "where\n\nis\t my   ficus? ", "where is my ficus?"],
    ["60 characters stay", "a".repeat(60), "a".repeat(60)],
    ["61 are cut to 59 and an ellipsis", "a".repeat(61), `${"a".repeat(59)}…`],
    ["no blank before the ellipsis", `${"a".repeat(58)} bcd`, `${"a".repeat(58)}…`],
    ["a family is one character, never cut inside", family.repeat(61), `${family.repeat(59)}…`],
    ["Hebrew keeps its niqqud", "שָׁלוֹם", "שָׁלוֹם"],
    ["a request without words still fills the variable", " \n ", "…"],
  ];
  it.each(topics)("%s", (_when, topic, then) => {
    expect(planSending(row("agent", { topic }), closed)).toEqual(hold(then));
  });

  const giveUps: [when: string, change: (facts: RowFacts) => void, reason: string][] = [
    ["an opt-in", (facts) => { facts.fallback.standing.utility.hasOptIn = false; }, "no-opt-in"],
    ["leave after STOP ALL", (facts) => { facts.fallback.standing.utility.isSuppressed = true; }, "suppressed-all"],
    ["a template", (facts) => { facts.fallback.templateName = undefined; }, "template-unknown"],
    ["a template in the person's language", (facts) => { facts.fallback.preferred = ["fi"]; }, "template-language-missing"],
  ]; // biome-ignore format: a table reads as a table
  it.each(giveUps)("without %s ends, and the merchant is told", (_what, change, reason) => {
    const facts = row();
    change(facts);
    expect(planSending(facts, closed)).toEqual({
      type: "end",
      state: "blocked",
      reason: "window-closed",
      notice: notice("window-closed", `no fallback: ${reason}`),
    });
  });
});
