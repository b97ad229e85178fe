/** A guardrail has three answers. `undetermined` (crashed, timed out, could not tell) never counts as allowed. */
export type VerdictType = "clear" | "flagged" | "undetermined";

export type Check = "content" | "injection" | "scope" | "personal_data" | "promotion";

export type CheckResult = { check: Check; verdict: VerdictType; category?: string; score: number; rule?: string };

/** The answer about one text: the worst of its checks on top, every check beneath, and which languages they cover. */
export type Verdict = {
  verdict: VerdictType;
  category?: string;
  score: number;
  rule: string;
  checks: CheckResult[];
  coverage: "full" | "partial";
  version: string;
};

/** A verdict for our own fixed sentences, cleared when they were written. */
export const PRE_CLEARED: Verdict = {
  verdict: "clear",
  score: 0,
  rule: "pre-cleared",
  checks: [],
  coverage: "full",
  version: "fixed",
};

/** What a check that could not finish says. */
export function undetermined(rule: string, version = "none"): Verdict {
  return {
    verdict: "undetermined",
    score: 0,
    rule,
    checks: [{ check: "content", verdict: "undetermined", score: 0, rule }],
    coverage: "partial",
    version,
  };
}
