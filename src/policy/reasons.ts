/**
 * Every word that explains a decision: the same in code, table, log, console, eval and API. Closed on purpose; a new
 * word is a new row here and in the gate's table test.
 */
export const REFUSALS = [
  "restored-unconfirmed",
  "merchant-suspended",
  "token-broken",
  "number-paused",
  "templates-restricted",
  "number-spam-limited",
  "replies-restricted",
  "human-has-chat",
  "suppressed-marketing",
  "suppressed-all",
  "confirmation-repeated",
  "recipient-unreachable",
  "content-flagged",
  "content-undetermined",
  "promotion-after-stop",
  "no-opt-in",
  "window-closed",
  "template-unknown",
  "template-language-missing",
  "template-not-approved",
  "template-category-not-permitted",
  "template-variables-missing",
  "us-marketing",
  "country-not-served",
  "messaging-limit",
  "zone-unknown",
  "quiet-hours",
  "frequency-cap",
  "budget-spent",
  "unread-sunset",
] as const;

export type Refusal = (typeof REFUSALS)[number];

/** Why an outbound row is where it is, beyond the gate's own words: the sender's and the outbox's. */
export type OutboxReason =
  | Refusal
  | "allowed"
  | "pair-limit"
  | "throughput"
  | "earlier-part-failed"
  | "held-answer"
  | "superseded"
  | "opted-out"
  | "human-took-over"
  | "expired"
  | "retry"
  | "resent-after-unknown"
  | "outcome-unknown"
  | "never-send-again"
  | "attempts-exhausted"
  | "setup-broken"
  | "restored"
  | "erased"
  | "accepted";

/** What a turn did with the customer's words. */
export type TurnReason =
  | "opt-out"
  | "opt-out-repeated"
  | "opt-out-unclear"
  | "unanswered-after-stop"
  | "opt-in"
  | "nothing-to-lift"
  | "kept-by-customer"
  | "crisis"
  | "help"
  | "hand-off"
  | "bot-query"
  | "data-request"
  | "prohibited"
  | "guard-undetermined"
  | "cannot-read"
  | "agent-answered"
  | "knowledge-answered"
  | "loop"
  | "agent-ended"
  | "agent-failed"
  | "draft-flagged"
  | "draft-undetermined"
  | "human-has-chat"
  | "held-answer-released"
  | "answer-later"
  | "nothing-to-say"
  | "too-old"
  | "dead-letter";
