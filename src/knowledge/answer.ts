import { termsOf } from "./terms.ts";

/** A passage as the search returns it. */
export type Passage = {
  id: string;
  source: string;
  title: string;
  text: string;
  language: string | undefined;
  terms: readonly string[];
  titleTerms: readonly string[];
};

/** What a search knows: the passages that share a term with the question, and how common each term is among all of them. */
export type Found = {
  total: number;
  /** For each term of the question: the term of the documents it stands for (itself, or one a letter away), and in how many passages. */
  matches: ReadonlyMap<string, { term: string; passages: number; likeness: number }>;
  passages: readonly Passage[];
};

export type KnowledgeSearch = (terms: readonly string[], limit: number) => Promise<Found>;

export type KnowledgeAnswer =
  | { type: "answer"; text: string; cites: { source: string; title: string }; score: number }
  | { type: "abstain"; score: number };

/** Below this share of the question's weight in one passage there is no answer. Tuned on the development questions. */
const ENOUGH = 0.62;
/** A heading that is about the question counts this much. */
const TITLE_WEIGHT = 0.35;
const MAX_TEXT = 700;

/**
 * An answer from the merchant's own words, or none: the best passage when it holds nearly everything the question is about.
 * A word that no document knows counts as rare, so a question about something else is not answered by its neighbour.
 */
export async function answerFromKnowledge(
  question: string,
  language: string,
  search: KnowledgeSearch,
): Promise<KnowledgeAnswer> {
  const terms = [...new Set(termsOf(question))];
  if (terms.length === 0) return { type: "abstain", score: 0 };
  const found = await search(terms, 40);
  const [best] = rank(terms, found, language);
  if (!best || best.score < ENOUGH) return { type: "abstain", score: best?.score ?? 0 };
  const { source, title, text } = best.passage;
  return { type: "answer", text: extract(text, terms, found), cites: { source, title }, score: best.score };
}

export type Ranked = { passage: Passage; score: number };

/** Passages by how much of the question they hold, best first; of equals the one in the customer's language. Score 0 to 1. */
export function rank(terms: readonly string[], found: Found, language: string): Ranked[] {
  const weights = new Map(terms.map((term) => [term, weightOf(found, term)]));
  const all = [...weights.values()].reduce((sum, weight) => sum + weight, 0);
  return found.passages
    .map((passage) => {
      const own = new Set(passage.terms);
      const title = new Set(passage.titleTerms);
      let held = 0;
      let heading = 0;
      for (const [term, weight] of weights) {
        const match = found.matches.get(term);
        if (!match || !own.has(match.term)) continue;
        held += weight * match.likeness;
        if (title.has(match.term)) heading += weight * match.likeness;
      }
      const covered = title.size === 0 ? 0 : titleCovered(title, terms, found);
      const body = held / all;
      const score = body * (1 - TITLE_WEIGHT) + TITLE_WEIGHT * Math.sqrt((heading / all) * covered);
      const isOwnLanguage = passage.language === undefined || passage.language === language.split("-")[0];
      return { passage, score: Math.min(1, score + (isOwnLanguage ? 0 : -0.02)) };
    })
    .sort((a, b) => b.score - a.score);
}

/** How much of a heading the question asks about. */
function titleCovered(title: ReadonlySet<string>, terms: readonly string[], found: Found): number {
  const asked = new Set(terms.map((term) => found.matches.get(term)?.term ?? term));
  let hit = 0;
  for (const term of title) if (asked.has(term)) hit++;
  return hit / title.size;
}

function weightOf(found: Found, term: string): number {
  const passages = found.matches.get(term)?.passages ?? 0;
  return Math.log(1 + (found.total - passages + 0.5) / (passages + 0.5));
}

/** The passage as it stands; of a long one the run of sentences that says most of what was asked. */
function extract(text: string, terms: readonly string[], found: Found): string {
  if (text.length <= MAX_TEXT) return text;
  const sentences = [...new Intl.Segmenter("und", { granularity: "sentence" }).segment(text)].map(
    ({ segment }) => segment,
  );
  const asked = new Set(terms.map((term) => found.matches.get(term)?.term ?? term));
  let best = { from: 0, score: -1 };
  for (const from of sentences.keys()) {
    const words = new Set(termsOf(sentences.slice(from, from + 3).join("")));
    const score = [...asked].filter((term) => words.has(term)).length;
    if (score > best.score) best = { from, score };
  }
  let part = "";
  for (const sentence of sentences.slice(best.from)) {
    if (part !== "" && part.length + sentence.length > MAX_TEXT) break;
    part += sentence;
  }
  return part.trim().slice(0, MAX_TEXT);
}
