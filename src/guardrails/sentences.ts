import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { EsekError } from "../errors.ts";
import type { SentencesPort } from "../ports.ts";

const FOLDER = join(import.meta.dirname, "../../sentences");
const ALIASES: Record<string, string> = {
  pt: "pt-BR",
  zh: "zh-Hans",
  iw: "he",
  nb: "no",
  nn: "no",
  fil: "tl",
  in: "id",
  "zh-CN": "zh-Hans",
  "zh-TW": "zh-Hant",
  "zh-HK": "zh-Hant",
};

/** Our fixed sentences: written by hand per language, cleared when written, so they need no guard at run time. */
export function loadSentences(folder = FOLDER): SentencesPort & { languages: string[]; keys: string[] } {
  const byLanguage = new Map<string, Record<string, string>>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".yaml")))
    byLanguage.set(
      file.slice(0, -5),
      z.record(z.string(), z.string()).parse(parse(readFileSync(join(folder, file), "utf8"))),
    );
  const english = byLanguage.get("en");
  if (!english)
    throw new EsekError(
      "sentences/missing",
      "sentences/en.yaml is missing; it is the sentence of last resort in every language.",
    );
  return {
    languages: [...byLanguage.keys()].sort(),
    keys: Object.keys(english),
    say(key, language, values = {}) {
      const sentences =
        byLanguage.get(language) ??
        byLanguage.get(ALIASES[language] ?? language.split("-")[0]!) ??
        byLanguage.get(ALIASES[language.split("-")[0]!] ?? "") ??
        english;
      const sentence = sentences[key] ?? english[key];
      if (sentence === undefined)
        throw new EsekError(
          "sentences/unknown",
          `There is no sentence "${key}". Known: ${Object.keys(english).join(", ")}.`,
        );
      return sentence.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
    },
  };
}
