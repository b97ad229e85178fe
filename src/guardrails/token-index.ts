import { normalise, tokens } from "./normalise.ts";

export type Found<Row> = { row: Row; start: number; length: number };

/** The first word is the key under which a pattern lies; `rest` are the words after it, a plain string where nothing is free. */
type Pattern<Row> = { row: Row; rest: readonly (string | Free)[] };
type Free = { text: string; startsFree: boolean; endsFree: boolean };

/** Longest clitic that a leading `*` stands for: Hebrew and Arabic write "and", "the", "to" onto the word. */
const CLITIC = 3;
const NOTHING: readonly string[] = [];

/**
 * Rows of words, found as whole tokens in sequence. `abc*` stands for any word that begins so, `*abc` for the word with
 * up to three letters before it. Look-up is by first token, so the cost follows the text, not the number of rows.
 */
export class TokenIndex<Row> {
  readonly #exact = new Map<string, Pattern<Row>[]>();
  readonly #prefix = new Map<string, Pattern<Row>[]>();
  readonly #clitic = new Map<string, Pattern<Row>[]>();
  readonly #cliticPrefix = new Map<string, Pattern<Row>[]>();

  add(text: string, row: Row): void {
    const [first, ...rest] = partsOf(text);
    if (!first) return;
    const map = first.startsFree
      ? first.endsFree
        ? this.#cliticPrefix
        : this.#clitic
      : first.endsFree
        ? this.#prefix
        : this.#exact;
    const pattern = {
      row,
      rest: rest.length === 0 ? NOTHING : rest.map((part) => (part.startsFree || part.endsFree ? part : part.text)),
    };
    const list = map.get(first.text);
    if (list) list.push(pattern);
    else map.set(first.text, [pattern]);
  }

  /** Every match, in order of its first token. */
  find(words: readonly string[]): Found<Row>[] {
    const found: Found<Row>[] = [];
    for (let start = 0; start < words.length; start++) this.#findAt(words, start, found);
    return found;
  }

  #findAt(words: readonly string[], start: number, found: Found<Row>[]): void {
    const word = words[start]!;
    this.#check(this.#exact.get(word), words, start, found);
    if (this.#prefix.size > 0)
      for (let end = 2; end <= word.length; end++)
        this.#check(this.#prefix.get(word.slice(0, end)), words, start, found);
    if (this.#clitic.size + this.#cliticPrefix.size === 0) return;
    for (let skip = 0; skip <= CLITIC && skip < word.length - 1; skip++) {
      const rest = word.slice(skip);
      this.#check(this.#clitic.get(rest), words, start, found);
      if (this.#cliticPrefix.size > 0)
        for (let end = 2; end <= rest.length; end++)
          this.#check(this.#cliticPrefix.get(rest.slice(0, end)), words, start, found);
    }
  }

  #check(patterns: Pattern<Row>[] | undefined, words: readonly string[], start: number, found: Found<Row>[]): void {
    for (const { row, rest } of patterns ?? []) {
      if (start + rest.length >= words.length) continue;
      let index = 0;
      while (index < rest.length && fits(rest[index]!, words[start + 1 + index]!)) index++;
      if (index === rest.length) found.push({ row, start, length: rest.length + 1 });
    }
  }
}

function partsOf(text: string): Free[] {
  const parts: Free[] = [];
  for (const chunk of text.trim().split(/\s+/)) {
    const startsFree = chunk.startsWith("*");
    const endsFree = chunk.endsWith("*") && chunk.length > 1;
    const words = tokens(normalise(chunk.replaceAll("*", "")));
    for (const [index, word] of words.entries())
      parts.push({
        text: word,
        startsFree: startsFree && index === 0,
        endsFree: endsFree && index === words.length - 1,
      });
  }
  return parts;
}

function fits(part: string | Free, word: string): boolean {
  if (typeof part === "string") return part === word;
  if (!part.startsFree) return word.startsWith(part.text);
  for (let skip = 0; skip <= CLITIC && skip < word.length; skip++) {
    const rest = word.slice(skip);
    if (part.endsFree ? rest.startsWith(part.text) : rest === part.text) return true;
  }
  return false;
}
