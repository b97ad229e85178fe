import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { frequencyCap } from "./frequency-cap.ts";

const NOW = new Date("2026-11-20T10:00:00Z");
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const CAPS = { perDay: 1, perWeek: 3, perMonth: 8 };
const ago = (...ms: number[]) => ms.map((one) => new Date(NOW.getTime() - one));
const days = (...count: number[]) => ago(...count.map((one) => one * DAY));
const later = (ms: number) => new Date(NOW.getTime() + ms);

describe("marketing to one person", () => {
  const rows: [when: string, sentAt: Date[], caps: typeof CAPS, until: Date | undefined][] = [
    ["nothing sent yet", [], CAPS, undefined],
    ["one an hour ago", ago(HOUR), CAPS, later(23 * HOUR)],
    ["one 24 h ago less a second", ago(DAY - 1000), CAPS, later(1000)],
    ["one exactly 24 h ago", ago(DAY), CAPS, undefined],
    ["one 24 h and a second ago", ago(DAY + 1000), CAPS, undefined],
    ["two this week", days(2, 4), CAPS, undefined],
    ["three this week: the oldest must be a week old", days(6, 4, 2), CAPS, later(DAY)],
    ["three this week, in any order", days(2, 6, 4), CAPS, later(DAY)],
    ["the third fell out of the week", days(2, 4, 7), CAPS, undefined],
    ["eight in 30 days", days(2, 5, 9, 12, 15, 20, 24, 29), CAPS, later(DAY)],
    ["the eighth fell out of the 30 days", days(2, 5, 9, 12, 15, 20, 24, 30), CAPS, undefined],
    ["the longest wait of all caps", days(0.5, 2, 4), CAPS, later(3 * DAY)],
    ["the longest wait, also where the week frees first", ago(7 * DAY - HOUR, 3 * DAY, HOUR), CAPS, later(23 * HOUR)],
    ["more than the cap, after it was lowered", days(1.5, 2, 3, 4, 5), CAPS, later(4 * DAY)],
    ["a merchant who allows none", [], { ...CAPS, perDay: 0 }, later(DAY)],
    ["a merchant who allows none a month", [], { ...CAPS, perMonth: 0 }, later(30 * DAY)],
  ];
  it.each(rows)("%s", (_when, sentAt, caps, until) => {
    expect(frequencyCap(sentAt, caps, NOW)).toEqual(until);
  });

  it("who waits as told may send then, and not a millisecond sooner", () => {
    const times = fc.array(
      fc.integer({ min: 0, max: 31 * DAY }).map((ms) => new Date(NOW.getTime() - ms)),
      { maxLength: 20 },
    );
    fc.assert(
      fc.property(times, (sentAt) => {
        const until = frequencyCap(sentAt, CAPS, NOW);
        if (!until) return;
        expect(frequencyCap(sentAt, CAPS, until)).toBeUndefined();
        expect(frequencyCap(sentAt, CAPS, new Date(until.getTime() - 1))).toEqual(until);
      }),
    );
  });
});
