import { describe, expect, it } from "vitest";
import { countryOfNumber, type Place, recipientPlace } from "./recipient-place.ts";

type Known = Parameters<typeof recipientPlace>[0];

const NEW_YORK = ["America/New_York"];

describe("where a recipient may be", () => {
  const rows: [who: string, person: Known, then: Place][] = [
    ["a New York number", { waId: "12125550123" }, { country: "US", isUs: true, zones: NEW_YORK }],
    ["an area code on two zones: both", { waId: "12085550123" }, { country: "US", isUs: true, zones: ["America/Boise", "America/Los_Angeles"] }],
    ["Puerto Rico is the US", { waId: "17875550123" }, { country: "US", isUs: true, zones: ["America/Puerto_Rico"] }],
    ["Guam is the US", { waId: "16715550123" }, { country: "US", isUs: true, zones: ["Pacific/Guam"] }],
    ["the US Virgin Islands are the US", { waId: "13405550123" }, { country: "US", isUs: true, zones: ["America/St_Thomas"] }],
    ["a toll-free number counts as the US, and is nowhere", { waId: "18005550123" }, { country: "US", isUs: true, zones: [] }],
    ["another toll-free number", { waId: "18885550123" }, { country: "US", isUs: true, zones: [] }],
    ["an area code nobody lists counts as the US, and is nowhere", { waId: "15005550123" }, { country: undefined, isUs: true, zones: [] }],
    ["Toronto is Canada, not the US", { waId: "14165550123" }, { country: "CA", isUs: false, zones: ["America/Toronto"] }],
    ["Jamaica is not the US", { waId: "18765550123" }, { country: "JM", isUs: false, zones: ["America/Jamaica"] }],
    ["the Bahamas are not the US", { waId: "12425550123" }, { country: "BS", isUs: false, zones: ["America/Nassau"] }],
    ["the Dominican Republic is not the US", { waId: "18095550123" }, { country: "DO", isUs: false, zones: ["America/Santo_Domingo"] }],
    ["an Israeli number", { waId: "972501234567" }, { country: "IL", isUs: false, zones: ["Asia/Jerusalem"] }],
    ["a Palestinian carrier on +972: every zone", { waId: "972591234567" }, { country: "IL", isUs: false, zones: ["Asia/Jerusalem", "Asia/Hebron", "Asia/Gaza"] }],
    ["a French number", { waId: "33612345678" }, { country: "FR", isUs: false, zones: ["Europe/Paris"] }],
    ["a number of no known country", { waId: "99912345678" }, { country: undefined, isUs: false, zones: [] }],
    ["no phone, a US BSUID: every zone of the US", { bsuid: "US.13491208655302741918" }, { country: "US", isUs: true, zones: expect.arrayContaining(["America/New_York", "America/Los_Angeles", "Pacific/Honolulu"]) }],
    ["no phone, a US BSUID of a linked portfolio", { bsuid: "US.ENT.11815799212886844830", zone: "America/Denver" }, { country: "US", isUs: true, zones: ["America/Denver"] }],
    ["no phone, an Israeli BSUID", { bsuid: "IL.13491208655302741918" }, { country: "IL", isUs: false, zones: ["Asia/Jerusalem"] }],
    ["an Israeli number with a US BSUID: in doubt the US", { waId: "972501234567", bsuid: "US.1349" }, { country: "IL", isUs: true, zones: ["Asia/Jerusalem"] }],
    ["a US number with an Israeli BSUID: still the US", { waId: "12125550123", bsuid: "IL.1349" }, { country: "US", isUs: true, zones: NEW_YORK }],
    ["a zone that the customer gave counts before the number's", { waId: "12125550123", zone: "Europe/Rome" }, { country: "US", isUs: true, zones: ["Europe/Rome"] }],
    ["a zone makes a toll-free number reachable, and no less American", { waId: "18005550123", zone: "America/Denver" }, { country: "US", isUs: true, zones: ["America/Denver"] }],
    ["a country on record counts before the number's", { waId: "33612345678", country: "DE" }, { country: "DE", isUs: false, zones: ["Europe/Paris"] }],
    ["a country on record does not make a US number less American", { waId: "12125550123", country: "CA" }, { country: "CA", isUs: true, zones: NEW_YORK }],
    ["the US on record makes a foreign number American", { waId: "33612345678", country: "US" }, { country: "US", isUs: true, zones: ["Europe/Paris"] }],
    ["nothing known", {}, { country: undefined, isUs: false, zones: [] }],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_who, person, then) => {
    expect(recipientPlace(person)).toEqual(then);
  });

  it("a mobile number of a country with several zones is in all of them", () => {
    expect(recipientPlace({ waId: "79161234567" }).zones).toEqual(
      expect.arrayContaining(["Europe/Moscow", "Asia/Vladivostok"]),
    );
    expect(recipientPlace({ waId: "34612345678" }).zones).toEqual(
      expect.arrayContaining(["Europe/Madrid", "Atlantic/Canary"]),
    );
  });

  it("every zone it names is one that the clock knows", () => {
    for (const waId of ["12085550123", "79161234567", "61412345678", "5511912345678", "5215512345678", "6281234567890"])
      for (const zone of recipientPlace({ waId }).zones)
        expect(() => new Intl.DateTimeFormat("en", { timeZone: zone })).not.toThrow();
  });
});

describe("the country of a number", () => {
  const rows: [digits: string, country: string | undefined][] = [
    ["77011234567", "KZ"],
    ["79161234567", "RU"],
    ["447911123456", "GB"],
    ["4915112345678", "DE"],
    ["5511912345678", "BR"],
    ["353861234567", "IE"],
    ["14165550123", "CA"],
    ["12125550123", "US"],
    ["15005550123", undefined],
    ["99912345678", undefined],
    ["", undefined],
  ];
  it.each(rows)("%s is %s", (digits, country) => {
    expect(countryOfNumber(digits)).toBe(country);
  });
});
