import type { SuppressionScope } from "../domain/consent.ts";
import type { Intent, IntentMatch } from "../domain/intent.ts";
import type { MatchContext } from "../ports.ts";
import { COURTESY, isNegated } from "./courtesy.ts";
import { clauseStarts, isUnspaced, normalise, tokens } from "./normalise.ts";
import { languagesIn, readTsv } from "./rows.ts";
import { TokenIndex } from "./token-index.ts";

type Row = {
  language: string;
  intent: Intent;
  kind: "keyword" | "phrase" | "negative";
  text: string;
  isStrong: boolean;
  isLanguageOnly: boolean;
  scope: SuppressionScope | undefined;
  isEmoji: boolean;
};

const SCORE = { strong: 1, phrase: 0.95, weakInContext: 0.85, weak: 0.6 };
/** A phrase inside a longer message is a command only up to this many words around it; then it is a story. */
const MAX_AROUND = 40;

/**
 * Intents from data, for every language at once: no model, no network, and no language guess can veto a stop
 * (algorithm: policy-and-law 2.4). Whole-message keywords, then phrases as whole tokens; never substrings of words.
 */
export class IntentMatcher {
  readonly #keywords = new Map<string, Row[]>();
  readonly #phrases = new TokenIndex<Row>();
  readonly #negatives = new TokenIndex<Row>();
  readonly version: string;

  constructor(rows: readonly Row[] = loadRows()) {
    for (const row of rows) {
      const key = keyOf(row.text, row.isEmoji);
      if (row.kind === "keyword") this.#keywords.set(key, [...(this.#keywords.get(key) ?? []), row]);
      else if (row.kind === "phrase") {
        this.#phrases.add(row.text, row);
        // A phrase that is the whole message is as good as a keyword.
      } else if (row.intent !== "opt_out" && row.intent !== "opt_in") this.#negatives.add(row.text, row);
    }
    this.version = `intents-${rows.length}`;
  }

  /** What a text asks for, commands first, strongest first within each; empty = none. */
  match(text: string, context: MatchContext): IntentMatch[] {
    const normal = normalise(text);
    const words = withoutRepeats(tokens(normal));
    const plain = words.filter((word) => !COURTESY.has(word));
    const clauses = clauseStarts(normal);
    const found = [...this.#matchKeyword(text, words, plain, context), ...this.#matchPhrases(words, plain, clauses)];
    const best = new Map<Intent, IntentMatch>();
    for (const match of found) {
      const known = best.get(match.intent);
      if (!known || isBetter(match, known, context)) best.set(match.intent, match);
    }
    if (best.has("opt_out")) best.delete("ask");
    if (best.has("opt_out") && best.has("opt_in")) best.delete("opt_in");
    return [...best.values()].sort((a, b) => PRIORITY.indexOf(a.intent) - PRIORITY.indexOf(b.intent));
  }

  /** Cheap and generous: whether a message should wake its turn at once, before anything is weighed. */
  isPossibleCommand(text: string): boolean {
    if (text.length > 400) return false;
    return this.match(text, ANY_CONTEXT).some((match) => match.intent !== "none");
  }

  #matchKeyword(
    text: string,
    words: readonly string[],
    plain: readonly string[],
    context: MatchContext,
  ): IntentMatch[] {
    const keys = words.length === 0 ? [keyOf(text, true)] : [...new Set([join(words), join(plain)])];
    const rows = keys.flatMap((key) => this.#keywords.get(key) ?? []);
    return rows.flatMap((row) => weigh(row, words, context) ?? []);
  }

  #matchPhrases(words: readonly string[], plain: readonly string[], clauses: ReadonlySet<number>): IntentMatch[] {
    if (words.length > 400) return [];
    const negatives = this.#negatives.find(words);
    const matches: IntentMatch[] = [];
    for (const sequence of words.length === plain.length ? [words] : [words, plain]) {
      const found = this.#phrases.find(sequence);
      for (const { row, start, length } of found) {
        if (isInsideLonger(found, row, start, length)) continue;
        if (sequence.length - length > MAX_AROUND && row.intent !== "crisis") continue;
        if (row.intent === "opt_out" && isNegated(sequence, start, (index) => sequence === words && clauses.has(index)))
          continue;
        if (
          negatives.some(
            (negative) =>
              negative.row.intent === row.intent &&
              sequence === words &&
              negative.start <= start &&
              negative.start + negative.length >= start + length,
          )
        )
          continue;
        const isWhole = length >= sequence.filter((word) => !COURTESY.has(word)).length;
        matches.push({
          intent: row.intent,
          scope: row.scope,
          rule: `${row.language}:phrase:${row.text}`,
          score: SCORE.phrase,
          language: row.language,
          isWhole,
        });
      }
    }
    return matches;
  }
}

/** "am I talking to a person" asks what we are; "talking to a person" inside it does not ask for one. */
function isInsideLonger(
  found: readonly { row: Row; start: number; length: number }[],
  row: Row,
  start: number,
  length: number,
): boolean {
  return found.some(
    (other) =>
      other.row.intent !== row.intent &&
      other.length > length &&
      other.start <= start &&
      other.start + other.length >= start + length,
  );
}

/** Higher score, then the wider stop; a word that many languages share is taken in the person's own, or in none. */
function isBetter(match: IntentMatch, known: IntentMatch, context: MatchContext): boolean {
  if (match.score !== known.score) return match.score > known.score;
  if (match.scope !== known.scope) return match.scope === "all";
  return languageRank(match, context) < languageRank(known, context);
}

function languageRank(match: IntentMatch, context: MatchContext): number {
  const own = match.language?.split("-")[0] ?? "und";
  const index = context.languages.findIndex((tag) => tag.split("-")[0] === own);
  if (index >= 0) return index;
  const local = (COUNTRY_LANGUAGES[context.country ?? ""] ?? []).findIndex(
    (tag) => tag === match.language || tag === own,
  );
  if (local >= 0) return 20 + local;
  return own === "und" ? 50 : 100;
}

const PRIORITY: Intent[] = [
  "opt_out",
  "ask",
  "opt_in",
  "crisis",
  "help",
  "handoff",
  "bot_query",
  "data_request",
  "none",
];
const ANY_CONTEXT: MatchContext = {
  lastMarketingAt: true,
  isOrderOpen: false,
  areOptionsOffered: false,
  country: undefined,
  languages: [],
};

/** A weak keyword needs its moment: the last thing the business started was marketing. Otherwise the person is asked. */
function weigh(row: Row, words: readonly string[], context: MatchContext): IntentMatch | undefined {
  const base = {
    intent: row.intent,
    scope: row.scope,
    rule: `${row.language}:keyword:${row.text}`,
    language: row.language,
    isWhole: true,
  };
  if (row.intent !== "opt_out") {
    if (row.intent === "opt_in" && !row.isStrong) return undefined;
    return { ...base, score: row.isStrong ? SCORE.strong : SCORE.weakInContext };
  }
  const isCode = words.length === 1 && words[0]!.length === 1 && !isUnspaced(words[0]!);
  if (isCode && context.areOptionsOffered) return undefined;
  if (row.isLanguageOnly && !candidates(context).has(row.language.split("-")[0]!)) return undefined;
  const isNanpWord = /^(end|cancel)$/i.test(row.text) && (context.country === "US" || context.country === "CA");
  if (row.isStrong || (isNanpWord && !context.isOrderOpen)) return { ...base, score: SCORE.strong };
  if (context.lastMarketingAt && !context.isOrderOpen) return { ...base, score: SCORE.weakInContext };
  if (context.isOrderOpen) return undefined;
  return { ...base, intent: "ask", score: SCORE.weak };
}

const COUNTRY_LANGUAGES: Record<string, string[]> = {
  IL: ["he", "ar", "en", "ru"], US: ["en", "es"], GB: ["en"], CA: ["en", "fr"], IT: ["it"], FR: ["fr"], DE: ["de"], AT: ["de"], CH: ["de", "fr", "it"], ES: ["es", "ca"], MX: ["es"], AR: ["es"], PE: ["es"], CO: ["es"], CL: ["es"],
  BR: ["pt"], PT: ["pt"], NL: ["nl"], BE: ["nl", "fr"], PL: ["pl"], RU: ["ru"], UA: ["uk", "ru"], TR: ["tr"], IN: ["hi", "en", "bn", "ur"], PK: ["ur"], BD: ["bn"], ID: ["id"], MY: ["ms"], VN: ["vi"], TH: ["th"], CN: ["zh-Hans"], TW: ["zh-Hant"], HK: ["zh-Hant"],
  JP: ["ja"], KR: ["ko"], IR: ["fa"], GR: ["el"], RO: ["ro"], HU: ["hu"], CZ: ["cs"], SK: ["sk"], SE: ["sv"], DK: ["da"], NO: ["no"], FI: ["fi"], BG: ["bg"], HR: ["hr"], RS: ["sr"], KE: ["sw"], TZ: ["sw"], ET: ["am"], PH: ["tl", "en"],
  EG: ["ar"], SA: ["ar"], AE: ["ar"], MA: ["ar", "fr"], JO: ["ar"], IE: ["en"], AU: ["en"], NZ: ["en"], ZA: ["en"], NG: ["en"],
}; // biome-ignore format: a table reads as a table

function candidates(context: MatchContext): Set<string> {
  return new Set([
    ...context.languages.map((tag) => tag.split("-")[0]!),
    ...(COUNTRY_LANGUAGES[context.country ?? ""] ?? []).map((tag) => tag.split("-")[0]!),
  ]);
}

/** "STOP STOP STOP!!" is one STOP. */
function withoutRepeats(words: readonly string[]): string[] {
  return words.filter((word, index) => word !== words[index - 1] || isUnspaced(word) || /^\p{N}+$/u.test(word));
}

function keyOf(text: string, isEmoji: boolean): string {
  return isEmoji ? text.replace(/\s|\uFE0F|[!.]/gu, "") : join(tokens(normalise(text)));
}

function join(words: readonly string[]): string {
  return words.join(" ");
}

function loadRows(): Row[] {
  const scopes = readTsv("opt-out/scope-all.tsv");
  const all = new Set(scopes.map((row) => keyOf(row.text!, false)));
  const optOut = languagesIn("opt-out").flatMap((language) =>
    readTsv(`opt-out/${language}.tsv`).map((row) =>
      asRow(
        {
          language,
          intent: row.kind === "resubscribe" ? "opt_in" : "opt_out",
          kind: row.kind === "resubscribe" ? "keyword" : row.kind!,
          text: row.text!,
          note: row.note!,
        },
        all,
      ),
    ),
  );
  // "STOP ALL" stops everything only when it is the whole message: "does it stop all leaks?" is a question.
  const extra = scopes
    .filter((row) => !/^stop ?all$/i.test(row.text!))
    .map((row) =>
      asRow({ language: row.language!, intent: "opt_out", kind: "phrase", text: row.text!, note: "" }, all),
    );
  const phrases = readTsv("opt-out/phrases.tsv").map((row) => ({
    ...asRow({ language: row.language!, intent: "opt_out", kind: row.kind!, text: row.text!, note: "" }, all),
    scope: row.scope === "all" ? ("all" as const) : ("marketing" as const),
  }));
  const others = ["intents/intents.tsv", "intents/crisis.tsv"].flatMap((file) =>
    readTsv(file).map((row) =>
      asRow({ language: row.language!, intent: row.intent!, kind: row.kind!, text: row.text!, note: row.note! }, all),
    ),
  );
  return [...optOut, ...extra, ...phrases, ...others];
}

function asRow(
  row: { language: string; intent: string; kind: string; text: string; note: string },
  all: Set<string>,
): Row {
  const isEmoji = tokens(normalise(row.text)).length === 0;
  const isOptOut = row.intent === "opt_out";
  return {
    language: row.language,
    intent: row.intent as Intent,
    kind: row.kind as Row["kind"],
    text: row.text,
    isStrong: !/^weak/.test(row.note),
    isLanguageOnly: row.note.includes("scope=lang"),
    scope: isOptOut ? (all.has(keyOf(row.text, false)) ? "all" : "marketing") : undefined,
    isEmoji,
  };
}
