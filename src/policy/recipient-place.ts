import callingCodes from "./data/calling-codes.json" with { type: "json" };
import countryZones from "./data/country-zones.json" with { type: "json" };
import nanp from "./data/nanp.json" with { type: "json" };
import zones from "./data/zones.json" with { type: "json" };

/** Where a recipient may be. `zones` empty = could not tell. */
export type Place = { country: string | undefined; isUs: boolean; zones: readonly string[] };

const PREFIX_ZONES = zones.prefixes as unknown as Record<string, string[]>;
const COUNTRY_ZONES = countryZones.countries as unknown as Record<string, string[]>;
const COUNTRIES_OF_CODE = callingCodes as unknown as Record<string, string[]>;
const US = new Set<string>([...nanp.us, ...nanp.usTerritories, ...nanp.tollFree]);
const CANADA = new Set<string>(nanp.canada);
const OTHER_NANP = nanp.other as Record<string, string>;

/**
 * Zone: explicit, else the number's candidates, else those of the BSUID's country; the merchant's zone never stands in.
 * US = NANP area code of the US, its territories or toll-free, or a BSUID that begins with `US.`: Meta delivers no
 * marketing template there (Meta, 2025-04-01; still so 2026-06-17), so doubt counts as US.
 */
export function recipientPlace(person: { waId?: string; bsuid?: string; zone?: string; country?: string }): Place {
  const byNumber = person.waId ? countryOfNumber(person.waId) : undefined;
  const byBsuid = person.bsuid ? person.bsuid.slice(0, 2) : undefined;
  const country = person.country ?? byNumber ?? byBsuid;
  const isUnknownNanp = person.waId?.startsWith("1") === true && byNumber === undefined;
  const isUs = byNumber === "US" || byBsuid === "US" || person.country === "US" || isUnknownNanp;
  if (person.zone) return { country, isUs, zones: [person.zone] };
  if (person.waId) return { country, isUs, zones: zonesOfNumber(person.waId) };
  return { country, isUs, zones: (country && COUNTRY_ZONES[country]) || [] };
}

/** ISO country of a number's digits; for a code shared by several countries, undefined unless the number tells. */
export function countryOfNumber(digits: string): string | undefined {
  if (digits.startsWith("1") && digits.length >= 4) {
    const area = digits.slice(1, 4);
    if (US.has(area)) return "US";
    return CANADA.has(area) ? "CA" : OTHER_NANP[area];
  }
  if (digits.startsWith("7")) return /^7[67]/.test(digits) ? "KZ" : "RU";
  for (let length = 4; length >= 1; length--) {
    const countries = COUNTRIES_OF_CODE[digits.slice(0, length)];
    if (countries) return countries[0];
  }
  return undefined;
}

function zonesOfNumber(digits: string): readonly string[] {
  for (let length = Math.min(digits.length, 12); length >= 1; length--) {
    const found = PREFIX_ZONES[digits.slice(0, length)];
    if (found) return found;
  }
  return [];
}
