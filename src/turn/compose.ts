import type { Author, Content, Purpose } from "../domain/draft.ts";
import { type EventId, newId, type OutboxId } from "../domain/ids.ts";
import { businessName } from "../domain/merchant.ts";
import { PRE_CLEARED, type Verdict } from "../domain/verdict.ts";
import { decideOutbound, type OutboundFacts } from "../policy/outbound-gate.ts";
import type { TurnReason } from "../policy/reasons.ts";
import type { OutboxLine, Ports, TurnEffects, TurnFacts, TurnRecord } from "../ports.ts";

export type Line = {
  content: Content;
  reason: TurnReason;
  dedupeKey: string;
  purpose?: Purpose;
  author?: Author;
  verdict?: Verdict;
  isAlwaysAnswered?: boolean;
  confirms?: "marketing" | "all";
  replyTo?: EventId;
  discloses?: boolean;
  part?: number;
};

/** A message for the outbox, weighed by the gate as of now; the door weighs it again. */
export function compose(facts: TurnFacts, line: Line, outbound: OutboundFacts = facts.outbound): OutboxLine {
  const message = {
    content: line.content,
    purpose: line.purpose ?? "reply",
    author: line.author ?? "fixed",
    verdict: line.verdict ?? PRE_CLEARED,
    isAlwaysAnswered: line.isAlwaysAnswered ?? false,
    ...(line.confirms ? { confirms: line.confirms } : {}),
  };
  return {
    id: newId<OutboxId>(),
    dedupeKey: line.dedupeKey,
    part: line.part ?? 0,
    message,
    reason: line.reason,
    decision: decideOutbound(message, outbound),
    replyTo: line.replyTo,
    discloses: line.discloses ?? false,
  };
}

/** One of our own sentences, in the person's language. */
export function say(ports: Ports, facts: TurnFacts, key: string, language: string): string {
  const { config } = facts.merchant;
  const hours = ports.sentences.say("hours", language, { hours: config.escalation.hours });
  return ports.sentences
    .say(key, language, {
      business: businessName(config, language),
      contact: config.escalation.contact,
      hours,
      helpline: "",
    })
    .trim();
}

export function text(words: string): Content {
  return { type: "text", text: words };
}

export function noEffects(): TurnEffects {
  return { records: [], outbox: [], consent: [], notices: [] };
}

export function record(type: string, reason: TurnReason, facts: unknown, verdict?: Verdict): TurnRecord {
  return { step: "turn", type, reason, facts, verdicts: verdict ? [verdict] : [], latencyMs: 0 };
}
