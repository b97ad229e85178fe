import { undetermined, type Verdict } from "../domain/verdict.ts";
import type { GuardPort } from "../ports.ts";
import { IntentMatcher } from "./intents.ts";
import { detectLanguage } from "./language.ts";
import { ProhibitedLexicon } from "./prohibited.ts";
import { PromotionCheck } from "./promotion.ts";

/** Longer than any WhatsApp text; what is cut off was not checked, so such a text is undetermined. */
const MAX_LENGTH = 20_000;

/** The local tier behind the verdict port: intents and the prohibited lexicon, no model, no network. */
export function createGuard(): GuardPort & {
  intentsVersion: string;
  checkNow: (text: string, direction: "inbound" | "outbound") => Verdict;
} {
  const intents = new IntentMatcher();
  const lexicon = new ProhibitedLexicon();
  const promotion = new PromotionCheck();
  return {
    intentsVersion: intents.version,
    intents: (text, context) => intents.match(text, context),
    isPossibleCommand: (text) => intents.isPossibleCommand(text),
    language: detectLanguage,
    checkNow: (text, direction) => judge(lexicon, promotion, text, direction),
    check: async (text, direction) => judge(lexicon, promotion, text, direction),
  };
}

/** A check that crashes is undetermined, and undetermined is never sent. */
function judge(
  lexicon: ProhibitedLexicon,
  promotion: PromotionCheck,
  text: string,
  direction: "inbound" | "outbound",
): Verdict {
  if (text.length > MAX_LENGTH) return undetermined("too-long", lexicon.version);
  try {
    const content = lexicon.check(text, direction);
    return {
      verdict: content.verdict,
      category: content.category,
      score: content.score,
      rule: content.rule ?? "lexicon",
      checks: direction === "outbound" ? [content, promotion.check(text)] : [content],
      coverage: "partial",
      version: lexicon.version,
    };
  } catch {
    return undetermined("check-crashed", lexicon.version);
  }
}
