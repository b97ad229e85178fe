/** What a stop ends. `marketing`: promotions only. `all`: everything the business starts, authentication codes excepted. */
export type SuppressionScope = "marketing" | "utility" | "all";

export type ConsentAct = "opt-in" | "opt-out" | "pending-opt-in" | "ask" | "ask-answered";

export type ConsentSource =
  | "keyword"
  | "button"
  | "meta-preference"
  | "error-131050"
  | "human"
  | "api"
  | "import"
  | "objection"
  | "double-opt-in"
  | "answer-later"
  | "signup"
  /** An erasure takes the proofs of opt-ins along, and an opt-in without its proof is none. */
  | "erasure";

/**
 * One line of the append-only ledger of a person at a WABA. `at` is the event's own time: it orders, arrival does not.
 * `recordedAt` is when the database took it, on its clock.
 */
export type ConsentEvent = {
  act: ConsentAct;
  scope: SuppressionScope;
  source: ConsentSource;
  at: Date;
  recordedAt?: Date;
};
