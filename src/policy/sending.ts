import type { Content } from "../domain/draft.ts";
import type { ContactId, OutboxId } from "../domain/ids.ts";
import type { NoticeLine } from "../domain/notice.ts";
import type { Cleared, GateResult, Outbound, OutboundFacts } from "./outbound-gate.ts";
import { localTime } from "./quiet-hours.ts";
import type { OutboxReason } from "./reasons.ts";
import { type FallbackFacts, templateFallback } from "./template-fallback.ts";

const TOPIC_LIMIT = 60;

/** A row as the sender sees it under the contact's lock. */
export type RowFacts = {
  outboxId: OutboxId;
  contactId: ContactId;
  contentHash: string;
  message: Outbound;
  tries: number;
  isLaneClear: boolean;
  /** Written by the agent before a stop of everything that stands: only what was on the wire then may have left. */
  isCalledOff: boolean;
  /** "Your answer is ready" for an answer that is not held any more: tapped, superseded or past its time. */
  isAnswerGone: boolean;
  pairFreeAt: Date | undefined;
  outbound: OutboundFacts;
  fallback: FallbackFacts;
  /** The customer's own words that this answers, shortened; names their request in a fallback template. */
  topic: string;
  expiresAt: Date | undefined;
};

export type SendingPlan =
  | { type: "send"; cleared: Cleared }
  | { type: "defer"; until: Date; reason: OutboxReason }
  | { type: "end"; state: "blocked" | "expired"; reason: OutboxReason; notice?: NoticeLine }
  | { type: "hold"; template: Content; reason: OutboxReason }
  | { type: "wait" };

/**
 * What the sender does with a row once the gate has spoken. A closed window turns an answer into a held one (or into a
 * notice where nobody may be messaged); an earlier part of the same answer is waited for; the pair limit delays.
 */
export function planSending(facts: RowFacts, { decision, cleared }: GateResult): SendingPlan {
  const now = facts.outbound.now;
  if (facts.expiresAt && facts.expiresAt <= now) return { type: "end", state: "expired", reason: "expired" };
  if (facts.isCalledOff) return { type: "end", state: "blocked", reason: "opted-out" };
  if (facts.isAnswerGone) return { type: "end", state: "blocked", reason: "superseded" };
  if (decision.type === "defer") return { type: "defer", until: decision.until, reason: decision.reason };
  if (decision.type === "block") {
    const isAnswer = facts.message.author === "agent" || facts.message.author === "human";
    if (decision.reason === "window-closed" && isAnswer) return holdOrGiveUp(facts);
    return {
      type: "end",
      state: "blocked",
      reason: decision.reason,
      notice: noticeOf(facts, decision.reason, decision.detail),
    };
  }
  if (!facts.isLaneClear) return { type: "wait" };
  if (facts.pairFreeAt) return { type: "defer", until: facts.pairFreeAt, reason: "pair-limit" };
  return { type: "send", cleared: cleared! };
}

function holdOrGiveUp(facts: RowFacts): SendingPlan {
  const opened = facts.outbound.chat.window.openedAt ?? facts.outbound.now;
  const zone = facts.outbound.recipient.place.zones[0] ?? "UTC";
  const fallback = templateFallback(facts.fallback, {
    topic: oneLine(facts.topic),
    date: localTime(zone, opened).date,
  });
  if (fallback.type === "hold") return { type: "hold", template: fallback.template, reason: "held-answer" };
  return {
    type: "end",
    state: "blocked",
    reason: "window-closed",
    notice: noticeOf(facts, "window-closed", `no fallback: ${fallback.reason}`),
  };
}

/** The merchant is told of every message that will not leave; a repeated confirmation is silent by rule. */
function noticeOf(facts: RowFacts, reason: string, detail: string | undefined) {
  if (reason === "confirmation-repeated" || reason === "human-has-chat") return undefined;
  return {
    kind: "message-blocked",
    dedupeKey: `blocked:${facts.outboxId}`,
    detail: { outbox: facts.outboxId, reason, ...(detail ? { detail } : {}) },
  };
}

/** A template variable takes no line breaks and no runs of spaces (Meta 132012), and is cut between characters, never inside one. */
function oneLine(topic: string): string {
  const flat = topic.replace(/\s+/g, " ").trim();
  const characters = [...new Intl.Segmenter("und", { granularity: "grapheme" }).segment(flat)].map(
    ({ segment }) => segment,
  );
  return (
    (characters.length > TOPIC_LIMIT
      ? `${characters
          .slice(0, TOPIC_LIMIT - 1)
          .join("")
          .trimEnd()}…`
      : flat) || "…"
  );
}
