import { normalise, tokens } from "../guardrails/normalise.ts";
import { readTsv } from "../guardrails/rows.ts";

type Kind = "person" | "deed";

/** Phrases by their first word, so that a text is read once. */
const BY_FIRST = new Map<string, { words: string[]; kind: Kind }[]>();
for (const row of readTsv("promises.tsv")) {
  const words = tokens(normalise(row.phrase!));
  const known = BY_FIRST.get(words[0]!) ?? [];
  BY_FIRST.set(words[0]!, [...known, { words, kind: row.kind as Kind }]);
}

/**
 * Whether a draft promises what nobody did: that a person was told (the chat must then be handed over), or that something
 * was done for the customer although no acting tool succeeded in this turn. A question about it is no promise.
 */
export function brokenPromise(text: string, hasActed: boolean): Kind | undefined {
  let found: Kind | undefined;
  for (const sentence of normalise(text).split(/(?<=[.!?؟。\n])/u)) {
    if (/[?؟]\s*$/u.test(sentence)) continue;
    const words = tokens(sentence);
    for (const [at, word] of words.entries())
      for (const phrase of BY_FIRST.get(word) ?? []) {
        if (!phrase.words.every((one, index) => words[at + index] === one)) continue;
        if (phrase.kind === "person") return "person";
        if (!hasActed) found = "deed";
      }
  }
  return found;
}
