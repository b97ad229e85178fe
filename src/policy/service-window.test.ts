import { describe, expect, it } from "vitest";
import { isWindowOpen, windowEnd } from "./service-window.ts";

const WROTE = new Date("2026-11-20T10:00:00Z");
const HOUR = 3_600_000;
const plus = (ms: number) => new Date(WROTE.getTime() + ms);

describe("the customer service window", () => {
  const rows: [when: string, openedAt: Date | undefined, closedByMetaAt: Date | undefined, now: Date, then: boolean][] =
    [
      ["nobody wrote", undefined, undefined, WROTE, false],
      ["just written", WROTE, undefined, WROTE, true],
      ["23 h 59 min", WROTE, undefined, plus(24 * HOUR - 60_000), true],
      ["a millisecond before the margin", WROTE, undefined, plus(24 * HOUR - 30_001), true],
      ["24 h less 30 s", WROTE, undefined, plus(24 * HOUR - 30_000), false],
      ["24 h", WROTE, undefined, plus(24 * HOUR), false],
      ["24 h 1 s", WROTE, undefined, plus(24 * HOUR + 1000), false],
      ["Meta closed it after the message", WROTE, plus(1), plus(HOUR), false],
      ["Meta closed it at the message's own second", WROTE, WROTE, plus(HOUR), false],
      ["the customer wrote again after Meta closed it", WROTE, plus(-1), plus(HOUR), true],
      ["Meta closed what nobody opened", undefined, WROTE, plus(HOUR), false],
      ["a message that Meta delivered a day late", plus(-24 * HOUR), undefined, WROTE, false],
    ];
  it.each(rows)("%s", (_when, openedAt, closedByMetaAt, now, then) => {
    expect(isWindowOpen({ openedAt, closedByMetaAt }, now)).toBe(then);
  });

  it("without the margin it is open until 24 h and not at 24 h", () => {
    const facts = { openedAt: WROTE, closedByMetaAt: undefined };
    expect(isWindowOpen(facts, plus(24 * HOUR - 1), 0)).toBe(true);
    expect(isWindowOpen(facts, plus(24 * HOUR), 0)).toBe(false);
  });

  it("ends 24 h after the message, or not at all", () => {
    expect(windowEnd({ openedAt: WROTE, closedByMetaAt: undefined })).toEqual(plus(24 * HOUR));
    expect(windowEnd({ openedAt: WROTE, closedByMetaAt: WROTE })).toBeUndefined();
    expect(windowEnd({ openedAt: undefined, closedByMetaAt: undefined })).toBeUndefined();
  });
});
