import { readFileSync } from "node:fs";
import { join } from "node:path";
import { normalise, tokens } from "../guardrails/normalise.ts";

/**
 * The words of a text in the form in which questions and documents are compared: without words that carry no subject,
 * without endings and attached particles, and with one word for things that customers call by several names. Cheap
 * and the same on both sides; it need not be right, it must be alike.
 */
export function termsOf(text: string): string[] {
  const words = tokens(normalise(text));
  const terms: string[] = [];
  for (let at = 0; at < words.length; ) {
    const phrase = phraseAt(words, at);
    if (phrase) {
      terms.push(phrase.term);
      at += phrase.length;
      continue;
    }
    const word = words[at++]!;
    if (STOPWORDS.has(word)) continue;
    const stem = stemOf(word);
    if (stem.length >= 2 || /\p{N}/u.test(stem)) terms.push(SYNONYMS.get(stem) ?? stem);
  }
  return terms;
}

/** The longest phrase of the synonyms that begins here ("money back", "how long does it take"). */
function phraseAt(words: readonly string[], at: number): { term: string; length: number } | undefined {
  return PHRASES.get(words[at]!)?.find(({ words: wanted }) =>
    wanted.every((word, index) => words[at + index] === word),
  );
}

/** The language that a text's letters alone tell. */
export function languageOfWords(text: string): string | undefined {
  const count = (script: RegExp) => text.match(script)?.length ?? 0;
  const hebrew = count(/\p{sc=Hebrew}/gu);
  const arabic = count(/\p{sc=Arabic}/gu);
  const latin = count(/\p{sc=Latin}/gu);
  if (hebrew > latin && hebrew > arabic) return "he";
  if (arabic > latin && arabic > hebrew) return "ar";
  return undefined;
}

function stemOf(word: string): string {
  if (/^\p{sc=Hebrew}/u.test(word)) return hebrewStem(word);
  if (/^\p{sc=Arabic}/u.test(word)) return arabicStem(word);
  return latinStem(word.replace(/'s?$/, ""));
}

function latinStem(word: string): string {
  if (word.length < 4 || /\p{N}/u.test(word)) return word;
  const bare = word
    .replace(/(ies)$/, "y")
    .replace(/(sses|shes|ches|xes)$/, (ending) => ending.slice(0, -2))
    .replace(/([^su])s$/, "$1");
  const cut = bare.replace(/(?:ingly|edly|ing|ed|ly|ment|ness)$/, "");
  const stem = cut.length >= 3 && /[aeiouy]/.test(cut) ? cut : bare;
  return stem.replace(/([b-df-hj-np-tv-z])\1$/, "$1").replace(/(?<=...)e$/, "");
}

const FINAL: Record<string, string> = { ך: "כ", ם: "מ", ן: "נ", ף: "פ", ץ: "צ" };

function hebrewStem(word: string): string {
  let stem = word.replace(/["']/g, "");
  if (stem.length >= 5 && /^ו/.test(stem)) stem = stem.slice(1);
  if (stem.length >= 5 && /^[שהכלבמ]/.test(stem)) stem = stem.slice(1);
  const bare = stem.replace(/(?:יות|ות|ים|ית|ה|י|ך|נו|כם|יה)$/, "");
  return (bare.length >= 2 ? bare : stem).replace(/[ךםןףץ]$/, (letter) => FINAL[letter]!);
}

function arabicStem(word: string): string {
  let stem = word;
  if (stem.length >= 4 && /^[وف]/.test(stem)) stem = stem.slice(1);
  stem = stem.replace(/^(?:بال|كال|لل|ال)(?=..)/, "");
  if (stem.length >= 5 && /^[بلك]/.test(stem)) stem = stem.slice(1);
  const bare = stem.replace(/(?:ات|ون|ين|ها|هم|كم|نا|ه|ي)$/, "");
  return bare.length >= 2 ? bare : stem;
}

function readLines(file: string): string[] {
  return readFileSync(join(import.meta.dirname, "data", file), "utf8")
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

const STOPWORDS = new Set(readLines("stopwords.txt").flatMap((line) => tokens(normalise(line))));

type Phrase = { words: string[]; term: string; length: number };

/** One line a meaning; the first word stands for all of them, in every language of the line. `money_back` is a phrase. */
const { SYNONYMS, PHRASES } = readSynonyms();

function readSynonyms(): { SYNONYMS: Map<string, string>; PHRASES: Map<string, Phrase[]> } {
  const synonyms = new Map<string, string>();
  const phrases = new Map<string, Phrase[]>();
  for (const line of readLines("synonyms.txt")) {
    const entries = line.split(/\s+/);
    const term = `=${entries[0]}`;
    for (const entry of entries) {
      const words = tokens(normalise(entry.replaceAll("_", " ")));
      if (words.length === 1) synonyms.set(stemOf(words[0]!), term);
      else if (words.length > 1)
        phrases.set(words[0]!, [...(phrases.get(words[0]!) ?? []), { words, term, length: words.length }]);
    }
  }
  for (const list of phrases.values()) list.sort((a, b) => b.length - a.length);
  return { SYNONYMS: synonyms, PHRASES: phrases };
}
