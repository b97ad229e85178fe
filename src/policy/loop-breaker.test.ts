import { describe, expect, it } from "vitest";
import { isLoop } from "./loop-breaker.ts";

const START = Date.parse("2026-11-22T12:00:00Z");

/** Rounds of question and answer, `gapMs` between the questions. */
function rounds(count: number, gapMs: number, text = (n: number) => `question ${n}`) {
  return Array.from({ length: count }, (_, n) => [
    { who: "customer" as const, text: text(n), at: new Date(START + n * gapMs) },
    { who: "business" as const, text: `answer ${n}`, at: new Date(START + n * gapMs + 900) },
  ]).flat();
}

describe("a loop between two machines", () => {
  it.each([
    ["twelve rounds, three seconds each", rounds(12, 3000), true],
    ["twelve rounds, six seconds each", rounds(12, 6000), true],
    ["eleven rounds, three seconds each", rounds(11, 3000), false],
    ["twelve rounds of a person who types", rounds(12, 15_000), false],
    ["fifteen rounds of which the last are fast", [...rounds(3, 60_000), ...rounds(12, 2000)], true],
    ["the same words five times, however slowly", rounds(5, 60_000, () => "Thank you for your message!"), true],
    [
      "the same words but for spaces and case",
      rounds(5, 60_000, (n) => `${" ".repeat(n)}${n % 2 ? "OK" : "ok"}`),
      true,
    ],
    ["the same words four times", rounds(4, 60_000, () => "ok"), false],
    ["nothing", [], false],
  ])("%s: %#", (_when, history, then) => {
    expect(isLoop(history)).toBe(then);
  });

  it("a person who sends twelve lines in one go is not one", () => {
    const burst = Array.from({ length: 12 }, (_, n) => ({
      who: "customer" as const,
      text: `line ${n}`,
      at: new Date(START + n * 500),
    }));
    expect(isLoop(burst)).toBe(false);
  });
});
