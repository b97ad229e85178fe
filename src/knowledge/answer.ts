import { termsOf } from "./terms.ts";

/** A passage as the search returns it. */
export type Passage = {
  id: string;
  source: string;
  title: string;
  text: string;
  language: string | undefined | null;
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

/**
 * When a passage is an answer; tuned on the development questions (`test/knowledge`), where a wrong answer costs far more
 * than none. Shares of weight, 0 to 1.
 */
const ENOUGH = {
  /** How much of the question the passage holds. */
  held: 0.7,
  /** How much of the passage's heading the question is about. */
  heading: 0.3,
  both: 1,
  /** How far the next best must lie behind, unless it says the same. */
  lead: 0.03,
};

const MAX_TEXT = 700;

/**
 * An answer from the merchant's own words, or none: the best passage when it holds nearly everything the question is about
 * and its heading speaks of it. A word that no document knows counts as rare, so a question about something else is not
 * answered by its neighbour.
 */
export async function answerFromKnowledge(
  question: string,
  language: string,
  search: KnowledgeSearch,
): Promise<KnowledgeAnswer> {
  const terms = questionTerms(question);
  if (terms.length === 0) return { type: "abstain", score: 0 };
  const found = await search(terms, 40);
  const [best, next] = rank(terms, found, language);
  if (!best || !isEnough(best, next)) return { type: "abstain", score: best?.score ?? 0 };
  const { source, title, text } = best.passage;
  return { type: "answer", text: extract(text, terms, found), cites: { source, title }, score: best.score };
}

/** What a question is about. Bare numbers (a sum, a count, a date) are about nothing by themselves. */
export function questionTerms(question: string): string[] {
  return [...new Set(termsOf(question))].filter((term) => !/^\p{N}+$/u.test(term));
}

export type Ranked = { passage: Passage; score: number; held: number; heading: number };

function isEnough(best: Ranked, next: Ranked | undefined): boolean {
  if (best.held < ENOUGH.held || best.heading < ENOUGH.heading || best.held + best.heading < ENOUGH.both) return false;
  return next === undefined || best.score - next.score >= ENOUGH.lead || next.passage.title === best.passage.title;
}

/** Passages in the customer's language (or in none) by how much of the question they hold and are about, best first. */
export function rank(terms: readonly string[], found: Found, language: string): Ranked[] {
  const weights = new Map(terms.map((term) => [term, weightOf(found, term)]));
  const all = sum(weights.values());
  const own = language.split("-")[0];
  return found.passages
    .filter((passage) => !passage.language || passage.language === own)
    .map((passage) => {
      const known = new Set(passage.terms);
      const title = new Set(passage.titleTerms);
      let held = 0;
      let spoken = 0;
      for (const [term, weight] of weights) {
        const match = found.matches.get(term);
        if (!match || !known.has(match.term)) continue;
        held += weight * match.likeness;
        if (title.has(match.term)) spoken += weight * match.likeness;
      }
      const heading = all === 0 ? 0 : headingShare(title, terms, found);
      return { passage, held: held / all, heading, score: held / all + spoken / all + 0.5 * heading };
    })
    .sort((a, b) => b.score - a.score);
}

/** How much of a heading the question asks about. */
function headingShare(title: ReadonlySet<string>, terms: readonly string[], found: Found): number {
  if (title.size === 0) return 0;
  const asked = new Set(terms.map((term) => found.matches.get(term)?.term ?? term));
  return [...title].filter((term) => asked.has(term)).length / title.size;
}

function weightOf(found: Found, term: string): number {
  const passages = found.matches.get(term)?.passages ?? 0;
  return Math.log(1 + (found.total - passages + 0.5) / (passages + 0.5));
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
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
