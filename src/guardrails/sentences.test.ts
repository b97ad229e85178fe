import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { IntentMatcher } from "./intents.ts";
import { ProhibitedLexicon } from "./prohibited.ts";
import { languagesIn } from "./rows.ts";
import { loadSentences } from "./sentences.ts";

const FOLDER = join(import.meta.dirname, "../../sentences");
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".yaml"));
const read = (file: string) => parse(readFileSync(join(FOLDER, file), "utf8")) as Record<string, string>;
const ENGLISH = read("en.yaml");
const KEYS = Object.keys(ENGLISH).sort();
const spoken = loadSentences();
const BUTTONS = ["opt_out_ask_yes", "opt_out_ask_no", "answer_later_yes", "answer_later_no"];
const placeholders = (text: string) => [...text.matchAll(/\{\w+\}/g)].map((match) => match[0]).sort();

describe.each(FILES)("%s", (file) => {
  const sentences = read(file);

  it("says everything that English says, and nothing else", () => {
    expect(Object.keys(sentences).sort()).toEqual(KEYS);
  });

  it("fills the same places, and leaves no sentence empty", () => {
    for (const key of KEYS) {
      expect.soft(new Set(placeholders(sentences[key] ?? "")), key).toEqual(new Set(placeholders(ENGLISH[key]!)));
      expect.soft(sentences[key]?.trim(), key).toBe(sentences[key]);
      expect.soft(sentences[key], key).not.toBe("");
    }
  });

  it("has buttons of at most 20 characters that differ from one another", () => {
    for (const key of BUTTONS) expect.soft(sentences[key]!.length, `${key}: ${sentences[key]}`).toBeLessThanOrEqual(20);
    expect(sentences.opt_out_ask_yes).not.toBe(sentences.opt_out_ask_no);
    expect(sentences.answer_later_yes).not.toBe(sentences.answer_later_no);
  });

  it("fits one message with a long name and contact", () => {
    const long = {
      business: "B".repeat(60),
      contact: "c".repeat(200),
      hours: "h".repeat(100),
      helpline: "x".repeat(200),
    };
    for (const key of KEYS)
      expect.soft(spoken.say(key as never, file.slice(0, -5), long).length, key).toBeLessThan(1024);
  });
});

describe("the sentences", () => {
  const sentences = spoken;

  it("exist in every language in which a person can stop us", () => {
    const missing = languagesIn("opt-out").filter((tag) => tag !== "und" && !sentences.languages.includes(tag));
    expect(missing).toEqual([]);
  });

  it.each([
    ["pt", "pt-BR"],
    ["zh", "zh-Hans"],
    ["zh-TW", "zh-Hant"],
    ["iw", "he"],
    ["nb", "no"],
    ["fil", "tl"],
    ["en-GB", "en"],
    ["es-MX", "es"],
    ["xx", "en"],
    ["", "en"],
  ])("for %j are those of %s", (asked, given) => {
    const values = { business: "Shop" };
    expect(sentences.say("disclosure", asked, values)).toBe(sentences.say("disclosure", given, values));
  });

  it("fill what is given and leave what is not", () => {
    expect(sentences.say("hours", "en", { hours: "9-17" })).toBe("We are available 9-17.");
    expect(sentences.say("hours", "en")).toBe("We are available {hours}.");
  });

  it("the stop, start and person words that they name are understood in that language", () => {
    const matcher = new IntentMatcher();
    const wrong: string[] = [];
    for (const language of sentences.languages)
      for (const [key, intent] of [
        ["stop_word", "opt_out"],
        ["start_word", "opt_in"],
        ["person_word", "handoff"],
      ] as const) {
        const word = sentences.say(key, language);
        const context = {
          lastMarketingAt: false,
          isOrderOpen: false,
          areOptionsOffered: false,
          country: undefined,
          languages: [language],
        };
        if (!matcher.match(word, context).some((match) => match.intent === intent))
          wrong.push(`${language} ${key}: ${word}`);
      }
    expect(wrong).toEqual([]);
  });

  it("are not themselves prohibited, in the languages of the lexicon", () => {
    const lexicon = new ProhibitedLexicon();
    const known = FILES.filter((file) => lexicon.languages.includes(file.slice(0, 2)));
    const flagged = known.flatMap((file) =>
      Object.entries(read(file))
        .filter(([, text]) => lexicon.check(text, "outbound").verdict !== "clear")
        .map(([key]) => `${file} ${key}`),
    );
    expect(flagged).toEqual([]);
  });
});
