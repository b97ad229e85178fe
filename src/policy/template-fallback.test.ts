import { describe, expect, it } from "vitest";
import { bestLanguage, type FallbackFacts, HELD_TEXT_MS, onHeldTap, templateFallback } from "./template-fallback.ts";

const HOUR = 3_600_000;

function facts(changes: Partial<FallbackFacts> = {}, utility = { isSuppressed: false, hasOptIn: true }): FallbackFacts {
  return {
    templateName: "answer_ready",
    languages: ["en", "he", "pt_BR"],
    preferred: ["he", "en"],
    standing: {
      marketing: { isSuppressed: true, hasOptIn: false },
      utility,
      isStoppedAtMeta: false,
      isStoppedHere: false,
      hasPendingOptIn: false,
    },
    ...changes,
  };
}

const REQUEST = { topic: "where is my ficus?", date: "2026-11-20" };
const holdIn = (language: string) => ({
  type: "hold",
  language,
  template: {
    type: "template",
    template: {
      name: "answer_ready",
      language,
      body: [
        { type: "text", text: "where is my ficus?" },
        { type: "text", text: "2026-11-20" },
      ],
      buttons: [{ type: "quick-reply", index: 0, payload: "esek:held-answer" }],
    },
  },
});
const giveUp = (reason: string) => ({ type: "give-up", reason });

describe("an answer whose window closed", () => {
  const rows: [when: string, facts: FallbackFacts, then: unknown][] = [
    ["is held, and announced in the person's language, though they stopped marketing", facts(), holdIn("he")],
    ["is announced in the merchant's language where there is no better", facts({ preferred: ["fi", "en"] }), holdIn("en")],
    ["is announced in another region's wording of the same language", facts({ preferred: ["pt-PT"] }), holdIn("pt_BR")],
    ["is never announced in a language the person does not read", facts({ preferred: ["fi"] }), giveUp("template-language-missing")],
    ["is not announced without an opt-in to utility", facts({}, { isSuppressed: false, hasOptIn: false }), giveUp("no-opt-in")],
    ["is not announced after STOP ALL", facts({}, { isSuppressed: true, hasOptIn: false }), giveUp("suppressed-all")],
    ["is not announced where the merchant has no template", facts({ templateName: undefined }), giveUp("template-unknown")],
    ["is not announced where the template is approved in no language", facts({ languages: [] }), giveUp("template-unknown")],
    ["says STOP ALL first, before what is missing", facts({ templateName: undefined }, { isSuppressed: true, hasOptIn: false }), giveUp("suppressed-all")],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, given, then) => {
    expect(templateFallback(given, REQUEST)).toEqual(then);
  });
});

describe("the language of a template", () => {
  const rows: [available: string[], preferred: string[], then: string | undefined][] = [
    [["en", "en_US"], ["en-US"], "en_US"],
    [["en_US", "en"], ["en"], "en"],
    [["en_GB"], ["en-US"], "en_GB"],
    [["EN_us"], ["en-US"], "EN_us"],
    [["es", "he"], ["he", "es"], "he"],
    [["es"], ["he", "es-MX"], "es"],
    [["fil"], ["fi"], undefined],
    [[], ["en"], undefined],
    [["en"], [], undefined],
  ];
  it.each(rows)("of %j for a reader of %j is %s", (available, preferred, then) => {
    expect(bestLanguage(available, preferred)).toBe(then);
  });
});

describe("the tap on 'your answer is ready'", () => {
  const HELD_AT = new Date("2026-11-20T10:00:00Z");
  const rows: [when: string, ageMs: number, version: string, isTextKept: boolean, then: "release" | "answer-anew"][] = [
    ["at once releases what was held", 0, "v1", true, "release"],
    ["after 23 h 59 min releases it", 24 * HOUR - 60_000, "v1", true, "release"],
    ["after 24 h releases it", 24 * HOUR, "v1", true, "release"],
    ["after 24 h and a millisecond asks the agent anew", 24 * HOUR + 1, "v1", true, "answer-anew"],
    ["after the merchant changed the agent asks anew", HOUR, "v2", true, "answer-anew"],
    ["after 72 h, the text being deleted, asks anew", HELD_TEXT_MS, "v1", false, "answer-anew"],
    ["within the day but without its text asks anew", HOUR, "v1", false, "answer-anew"],
  ];
  it.each(rows)("%s", (_when, ageMs, version, isTextKept, then) => {
    const held = { createdAt: HELD_AT, agentVersion: "v1", isTextKept };
    expect(onHeldTap(held, new Date(HELD_AT.getTime() + ageMs), version)).toBe(then);
  });

  it("the text is kept for 72 hours", () => {
    expect(HELD_TEXT_MS).toBe(72 * HOUR);
  });
});
