import type { SuppressionScope } from "./consent.ts";

export type Intent =
  | "opt_out"
  | "opt_in"
  | "ask"
  | "help"
  | "handoff"
  | "bot_query"
  | "data_request"
  | "crisis"
  | "none";

/** What the matcher says of a text. `isWhole`: nothing else was said, so nothing else is left to answer. */
export type IntentMatch = {
  intent: Intent;
  scope?: SuppressionScope;
  rule: string;
  score: number;
  language?: string;
  isWhole: boolean;
};
