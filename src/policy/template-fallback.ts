import type { Content } from "../domain/draft.ts";
import type { Standing } from "./consent.ts";

/** Payload of the quick reply under the fallback template: the tap that releases the held answer. */
export const HELD_ANSWER_PAYLOAD = "esek:held-answer";
export const ASK_STOP_PAYLOAD = "esek:stop-promotions";
export const ASK_KEEP_PAYLOAD = "esek:keep";
export const ANSWER_LATER_YES = "esek:answer-later-yes";
export const ANSWER_LATER_NO = "esek:answer-later-no";

export type FallbackFacts = {
  templateName: string | undefined;
  /** Languages in which the template is approved and still UTILITY. */
  languages: readonly string[];
  /** The contact's language, then the merchant's, best first. */
  preferred: readonly string[];
  standing: Standing;
};

export type Fallback =
  | { type: "hold"; template: Content; language: string }
  | { type: "give-up"; reason: "no-opt-in" | "template-unknown" | "template-language-missing" | "suppressed-all" };

/**
 * The window closed before an answer could leave. A model's text is never poured into a template variable: the answer
 * is held and one short utility template in the person's language says that it is ready, naming their own request's
 * date. It is business-initiated, so it needs a utility opt-in; without one nothing leaves and the merchant is told.
 */
export function templateFallback(facts: FallbackFacts, request: { topic: string; date: string }): Fallback {
  if (facts.standing.utility.isSuppressed) return { type: "give-up", reason: "suppressed-all" };
  if (!facts.standing.utility.hasOptIn) return { type: "give-up", reason: "no-opt-in" };
  if (!facts.templateName || facts.languages.length === 0) return { type: "give-up", reason: "template-unknown" };
  const language = bestLanguage(facts.languages, facts.preferred);
  if (!language) return { type: "give-up", reason: "template-language-missing" };
  return {
    type: "hold",
    language,
    template: {
      type: "template",
      template: {
        name: facts.templateName,
        language,
        body: [
          { type: "text", text: request.topic },
          { type: "text", text: request.date },
        ],
        buttons: [{ type: "quick-reply", index: 0, payload: HELD_ANSWER_PAYLOAD }],
      },
    },
  };
}

/** Exact tag first, then the same language with another region; never another language. */
export function bestLanguage(available: readonly string[], preferred: readonly string[]): string | undefined {
  for (const tag of preferred) {
    const wanted = tag.replace("-", "_").toLowerCase();
    const exact = available.find((code) => code.toLowerCase() === wanted);
    if (exact) return exact;
    const base = wanted.split("_")[0]!;
    const sameLanguage = available.find((code) => code.toLowerCase().split("_")[0] === base);
    if (sameLanguage) return sameLanguage;
  }
  return undefined;
}

const HELD_FRESH_MS = 24 * 3_600_000;
export const HELD_TEXT_MS = 72 * 3_600_000;

/** What a tap on the fallback template does: release what was held, or answer the old question anew. Never silence. */
export function onHeldTap(
  held: { createdAt: Date; agentVersion: string; isTextKept: boolean },
  now: Date,
  agentVersion: string,
): "release" | "answer-anew" {
  const isFresh = now.getTime() - held.createdAt.getTime() <= HELD_FRESH_MS;
  return isFresh && held.isTextKept && held.agentVersion === agentVersion ? "release" : "answer-anew";
}
