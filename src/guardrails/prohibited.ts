import type { CheckResult } from "../domain/verdict.ts";
import { detectLanguage } from "./language.ts";
import { normalise, tokens } from "./normalise.ts";
import { languagesIn, readTsv } from "./rows.ts";
import { type Found, TokenIndex } from "./token-index.ts";

type Kind = "term" | "frame" | "inform" | "allow";
type Row = {
  category: string;
  kind: Kind;
  language: string;
  isStrong: boolean;
  direction: "inbound" | "outbound" | undefined;
};

/**
 * The first lexicon: a prohibited thing together with an intent to trade in it, unless an allowed neighbour covers it or
 * the message informs, reports or refuses. Some words flag alone. All languages are matched at once.
 */
export class ProhibitedLexicon {
  readonly #index = new TokenIndex<Row>();
  readonly languages: readonly string[];
  readonly version: string;

  constructor() {
    this.languages = languagesIn("prohibited");
    // Tens of thousands of rows share a few hundred descriptions: each is made once.
    const shared = new Map<string, Row>();
    let count = 0;
    for (const language of this.languages)
      for (const { category, kind, text, note = "" } of readTsv(`prohibited/${language}.tsv`)) {
        const key = `${category}|${kind}|${language}|${note}`;
        const row = shared.get(key) ?? {
          category: category!,
          kind: kind as Kind,
          language,
          isStrong: note.includes("strong"),
          direction: note.includes("outbound") ? "outbound" : note.includes("inbound") ? "inbound" : undefined,
        };
        shared.set(key, row);
        this.#index.add(text!, row);
        count++;
      }
    this.version = `lexicon-${count}`;
  }

  check(text: string, direction: "inbound" | "outbound"): CheckResult {
    const words = tokens(normalise(text));
    const found = this.#index.find(joinSpaced(words)).filter(isSpoken(text, this.languages));
    const terms = found.filter(
      ({ row }) => row.kind === "term" && (row.direction === undefined || row.direction === direction),
    );
    if (terms.length === 0) return clear();
    const allowed = found.filter(({ row }) => row.kind === "allow");
    const open = terms.filter(
      (term) =>
        !allowed.some(
          (allow) => (allow.row.category === term.row.category || allow.row.category === "*") && covers(allow, term),
        ),
    );
    const strong = open.find(({ row }) => row.isStrong);
    const isInforming = found.some(({ row }) => row.kind === "inform");
    if (isInforming && !isAlwaysServed(strong?.row.category)) return clear();
    if (strong) return flagged(strong.row);
    const frames = found.filter(({ row }) => row.kind === "frame");
    const framed = open.find((term) => frames.some((frame) => !overlaps(frame, term)));
    return framed ? flagged(framed.row) : clear();
  }
}

/** Rows of the message's own language and of English; of all languages where it cannot be told. */
function isSpoken(text: string, known: readonly string[]): (found: Found<Row>) => boolean {
  const language = detectLanguage(text, [])?.split("-")[0];
  // A language without a file of its own is often one of ours misread (a line of chat is short): then every row counts.
  if (!language || !known.includes(language)) return () => true;
  return ({ row }) => row.language === language || row.language === "en";
}

/** Distress is answered with care whatever else the message says. */
function isAlwaysServed(category: string | undefined): boolean {
  return category === "self_harm" || category === "exploitation";
}

/** "c o c a i n e": letters standing alone are read as one word as well. */
function joinSpaced(words: readonly string[]): string[] {
  const result: string[] = [];
  for (let index = 0; index < words.length; index++) {
    let end = index;
    while (end < words.length && words[end]!.length === 1 && /\p{L}/u.test(words[end]!)) end++;
    if (end - index >= 4) {
      result.push(words.slice(index, end).join(""));
      index = end - 1;
    } else result.push(words[index]!);
  }
  return result;
}

function covers(allow: Found<Row>, term: Found<Row>): boolean {
  return overlaps(allow, term);
}

function overlaps(a: Found<Row>, b: Found<Row>): boolean {
  return a.start < b.start + b.length && b.start < a.start + a.length;
}

function clear(): CheckResult {
  return { check: "content", verdict: "clear", score: 0 };
}

function flagged(row: Row): CheckResult {
  return {
    check: "content",
    verdict: "flagged",
    category: row.category,
    score: 1,
    rule: `${row.language}:${row.category}:${row.kind}`,
  };
}
