import { describe, expect, it } from "vitest";
import type { MatchContext } from "../ports.ts";
import { IntentMatcher } from "./intents.ts";
import { languagesIn, readTsv } from "./rows.ts";

const matcher = new IntentMatcher();
const LANGUAGES = languagesIn("opt-out");

type Row = { language: string; kind: string; text: string; note: string };

const ROWS: Row[] = LANGUAGES.flatMap((language) =>
  readTsv(`opt-out/${language}.tsv`).map(({ kind, text, note }) => ({
    language,
    kind: kind!,
    text: text!,
    note: note!,
  })),
);
const STOPS = ROWS.filter((row) => row.kind === "keyword" || row.kind === "phrase");
const KEYWORDS = ROWS.filter((row) => row.kind === "keyword");
/** Signs alone (a stop sign) stay as they are: around them there is no word to change. */
const WORDS = KEYWORDS.filter((row) => /\p{L}|\p{N}/u.test(row.text));

/** The business wrote marketing last: the moment in which a weak word is a stop. */
function moment(language: string, change: Partial<MatchContext> = {}): MatchContext {
  return {
    lastMarketingAt: true,
    isOrderOpen: false,
    areOptionsOffered: false,
    country: undefined,
    languages: language === "und" ? [] : [language],
    ...change,
  };
}

const stops = (text: string, context: MatchContext) =>
  matcher.match(text, context).some((match) => match.intent === "opt_out");

function missed(rows: readonly Row[], change: (text: string) => string = (text) => text): string[] {
  return rows
    .filter((row) => !stops(change(row.text), moment(row.language)))
    .map((row) => `${row.language}: ${row.text}`);
}

describe("opt-out words of 41 files", () => {
  it("are many languages, each with keywords", () => {
    expect(LANGUAGES.length).toBeGreaterThanOrEqual(40);
    for (const language of LANGUAGES)
      expect(KEYWORDS.filter((row) => row.language === language).length, language).toBeGreaterThan(2);
  });

  it("every keyword and phrase stops, after marketing, in its own language", () => {
    expect(missed(STOPS)).toEqual([]);
  });

  it("no negative row stops anything", () => {
    const wrong = ROWS.filter((row) => row.kind === "negative" && stops(row.text, moment(row.language)));
    expect(wrong.map((row) => `${row.language}: ${row.text}`)).toEqual([]);
  });

  it("every strong keyword of a language stops without any context too", () => {
    const quiet = (language: string) => moment(language, { lastMarketingAt: false });
    const strong = KEYWORDS.filter((row) => row.note.startsWith("strong"));
    const wrong = strong.filter((row) => !stops(row.text, quiet(row.language)));
    expect(wrong.map((row) => `${row.language}: ${row.text}`)).toEqual([]);
    expect(strong.length).toBeGreaterThan(250);
  });

  it("every strong word that asks to get messages again is an opt-in", () => {
    const strong = ROWS.filter((row) => row.kind === "resubscribe" && row.note.startsWith("strong"));
    const wrong = strong.filter(
      (row) => !matcher.match(row.text, moment(row.language)).some((match) => match.intent === "opt_in"),
    );
    expect(wrong.map((row) => `${row.language}: ${row.text}`)).toEqual([]);
  });
});

describe("however it is typed", () => {
  const variants: [string, (text: string) => string][] = [
    ["right-to-left and left-to-right marks", (text) => `\u200F${text}\u200E`],
    ["embedding marks", (text) => `\u202B${text}\u202C`],
    ["isolates", (text) => `\u2067${text}\u2069`],
    ["a byte order mark and a zero-width space", (text) => `\uFEFF${text}\u200B`],
    ["an emoji after it", (text) => `${text} 🙏🏽`],
    ["an emoji before it", (text) => `😡 ${text}`],
    ["exclamation marks", (text) => `${text}!!!`],
    ["a full stop", (text) => `${text}.`],
    ["a question mark", (text) => `${text}?`],
    ["quotes", (text) => `"${text}"`],
    ["bold", (text) => `*${text}*`],
    ["spaces and a line break", (text) => `  ${text}\n`],
    ["capitals", (text) => text.toUpperCase()],
    ["decomposed letters", (text) => text.normalize("NFD")],
    [
      "full-width letters",
      (text) => text.replace(/[!-~]/g, (sign) => String.fromCharCode(sign.charCodeAt(0) + 0xfee0)),
    ],
    ["please", (text) => `${text} please`],
  ];
  it.each(variants)("every keyword with %s stops all the same", (_name, change) => {
    expect(missed(WORDS, change)).toEqual([]);
  });

  it("every keyword in small letters stops; Turkish in its own small letters", () => {
    expect(
      missed(
        WORDS.filter((row) => row.language !== "tr"),
        (text) => text.toLowerCase(),
      ),
    ).toEqual([]);
    expect(
      missed(
        WORDS.filter((row) => row.language === "tr"),
        (text) => text.toLocaleLowerCase("tr"),
      ),
    ).toEqual([]);
  });
});

describe("one word, in its moment", () => {
  // when                                          text                         context                       then
  const cases: [string, string, MatchContext, [string, string?] | undefined][] = [
    ["STOP is a stop of marketing", "STOP", moment("en"), ["opt_out", "marketing"]],
    ["STOP ALL is a stop of everything", "STOP ALL", moment("en"), ["opt_out", "all"]],
    ["STOP stops whoever writes another language", "STOP", moment("he"), ["opt_out", "marketing"]],
    ["STOP stops with nothing known", "STOP", moment("und", { lastMarketingAt: false }), ["opt_out", "marketing"]],
    ["STOP stops while an order is open", "STOP", moment("en", { isOrderOpen: true }), ["opt_out", "marketing"]],
    ["cancel after marketing is a stop", "cancel", moment("en"), ["opt_out", "marketing"]],
    ["cancel out of the blue is asked about", "cancel", moment("en", { lastMarketingAt: false }), ["ask", "marketing"]],
    ["cancel with an order open is about the order", "cancel", moment("en", { isOrderOpen: true }), undefined],
    [
      "cancel in the US is a stop by rule",
      "CANCEL",
      moment("en", { country: "US", lastMarketingAt: false }),
      ["opt_out", "marketing"],
    ],
    ["stop inside a word is no stop", "nonstop music", moment("en"), undefined],
    ["a bus stop is a place", "where is the bus stop?", moment("en"), undefined],
    ["START is an opt-in", "START", moment("en"), ["opt_in"]],
    ["a person is asked for", "I want to talk to a person", moment("en"), ["handoff"]],
    ["a bot is asked about", "are you a bot?", moment("en"), ["bot_query"]],
    ["HELP is help", "HELP", moment("en"), ["help"]],
    ["a question is a question", "Do you sell cacti?", moment("en"), undefined],
    ["nothing is nothing", "", moment("en"), undefined],
    ["spaces are nothing", " \n\t", moment("en"), undefined],
  ];
  it.each(cases)("%s", (_name, text, context, expected) => {
    const [first] = matcher.match(text, context);
    expect(first && [first.intent, first.scope]).toEqual(expected && [expected[0], expected[1]]);
  });

  it("a match says which row it follows from, so that a person can check it", () => {
    expect(matcher.match("STOP", moment("en"))).toEqual([
      { intent: "opt_out", scope: "marketing", rule: "en:keyword:STOP", score: 1, language: "en", isWhole: true },
    ]);
  });

  it("a very long text is read without harm", () => {
    const long = "stop ".repeat(20_000);
    expect(matcher.isPossibleCommand(long)).toBe(false);
    expect(matcher.match(long, moment("en")).length).toBeLessThan(2);
  });
});

it("prints what one match costs", () => {
  const texts = ROWS.map((row) => row.text);
  const context = moment("en");
  for (const text of texts) matcher.match(text, context);
  const started = performance.now();
  for (let round = 0; round < 5; round++) for (const text of texts) matcher.match(text, context);
  const each = ((performance.now() - started) * 1000) / (5 * texts.length);
  console.log(`intent match: ${each.toFixed(1)} µs a message (${texts.length} messages, ${matcher.version})`);
});
