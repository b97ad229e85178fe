import { MAXIMUM_DAYS, RETENTION_CLASSES, type RetentionClass } from "../domain/retention.ts";

/** `blanked`: the row stays for counts and for "why", what it held is gone. `deleted`: the row is gone. */
export type Retention = { days: number; fate: "blanked" | "deleted"; what: string; why: string };

/**
 * How long each class of data is kept where the merchant's file says nothing (GDPR 5(1)(e); Israeli Data Security
 * Regulations: records of what was done 24 months). Not in the table, because they stay: the consent ledger and the
 * suppressions, as keyed hashes, as long as the relation and the time to sue (GDPR 17(3)(e)); proofs of erasure; the
 * decision rows without their facts.
 */
export const RETENTION: Record<RetentionClass, Retention> = {
  rawPayloads: {
    days: 14,
    fate: "blanked",
    what: "Meta's own JSON of each event",
    why: "only for finding our own parsing errors; Meta redelivers for 7 days",
  },
  messages: {
    days: 180,
    fate: "blanked",
    what: "what was written, both ways",
    why: "context of a conversation and of complaints about it",
  },
  decisionFacts: {
    days: 180,
    fate: "blanked",
    what: "the facts behind each decision",
    why: "they name the person; type, reason and versions stay",
  },
  deadLetters: {
    days: 30,
    fate: "blanked",
    what: "messages that could not be processed",
    why: "the merchant was told; an answer after a month helps nobody",
  },
  attempts: {
    days: 180,
    fate: "blanked",
    what: "Meta's message ids, which hold the person's number",
    why: "joins receipts and replies to what was sent; states and prices stay",
  },
  heldAnswers: {
    days: 90,
    fate: "deleted",
    what: "closed held answers",
    why: "a late tap on their template is answered anew (their texts go after 72 hours)",
  },
  parkedStatuses: {
    days: 7,
    fate: "deleted",
    what: "receipts that matched nothing",
    why: "tried again for 7 days",
  },
  eventKeys: {
    days: 30,
    fate: "deleted",
    what: "keyed hashes by which a repeated delivery is known",
    why: "Meta redelivers for 7 days; older events act only as opt-outs",
  },
  idempotencyKeys: {
    days: 7,
    fate: "deleted",
    what: "the API's Idempotency-Keys and answers",
    why: "promised to callers for 7 days",
  },
  limits: {
    days: 7,
    fate: "deleted",
    what: "who counted against Meta's limits",
    why: "they look back 24 hours",
  },
  notices: { days: 365, fate: "deleted", what: "what the merchant was told", why: "holds ids and counts only" },
  dataRequests: {
    days: 1095,
    fate: "deleted",
    what: "data-subject requests that are done",
    why: "proof of an answer in time, for the time to sue",
  },
  contacts: {
    days: 1095,
    fate: "blanked",
    what: "people with no message either way, erased whole",
    why: "no relation any more; their stops stay",
  },
};

/** Events of numbers that no merchant owns: kept under the system's own key until somebody claims them. Not a merchant's to set. */
export const UNROUTED_DAYS = 30;

/** What holds for a merchant: its own days where its file gives them, else ours. A dead letter is a message and is not kept longer than one. */
export function retentionDays(own: Partial<Record<RetentionClass, number>> = {}): Record<RetentionClass, number> {
  const days = Object.fromEntries(
    RETENTION_CLASSES.map((name) => [name, Math.min(own[name] ?? RETENTION[name].days, MAXIMUM_DAYS)]),
  ) as Record<RetentionClass, number>;
  return { ...days, deadLetters: Math.min(days.deadLetters, days.messages) };
}
