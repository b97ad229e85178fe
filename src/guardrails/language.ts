import { francAll } from "franc";
import { functionWords } from "./function-words.ts";
import { normalise, tokens } from "./normalise.ts";

const SCRIPTS: [RegExp, (text: string) => string | undefined][] = [
  [/\p{sc=Hebrew}/gu, () => "he"],
  [/\p{sc=Arabic}/gu, (text) => (/[ٹڈڑںےھ]/u.test(text) ? "ur" : /[پچژگ]/u.test(text) ? "fa" : "ar")],
  [/\p{sc=Thai}/gu, () => "th"],
  [/\p{sc=Hangul}/gu, () => "ko"],
  [/[\p{sc=Hiragana}\p{sc=Katakana}]/gu, () => "ja"],
  [/\p{sc=Han}/gu, (text) => (/[這個們來說時會對謝請訊還]/u.test(text) ? "zh-Hant" : "zh-Hans")],
  [/\p{sc=Devanagari}/gu, () => "hi"],
  [/\p{sc=Bengali}/gu, () => "bn"],
  [/\p{sc=Greek}/gu, () => "el"],
  [/\p{sc=Ethiopic}/gu, () => "am"],
  [
    /\p{sc=Cyrillic}/gu,
    (text) => (/[іїєґ]/iu.test(text) ? "uk" : /[ђјљњћџ]/iu.test(text) ? "sr" : /[ыэё]/iu.test(text) ? "ru" : undefined),
  ],
];

const LATIN: Record<string, string> = {
  eng: "en", spa: "es", por: "pt-BR", fra: "fr", deu: "de", ita: "it", nld: "nl", pol: "pl", tur: "tr", ind: "id", zlm: "ms", vie: "vi", ron: "ro", hun: "hu", ces: "cs", slk: "sk", swe: "sv", dan: "da", nob: "no", fin: "fi", hrv: "hr", cat: "ca", swh: "sw", tgl: "tl",
}; // biome-ignore format: a table reads as a table

const MIN_LETTERS = 20;

/**
 * The language of a message: script first, then n-grams among languages of that script, with the person's and the
 * merchant's languages as prior. `undefined` is an answer: too short or too close to tell. Decides wording, never rights.
 */
export function detectLanguage(text: string, hints: readonly string[]): string | undefined {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  if (letters < 2) return undefined;
  let best: { count: number; tag: string | undefined } = { count: 0, tag: undefined };
  for (const [script, tagOf] of SCRIPTS) {
    const count = text.match(script)?.length ?? 0;
    if (count > best.count) best = { count, tag: tagOf(text) ?? hintOf(hints, ["ru", "uk", "bg", "sr"]) ?? "ru" };
  }
  if (best.count >= letters * 0.3) return best.tag === "ar" ? (hintOf(hints, ["ar", "fa", "ur"]) ?? "ar") : best.tag;
  const latinHints = hints.filter((tag) =>
    Object.values(LATIN).some((known) => known.split("-")[0] === tag.split("-")[0]),
  );
  const counted = functionWords(tokens(normalise(text)));
  const leaders = counted.filter(([, count]) => count === counted[0]![1]).map(([tag]) => tag);
  if (leaders.length > 0 && (counted[0]![1] >= 2 || letters < MIN_LETTERS)) {
    const known = latinHints.find((tag) => leaders.some((leader) => leader.split("-")[0] === tag.split("-")[0]));
    if (known) return known;
    if (leaders.length === 1 && counted[0]![1] >= 2) return leaders[0];
  }
  if (letters < MIN_LETTERS) return undefined;
  const ranked = francAll(text, { only: Object.keys(LATIN), minLength: 3 }).filter(([code]) => code !== "und");
  const [first, second] = ranked;
  if (!first) return undefined;
  // The prior weighs more the shorter the text: n-grams of one short line point anywhere.
  const margin = letters < 40 ? 0.35 : letters < 100 ? 0.15 : 0.05;
  const isNear = (tag: string) =>
    ranked.some(([code, score]) => LATIN[code]!.split("-")[0] === tag.split("-")[0] && score > first[1] - margin);
  const hinted = latinHints.find(isNear);
  if (hinted) return hinted;
  return second && first[1] - second[1] < 0.05 && letters < 60 ? undefined : LATIN[first[0]];
}

function hintOf(hints: readonly string[], among: readonly string[]): string | undefined {
  return hints.find((tag) => among.includes(tag));
}
