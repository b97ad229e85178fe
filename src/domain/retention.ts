/**
 * What is kept for a time and then forgotten, and the fewest days each must be kept for the path to work: held answers
 * and questions are needed for days, Meta redelivers for seven, an event key guards against a redelivery for thirty.
 */
export const MINIMUM_DAYS = {
  rawPayloads: 1,
  messages: 7,
  decisionFacts: 7,
  deadLetters: 7,
  attempts: 8,
  heldAnswers: 7,
  parkedStatuses: 7,
  eventKeys: 30,
  idempotencyKeys: 7,
  limits: 2,
  notices: 7,
  dataRequests: 365,
  contacts: 30,
} as const;

export type RetentionClass = keyof typeof MINIMUM_DAYS;

export const RETENTION_CLASSES = Object.keys(MINIMUM_DAYS) as RetentionClass[];

/** Ten years: the longest anybody may ask for. */
export const MAXIMUM_DAYS = 3650;
