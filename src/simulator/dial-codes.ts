/** Enough of the numbering plan to give a simulated person a country. Longest prefix wins. */
const COUNTRY_BY_PREFIX: Readonly<Record<string, string>> = {
  "1": "US",
  "7": "RU",
  "20": "EG",
  "27": "ZA",
  "31": "NL",
  "32": "BE",
  "33": "FR",
  "34": "ES",
  "39": "IT",
  "41": "CH",
  "43": "AT",
  "44": "GB",
  "45": "DK",
  "46": "SE",
  "47": "NO",
  "48": "PL",
  "49": "DE",
  "51": "PE",
  "52": "MX",
  "54": "AR",
  "55": "BR",
  "56": "CL",
  "57": "CO",
  "60": "MY",
  "61": "AU",
  "62": "ID",
  "63": "PH",
  "65": "SG",
  "66": "TH",
  "81": "JP",
  "82": "KR",
  "84": "VN",
  "90": "TR",
  "91": "IN",
  "92": "PK",
  "212": "MA",
  "234": "NG",
  "254": "KE",
  "351": "PT",
  "353": "IE",
  "962": "JO",
  "966": "SA",
  "971": "AE",
  "972": "IL",
};

/** Area codes behind +1 that are Canadian. The US marketing pause (reference 5.1) looks at the area code, not at +1. */
const CANADIAN_AREAS = new Set(
  "204 226 236 249 250 263 289 306 343 354 365 367 368 382 403 416 418 428 431 437 438 450 468 474 506 514 519 548 579 581 584 587 604 613 639 647 672 683 705 709 742 753 778 780 782 807 819 825 867 873 879 902 905".split(
    " ",
  ),
);

/** The country (ISO 3166 alpha-2) of a phone number in digits; `US` when nothing fits. */
export function countryOf(digits: string): string {
  if (digits.startsWith("1") && CANADIAN_AREAS.has(digits.slice(1, 4))) return "CA";
  for (let length = 3; length > 0; length--) {
    const country = COUNTRY_BY_PREFIX[digits.slice(0, length)];
    if (country !== undefined) return country;
  }
  return "US";
}

/** The dialling prefix of a phone number, e.g. `972`. */
export function dialPrefixOf(digits: string): string {
  for (let length = 3; length > 0; length--) {
    if (COUNTRY_BY_PREFIX[digits.slice(0, length)] !== undefined) return digits.slice(0, length);
  }
  return "";
}
