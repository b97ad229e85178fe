/**
 * What stands between a merchant and real traffic: Meta's policy on support contact and escalation (policy reference 1.6),
 * opt-in (1.5), and what the platform needs of token, number, subscription and templates.
 */

export const MANAGEMENT = "whatsapp_business_management";
export const MESSAGING = "whatsapp_business_messaging";
export const TOKEN_WARN_MS = 7 * 86_400_000;

/** `undetermined`: Graph could not be asked, with the code of why. It never counts as ready. */
export type Asked<T> = { type: "known"; value: T } | { type: "undetermined"; code: string };

export type NumberFacts = {
  id: string;
  state: Asked<{ status: string; quality: string; canSend: string | undefined; blockers: string }>;
  profile: Asked<Profile>;
};
export type Profile = { email: string | undefined; websites: readonly string[] };
export type TokenFacts = { isValid: boolean; expiresAt: Date | undefined; scopes: readonly string[] };

export type ReadinessFacts = {
  now: Date;
  /** Undefined when there is none anywhere. */
  token: Asked<TokenFacts> | undefined;
  /** The variable that the merchant's file names for it. */
  tokenName: string;
  isTokenBroken: boolean;
  wabas: {
    id: string;
    isSubscribed: Asked<boolean>;
    /** Languages in which the fallback template is approved and UTILITY. */
    fallbackLanguages: readonly string[];
    numbers: NumberFacts[];
  }[];
  /** What a look at the callback found; undefined where no address is known. */
  webhook: string | undefined;
  escalation: { contact: string; hours: string };
  fallbackTemplate: string | undefined;
  languages: readonly string[];
  optIns: number;
};

export type ReadinessFinding = { level: "ok" | "warn" | "bad"; topic: string; say: string };

type Check = (facts: ReadinessFacts) => ReadinessFinding[];

/** In the order in which a person would mend them. */
const CHECKS: readonly Check[] = [token, numbers, subscription, webhook, profile, escalation, fallback, optIn];

/** Everything that still blocks a merchant's real traffic, and what is in order. */
export function readiness(facts: ReadinessFacts): ReadinessFinding[] {
  return CHECKS.flatMap((check) => check(facts));
}

/** Email or website: what a customer can turn to outside the chat. */
export function hasSupportContact(profile: Profile): boolean {
  return profile.email !== undefined || profile.websites.length > 0;
}

const ok = (topic: string, say: string): ReadinessFinding => ({ level: "ok", topic, say });
const warn = (topic: string, say: string): ReadinessFinding => ({ level: "warn", topic, say });
const bad = (topic: string, say: string): ReadinessFinding => ({ level: "bad", topic, say });
const unknown = (topic: string, what: string, code: string) => bad(topic, `${what}could not be asked (${code})`);

function token({ token: asked, tokenName, isTokenBroken, now }: ReadinessFacts): ReadinessFinding[] {
  if (!asked) return [bad("token", `none: set ${tokenName}, or give one to \`merchant connect --token-stdin\``)];
  if (asked.type === "undetermined") return [unknown("token", "", asked.code)];
  const { isValid, expiresAt, scopes } = asked.value;
  if (expiresAt && expiresAt <= now) return [bad("token", `ended on ${day(expiresAt)}; make a new one`)];
  if (!isValid) return [bad("token", "Meta calls it invalid; make a new one")];
  const missing = [MANAGEMENT, MESSAGING].filter((scope) => !scopes.includes(scope));
  const found = missing.map((scope) => bad("token", `lacks ${scope}`));
  if (isTokenBroken) found.push(bad("token", "Meta refused it and sending stands still; run `merchant connect` again"));
  if (expiresAt && expiresAt.getTime() - now.getTime() < TOKEN_WARN_MS)
    found.push(warn("token", `ends on ${day(expiresAt)}; make a new one before`));
  if (found.length > 0) return found;
  return [ok("token", expiresAt ? `valid until ${day(expiresAt)}` : "valid, never ends")];
}

function numbers({ wabas }: ReadinessFacts): ReadinessFinding[] {
  return wabas
    .flatMap((waba) => waba.numbers)
    .flatMap(({ id, state }) => {
      if (state.type === "undetermined") return [unknown("number", `${id} `, state.code)];
      const { status, quality, canSend, blockers } = state.value;
      const found: ReadinessFinding[] = [];
      if (status !== "CONNECTED")
        found.push(bad("number", `${id} is ${status}: run \`merchant connect\` with its PIN`));
      if (quality === "RED")
        found.push(bad("number", `${id} has quality RED: Meta limits it next; see WhatsApp Manager`));
      if (quality === "YELLOW") found.push(warn("number", `${id} has quality YELLOW: people block or report it`));
      if (canSend === "BLOCKED") found.push(bad("health", `${id}: ${blockers}`));
      if (canSend === "LIMITED") found.push(warn("health", `${id}: ${blockers}`));
      return found.length > 0 ? found : [ok("number", `${id} is CONNECTED, quality ${quality}`)];
    });
}

function subscription({ wabas }: ReadinessFacts): ReadinessFinding[] {
  return wabas.map(({ id, isSubscribed }) => {
    if (isSubscribed.type === "undetermined") return unknown("webhooks", `WABA ${id} `, isSubscribed.code);
    return isSubscribed.value
      ? ok("webhooks", `the app is subscribed to WABA ${id}`)
      : bad("webhooks", `the app is not subscribed to WABA ${id}: nothing comes in. Run \`merchant connect\``);
  });
}

function webhook({ webhook: found }: ReadinessFacts): ReadinessFinding[] {
  if (found === undefined)
    return [warn("callback", "no address known: set it in the app's WhatsApp configuration, or give --webhook-url")];
  return [found === "ok" ? ok("callback", "answers the handshake and refuses forgeries") : bad("callback", found)];
}

function profile({ wabas }: ReadinessFacts): ReadinessFinding[] {
  return wabas
    .flatMap((waba) => waba.numbers)
    .map(({ id, profile: asked }) => {
      if (asked.type === "undetermined") return unknown("support contact", `${id} `, asked.code);
      return hasSupportContact(asked.value)
        ? ok("support contact", `${id} shows one`)
        : bad(
            "support contact",
            `${id} shows neither email nor website: Meta's policy wants one; add it in WhatsApp Manager`,
          );
    });
}

const SOCIAL = /(?:^|[/.])(?:facebook|instagram|twitter|x|tiktok|linkedin|t|m)\.(?:com|me)(?:\/|$)/i;
const HOME_PAGE = /^(?:https?:\/\/)?[\w-]+(?:\.[\w-]+)+\/?$/i;

/** A number, an email, a form or a place will do; another network or a bare home page does not (policy reference 1.6). */
function escalation({ escalation: { contact, hours } }: ReadinessFacts): ReadinessFinding[] {
  if (contact.trim() === "" || hours.trim() === "")
    return [bad("escalation", "the file names no way to a person: set escalation.contact and escalation.hours")];
  if (SOCIAL.test(contact.trim()))
    return [
      bad("escalation", "a link to another network does not count: give a number, an email, a form or an address"),
    ];
  if (HOME_PAGE.test(contact.trim()))
    return [bad("escalation", "a home page does not count: give a number, an email, a form or an address")];
  return [ok("escalation", "the file names a way to a person and its hours")];
}

function fallback({ fallbackTemplate, languages, wabas }: ReadinessFacts): ReadinessFinding[] {
  if (!fallbackTemplate)
    return [
      bad(
        "fallback template",
        "none named: an answer that misses the 24-hour window is lost. Set fallbackTemplates.answerReady",
      ),
    ];
  return wabas.map(({ id, fallbackLanguages }) => {
    const missing = languages.filter((language) => !fallbackLanguages.some((found) => speaks(found, language)));
    const what = `${fallbackTemplate} at WABA ${id}`;
    if (missing.length === 0) return ok("fallback template", `${what}: approved UTILITY in ${languages.join(", ")}`);
    return missing.length === languages.length
      ? bad("fallback template", `${what} has no approved UTILITY version in ${languages.join(", ")}`)
      : warn("fallback template", `${what} has no approved UTILITY version in ${missing.join(", ")}`);
  });
}

function optIn({ optIns }: ReadinessFacts): ReadinessFinding[] {
  return [
    optIns > 0
      ? ok("opt-in", `${optIns} on record`)
      : warn(
          "opt-in",
          "none on record: the business may start nothing yet. `consent import` takes those you have, with proof",
        ),
  ];
}

/** `en` is spoken by `en_US`; `pt-BR` only by `pt_BR` or plain `pt`. */
function speaks(found: string, language: string): boolean {
  const [have, want] = [found.replace("_", "-").toLowerCase(), language.toLowerCase()];
  return have === want || have === want.split("-")[0] || have.split("-")[0] === want;
}

function day(at: Date): string {
  return at.toISOString().slice(0, 10);
}
