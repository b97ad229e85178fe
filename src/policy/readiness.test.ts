import { describe, expect, it } from "vitest";
import { type ReadinessFacts, readiness } from "./readiness.ts";

const NOW = new Date("2026-11-22T12:00:00Z");
const DAY = 86_400_000;
const known = <T>(value: T) => ({ type: "known", value }) as const;
const undetermined = { type: "undetermined", code: "graph/unreachable" } as const;
const BOTH = ["whatsapp_business_management", "whatsapp_business_messaging"];

const number = (change: object = {}) => ({
  id: "7001",
  state: known({ status: "CONNECTED", quality: "GREEN", canSend: "AVAILABLE", blockers: "", ...change }),
  profile: known({ email: "help@shop.example", websites: [] as string[] }),
});
const waba = (change: object = {}) => ({
  id: "5001",
  isSubscribed: known(true),
  fallbackLanguages: ["en", "he"],
  numbers: [number()],
  ...change,
});
const tokenWith = (change: object) => known({ isValid: true, expiresAt: undefined, scopes: BOTH, ...change });
const complete: ReadinessFacts = {
  now: NOW,
  token: tokenWith({}),
  tokenName: "SHOP_TOKEN",
  isTokenBroken: false,
  wabas: [waba()],
  webhook: "ok",
  escalation: { contact: "help@shop.example", hours: "9-17" },
  fallbackTemplate: "answer_ready",
  languages: ["en", "he"],
  optIns: 3,
};
const at = (ms: number) => new Date(NOW.getTime() + ms);

describe("readiness for real traffic", () => {
  it("everything in order is ok, in the order in which a person mends things", () => {
    const found = readiness(complete);
    expect(found.every((finding) => finding.level === "ok")).toBe(true);
    expect(found.map((finding) => finding.topic)).toEqual([
      "token",
      "number",
      "webhooks",
      "callback",
      "support contact",
      "escalation",
      "fallback template",
      "opt-in",
    ]);
  });

  const cases: [string, Partial<ReadinessFacts>, string[]][] = [
    // when                              facts                                                      then
    ["no token", { token: undefined }, ["bad token"]],
    ["Graph could not be asked", { token: undetermined }, ["bad token"]],
    ["an invalid token", { token: tokenWith({ isValid: false }) }, ["bad token"]],
    ["a token that ends this second", { token: tokenWith({ expiresAt: NOW }) }, ["bad token"]],
    ["a token with a second left", { token: tokenWith({ expiresAt: at(1000) }) }, ["warn token"]],
    ["a token a second under seven days", { token: tokenWith({ expiresAt: at(7 * DAY - 1000) }) }, ["warn token"]],
    ["a token of seven days", { token: tokenWith({ expiresAt: at(7 * DAY) }) }, []],
    ["a token without either permission", { token: tokenWith({ scopes: [] }) }, ["bad token", "bad token"]],
    ["a token Meta refused while sending", { isTokenBroken: true }, ["bad token"]],
    ["an unregistered number", { wabas: [waba({ numbers: [number({ status: "PENDING" })] })] }, ["bad number"]],
    ["quality RED", { wabas: [waba({ numbers: [number({ quality: "RED" })] })] }, ["bad number"]],
    ["quality YELLOW", { wabas: [waba({ numbers: [number({ quality: "YELLOW" })] })] }, ["warn number"]],
    ["Meta blocks", { wabas: [waba({ numbers: [number({ canSend: "BLOCKED" })] })] }, ["bad health"]],
    ["Meta limits", { wabas: [waba({ numbers: [number({ canSend: "LIMITED" })] })] }, ["warn health"]],
    [
      "a number that could not be asked",
      { wabas: [waba({ numbers: [{ ...number(), state: undetermined }] })] },
      ["bad number"],
    ],
    ["no subscription", { wabas: [waba({ isSubscribed: known(false) })] }, ["bad webhooks"]],
    ["a subscription that could not be asked", { wabas: [waba({ isSubscribed: undetermined })] }, ["bad webhooks"]],
    ["no known callback", { webhook: undefined }, ["warn callback"]],
    ["a callback that fails", { webhook: "does not answer" }, ["bad callback"]],
    [
      "a profile without contact",
      { wabas: [waba({ numbers: [{ ...number(), profile: known({ email: undefined, websites: [] }) }] })] },
      ["bad support contact"],
    ],
    [
      "a profile with a website alone",
      {
        wabas: [
          waba({ numbers: [{ ...number(), profile: known({ email: undefined, websites: ["https://a.example"] }) }] }),
        ],
      },
      [],
    ],
    ["no escalation route", { escalation: { contact: " ", hours: "9-17" } }, ["bad escalation"]],
    ["a home page as route", { escalation: { contact: "https://shop.example", hours: "9-17" } }, ["bad escalation"]],
    [
      "another network as route",
      { escalation: { contact: "https://instagram.com/shop", hours: "9-17" } },
      ["bad escalation"],
    ],
    ["a form as route", { escalation: { contact: "https://shop.example/contact", hours: "9-17" } }, []],
    ["a telephone as route", { escalation: { contact: "+972 3 000 0000", hours: "9-17" } }, []],
    ["no fallback template named", { fallbackTemplate: undefined }, ["bad fallback template"]],
    ["a fallback in no language", { wabas: [waba({ fallbackLanguages: [] })] }, ["bad fallback template"]],
    ["a fallback in one language of two", { wabas: [waba({ fallbackLanguages: ["en"] })] }, ["warn fallback template"]],
    ["a fallback in en_US for en", { wabas: [waba({ fallbackLanguages: ["en_US", "he"] })] }, []],
    [
      "a fallback in pt_PT for pt-BR",
      { languages: ["pt-BR"], wabas: [waba({ fallbackLanguages: ["pt_PT"] })] },
      ["bad fallback template"],
    ],
    [
      "one WABA of two without fallback",
      { wabas: [waba(), waba({ fallbackLanguages: [] })] },
      ["bad fallback template"],
    ],
    ["no opt-in on record", { optIns: 0 }, ["warn opt-in"]],
  ];
  it.each(cases)("%s", (_when, change, expected) => {
    const found = readiness({ ...complete, ...change });
    expect(found.filter((finding) => finding.level !== "ok").map(({ level, topic }) => `${level} ${topic}`)).toEqual(
      expected,
    );
  });
});
