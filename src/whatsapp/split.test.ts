import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { shorten, splitText, TEXT_LIMIT } from "./split.ts";

const segmenter = new Intl.Segmenter("und", { granularity: "grapheme" });
const graphemes = (text: string) => [...segmenter.segment(text)].map((part) => part.segment);
const withoutSpace = (text: string) => text.replace(/\s/g, "");
const family = "👨‍👩‍👧‍👦";

const prose = fc
  .array(
    fc.oneof(
      fc.string({ unit: "grapheme", maxLength: 12 }),
      fc.constantFrom(" ", "\n", "\n\n", ". ", family, "🇮🇱", "שָׁ"),
    ),
    {
      maxLength: 120,
    },
  )
  .map((parts) => parts.join(""));

describe("splitText", () => {
  it("leaves a text at the limit whole, and cuts one past it", () => {
    expect(TEXT_LIMIT).toBe(4096);
    expect(splitText("a".repeat(4096))).toEqual(["a".repeat(4096)]);
    expect(splitText("a".repeat(4097))).toEqual(["a".repeat(4096), "a"]);
    expect(splitText("")).toEqual([]);
    expect(splitText("a")).toEqual(["a"]);
  });

  it("never loses a letter, never exceeds the limit", () => {
    fc.assert(
      fc.property(prose, fc.integer({ min: 64, max: 200 }), (text, limit) => {
        const parts = splitText(text, limit);
        expect(withoutSpace(parts.join(""))).toBe(withoutSpace(text));
        for (const part of parts) {
          expect(part.length).toBeLessThanOrEqual(limit);
          expect(part).not.toBe("");
        }
      }),
      { numRuns: 300 },
    );
  });

  it("never cuts a surrogate pair or a grapheme", () => {
    fc.assert(
      fc.property(prose, fc.integer({ min: 64, max: 200 }), (text, limit) => {
        const parts = splitText(text, limit);
        expect(parts.every((part) => part.isWellFormed())).toBe(text.isWellFormed() || parts.length === 0);
        expect(parts.flatMap(graphemes).filter((part) => part.trim() !== "")).toEqual(
          graphemes(text).filter((part) => part.trim() !== ""),
        );
      }),
      { numRuns: 300 },
    );
  });

  it("a code block that must be cut is closed and opened again, and loses no line", () => {
    const code = Array.from({ length: 60 }, (_, n) => `line ${n} of the code`).join("\n");
    for (const limit of [100, 101, 102, 103, 150, 400]) {
      const parts = splitText(`Here it is:\n\n\`\`\`${code}\`\`\`\n\nGood luck.`, limit);
      expect(parts.length).toBeGreaterThan(2);
      for (const part of parts) {
        expect(part.length).toBeLessThanOrEqual(limit);
        expect(part.split("```").length % 2, part).toBe(1);
      }
      const lines = parts
        .flatMap((part) => part.replaceAll("```", "").split("\n"))
        .filter((line) => /^line/.test(line));
      expect(lines).toEqual(code.split("\n"));
    }
  });

  it("a grapheme longer than a message is cut between its characters", () => {
    const endless = `${"👨\u200d".repeat(200)}👨`;
    for (const limit of [64, 65, 66])
      for (const part of splitText(endless, limit)) {
        expect(part.isWellFormed()).toBe(true);
        expect(part.length).toBeLessThanOrEqual(limit);
      }
  });

  it.each([1, 2, 3, 5, 11, 12])(
    "families of emoji that cross the limit by %i units go whole to the next part",
    (over) => {
      const text = "a".repeat(4096 - over) + family.repeat(3);
      const parts = splitText(text);
      expect(parts.join("")).toBe(text);
      expect(
        parts
          .flatMap(graphemes)
          .filter((part) => part !== "a")
          .every((part) => part === family),
      ).toBe(true);
    },
  );

  it.each([
    ["a paragraph", `${"a".repeat(60)}\n\n${"b".repeat(60)}`, ["a".repeat(60), "b".repeat(60)]],
    ["a line", `${"a".repeat(60)}\n${"b".repeat(60)}`, ["a".repeat(60), "b".repeat(60)]],
    ["a sentence", `${"a".repeat(60)}. ${"b ".repeat(30)}`, [`${"a".repeat(60)}.`, "b ".repeat(30)]],
    ["a space", `${"a".repeat(60)} ${"b".repeat(60)}`, ["a".repeat(60), "b".repeat(60)]],
    [
      "a paragraph before a later line",
      `${"a".repeat(55)}\n\nb\n${"c".repeat(60)}`,
      ["a".repeat(55), `b\n${"c".repeat(60)}`],
    ],
    ["anywhere, where there is no space", "x".repeat(150), ["x".repeat(100), "x".repeat(50)]],
    ["a Hebrew sentence", `${"א".repeat(60)}. ${"ב".repeat(60)}`, [`${"א".repeat(60)}.`, "ב".repeat(60)]],
  ])("cuts at %s", (_name, text, expected) => {
    expect(splitText(text, 100)).toEqual(expected);
  });

  it("takes a text of many parts in reasonable time", () => {
    const started = performance.now();
    const parts = splitText("word and word, ".repeat(10_000));
    expect(parts.length).toBeGreaterThan(30);
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe("shorten", () => {
  it("leaves what fits, and marks what was cut", () => {
    expect(shorten("12345678901234567890", 20)).toBe("12345678901234567890");
    expect(shorten("123456789012345678901", 20)).toBe("1234567890123456789…");
    expect(shorten(`${"a".repeat(18)}${family}`, 20)).toBe(`${"a".repeat(18)}…`);
    expect(shorten("hello there world", 12)).toBe("hello there…");
  });

  it("never exceeds the limit, never cuts a grapheme", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), fc.integer({ min: 1, max: 40 }), (text, limit) => {
        const short = shorten(text, limit);
        expect(short.length).toBeLessThanOrEqual(Math.max(limit, 1));
        expect(text.startsWith(short.replace(/…$/, ""))).toBe(true);
        expect(short.isWellFormed()).toBe(true);
      }),
    );
  });
});
