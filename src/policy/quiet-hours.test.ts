import { describe, expect, it } from "vitest";
import { localTime, type QuietDecision, type QuietFacts, quietHours } from "./quiet-hours.ts";

const at = (iso: string) => new Date(iso);
const OPEN: QuietDecision = { type: "open" };
const quiet = (until: string): QuietDecision => ({ type: "quiet", until: at(until) });

function ask(country: string | undefined, zone: string | readonly string[], now: string, merchant?: [string, string]) {
  const facts: QuietFacts = {
    now: at(now),
    country,
    zones: typeof zone === "string" ? [zone] : zone,
    merchantWindow: merchant && { from: merchant[0], to: merchant[1] },
  };
  return quietHours(facts);
}

describe("marketing by the recipient's clock", () => {
  // 2026-11-23 is a Monday. Times are UTC; what the recipient's clock says stands in the name.
  const rows: [when: string, country: string | undefined, zone: string, now: string, then: QuietDecision][] = [
    ["Germany, Monday 07:59", "DE", "Europe/Berlin", "2026-11-23T06:59:59Z", quiet("2026-11-23T07:00:00Z")],
    ["Germany, Monday 08:00", "DE", "Europe/Berlin", "2026-11-23T07:00:00Z", OPEN],
    ["Germany, Monday 19:59", "DE", "Europe/Berlin", "2026-11-23T18:59:59Z", OPEN],
    ["Germany, Monday 20:00", "DE", "Europe/Berlin", "2026-11-23T19:00:00Z", quiet("2026-11-24T07:00:00Z")],
    ["Germany, Sunday noon", "DE", "Europe/Berlin", "2026-11-22T11:00:00Z", quiet("2026-11-23T07:00:00Z")],
    ["Germany, Christmas Day and the day after", "DE", "Europe/Berlin", "2026-12-25T11:00:00Z", quiet("2026-12-28T07:00:00Z")],
    ["France, Saturday 21:59", "FR", "Europe/Paris", "2026-11-21T20:59:59Z", OPEN],
    ["France, Saturday 22:00", "FR", "Europe/Paris", "2026-11-21T21:00:00Z", quiet("2026-11-23T07:00:00Z")],
    ["France, Sunday noon: never", "FR", "Europe/Paris", "2026-11-22T11:00:00Z", quiet("2026-11-23T07:00:00Z")],
    ["France, Armistice Day, a Wednesday", "FR", "Europe/Paris", "2026-11-11T11:00:00Z", quiet("2026-11-12T07:00:00Z")],
    ["France, Bastille Day", "FR", "Europe/Paris", "2027-07-14T10:00:00Z", quiet("2027-07-15T06:00:00Z")],
    ["Italy, Saturday 09:59", "IT", "Europe/Rome", "2026-11-21T08:59:59Z", quiet("2026-11-21T09:00:00Z")],
    ["Italy, Saturday 10:00", "IT", "Europe/Rome", "2026-11-21T09:00:00Z", OPEN],
    ["Italy, Saturday 19:00", "IT", "Europe/Rome", "2026-11-21T18:00:00Z", quiet("2026-11-23T08:00:00Z")],
    ["Spain, Saturday noon", "ES", "Europe/Madrid", "2026-11-21T11:00:00Z", quiet("2026-11-23T08:00:00Z")],
    ["the UK, Sunday 08:00", "GB", "Europe/London", "2026-11-22T08:00:00Z", OPEN],
    ["Israel, Thursday 19:59", "IL", "Asia/Jerusalem", "2026-11-26T17:59:59Z", OPEN],
    ["Israel, Thursday 20:00", "IL", "Asia/Jerusalem", "2026-11-26T18:00:00Z", quiet("2026-11-27T06:00:00Z")],
    ["Israel, Friday 13:59", "IL", "Asia/Jerusalem", "2026-11-27T11:59:59Z", OPEN],
    ["Israel, Friday 14:00: not before Sunday", "IL", "Asia/Jerusalem", "2026-11-27T12:00:00Z", quiet("2026-11-29T06:00:00Z")],
    ["Israel, Saturday night after Shabbat", "IL", "Asia/Jerusalem", "2026-11-28T18:00:00Z", quiet("2026-11-29T06:00:00Z")],
    ["Israel, Sunday 08:00", "IL", "Asia/Jerusalem", "2026-11-29T06:00:00Z", OPEN],
    ["Israel, eve of Passover, Wednesday 13:59", "IL", "Asia/Jerusalem", "2027-04-21T10:59:59Z", OPEN],
    ["Israel, eve of Passover, 14:00", "IL", "Asia/Jerusalem", "2027-04-21T11:00:00Z", quiet("2027-04-23T05:00:00Z")],
    ["Israel, first day of Passover", "IL", "Asia/Jerusalem", "2027-04-22T09:00:00Z", quiet("2027-04-23T05:00:00Z")],
    ["Israel, between the feast days, Sunday noon", "IL", "Asia/Jerusalem", "2027-04-25T09:00:00Z", OPEN],
    ["Israel, eve of Rosh Hashana: Friday 14:00 until Monday", "IL", "Asia/Jerusalem", "2027-10-01T11:00:00Z", quiet("2027-10-04T05:00:00Z")],
    ["Israel, Yom Kippur, a Monday", "IL", "Asia/Jerusalem", "2027-10-11T09:00:00Z", quiet("2027-10-12T05:00:00Z")],
    ["the US, Monday 08:59: the strictest state counts", "US", "America/New_York", "2026-11-23T13:59:59Z", quiet("2026-11-23T14:00:00Z")],
    ["the US, Monday 20:00", "US", "America/New_York", "2026-11-24T01:00:00Z", quiet("2026-11-24T14:00:00Z")],
    ["the US, Sunday 11:59", "US", "America/Chicago", "2026-11-22T17:59:59Z", quiet("2026-11-22T18:00:00Z")],
    ["the US, Sunday 12:00", "US", "America/Chicago", "2026-11-22T18:00:00Z", OPEN],
    ["Canada, Monday 21:29", "CA", "America/Toronto", "2026-11-24T02:29:59Z", OPEN],
    ["Canada, Monday 21:30", "CA", "America/Toronto", "2026-11-24T02:30:00Z", quiet("2026-11-24T14:00:00Z")],
    ["Canada, Saturday 18:00", "CA", "America/Toronto", "2026-11-21T23:00:00Z", quiet("2026-11-22T15:00:00Z")],
    ["India, 09:59", "IN", "Asia/Kolkata", "2026-11-23T04:29:59Z", quiet("2026-11-23T04:30:00Z")],
    ["India, 10:00", "IN", "Asia/Kolkata", "2026-11-23T04:30:00Z", OPEN],
    ["Korea, 21:00", "KR", "Asia/Seoul", "2026-11-23T12:00:00Z", quiet("2026-11-23T23:00:00Z")],
    ["Nepal (no rule of its own, 45 minutes off), 08:59", "NP", "Asia/Kathmandu", "2026-11-23T03:14:00Z", quiet("2026-11-23T03:15:00Z")],
    ["a country without a rule, Sunday noon", "PT", "Europe/Lisbon", "2026-11-22T12:00:00Z", quiet("2026-11-23T09:00:00Z")],
    ["an unknown country in a known zone, Monday 09:00", undefined, "Europe/Lisbon", "2026-11-23T09:00:00Z", OPEN],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, country, zone, now, then) => {
    expect(ask(country, zone, now)).toEqual(then);
  });
});

describe("days on which the clock changes", () => {
  const rows: [when: string, now: string, then: QuietDecision][] = [
    ["the week before spring forward opens at 07:00 UTC", "2026-03-27T06:59:00Z", quiet("2026-03-27T07:00:00Z")],
    ["Saturday evening waits for Monday 08:00 of the new time, 06:00 UTC", "2026-03-28T20:00:00Z", quiet("2026-03-30T06:00:00Z")],
    ["Monday after spring forward, 08:00", "2026-03-30T06:00:00Z", OPEN],
    ["Monday after spring forward, 20:00", "2026-03-30T18:00:00Z", quiet("2026-03-31T06:00:00Z")],
    ["Saturday evening before fall back waits for Monday 07:00 UTC", "2026-10-24T19:00:00Z", quiet("2026-10-26T07:00:00Z")],
    ["Monday after fall back, 07:59", "2026-10-26T06:59:59Z", quiet("2026-10-26T07:00:00Z")],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("Germany: %s", (_when, now, then) => {
    expect(ask("DE", "Europe/Berlin", now)).toEqual(then);
  });

  it("the UK, on the Sundays of the change themselves", () => {
    expect(ask("GB", "Europe/London", "2026-03-29T07:00:00Z")).toEqual(OPEN); // 08:00 BST
    expect(ask("GB", "Europe/London", "2026-03-29T06:59:00Z")).toEqual(quiet("2026-03-29T07:00:00Z"));
    expect(ask("GB", "Europe/London", "2026-10-25T07:59:00Z")).toEqual(quiet("2026-10-25T08:00:00Z")); // 07:59 GMT
  });

  it("an hour that happens twice is the same hour twice", () => {
    expect(localTime("Europe/Berlin", at("2026-10-25T00:30:00Z"))).toEqual({
      date: "2026-10-25",
      day: "sun",
      time: "02:30",
    });
    expect(localTime("Europe/Berlin", at("2026-10-25T01:30:00Z"))).toEqual({
      date: "2026-10-25",
      day: "sun",
      time: "02:30",
    });
  });

  it("midnight is 00:00 of the new day", () => {
    expect(localTime("Asia/Jerusalem", at("2026-11-22T22:00:00Z"))).toEqual({
      date: "2026-11-23",
      day: "mon",
      time: "00:00",
    });
  });
});

describe("several zones", () => {
  const COAST = ["America/New_York", "America/Los_Angeles"];
  it("all must be open: 09:00 in New York is not enough", () => {
    expect(ask("US", COAST, "2026-11-23T14:00:00Z")).toEqual(quiet("2026-11-23T17:00:00Z")); // 09:00 in Los Angeles
  });
  it("all must be open: the east closes first", () => {
    expect(ask("US", COAST, "2026-11-23T17:00:00Z")).toEqual(OPEN);
    expect(ask("US", COAST, "2026-11-24T00:59:59Z")).toEqual(OPEN); // 19:59 in New York
    expect(ask("US", COAST, "2026-11-24T01:00:00Z")).toEqual(quiet("2026-11-24T17:00:00Z"));
  });
  it("zones that are never open together are never open", () => {
    const far = ["Pacific/Auckland", "America/Los_Angeles"];
    for (let hour = 0; hour < 48; hour += 7)
      expect(
        quietHours({
          now: new Date(Date.UTC(2026, 6, 6, hour)),
          country: "FR",
          zones: [...far, "Europe/Paris"],
          merchantWindow: undefined,
        }).type,
      ).toBe("quiet");
  });
});

describe("a zone nobody knows", () => {
  it("is never open, whatever the country", () => {
    expect(ask("DE", [], "2026-11-23T12:00:00Z")).toEqual({ type: "zone-unknown" });
    expect(ask(undefined, [], "2026-11-23T12:00:00Z")).toEqual({ type: "zone-unknown" });
  });
});

describe("the merchant's own window", () => {
  const rows: [when: string, merchant: [string, string], now: string, then: QuietDecision][] = [
    ["opens later than the country", ["10:00", "18:00"], "2026-11-23T08:59:59Z", quiet("2026-11-23T09:00:00Z")],
    ["is open from its first minute", ["10:00", "18:00"], "2026-11-23T09:00:00Z", OPEN],
    ["closes earlier than the country", ["10:00", "18:00"], "2026-11-23T17:00:00Z", quiet("2026-11-24T09:00:00Z")],
    ["cannot open earlier than the country", ["06:00", "23:00"], "2026-11-23T06:59:00Z", quiet("2026-11-23T07:00:00Z")],
    ["cannot close later than the country", ["06:00", "23:00"], "2026-11-23T19:00:00Z", quiet("2026-11-24T07:00:00Z")],
    ["cannot open a Sunday", ["00:00", "23:59"], "2026-11-22T11:00:00Z", quiet("2026-11-23T07:00:00Z")],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, merchant, now, then) => {
    expect(ask("DE", "Europe/Berlin", now, merchant)).toEqual(then);
  });
  it("that never meets the country's hours never opens", () => {
    expect(ask("DE", "Europe/Berlin", "2026-11-23T19:30:00Z", ["20:00", "23:00"])).toMatchObject({ type: "quiet" });
  });
});

it("what is told to wait until then may leave then", () => {
  for (const [country, zone] of [
    ["DE", "Europe/Berlin"],
    ["IL", "Asia/Jerusalem"],
    ["US", "America/Denver"],
    ["IN", "Asia/Kolkata"],
  ] as const)
    for (let hour = 0; hour < 24 * 14; hour += 5) {
      const decision = quietHours({
        now: new Date(Date.UTC(2027, 9, 1, hour)),
        country,
        zones: [zone],
        merchantWindow: undefined,
      });
      if (decision.type === "quiet")
        expect(quietHours({ now: decision.until, country, zones: [zone], merchantWindow: undefined })).toEqual(OPEN);
    }
});
