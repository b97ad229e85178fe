type Meaning = { said: string; todo: string };

const NEW_TOKEN: Meaning = {
  said: "the access token is expired, revoked or none",
  todo: "Make a new system user token in Business settings and give it.",
};
const PERMISSION: Meaning = {
  said: "a permission is missing",
  todo: "Give the token whatsapp_business_management and whatsapp_business_messaging, and its system user the WABA.",
};
const RATE: Meaning = { said: "too many calls", todo: "Wait an hour and try again." };

/** What Graph's codes mean for onboarding, and what a person does about them (platform reference 5.2). */
const MEANINGS: Record<number, Meaning | undefined> = {
  0: NEW_TOKEN,
  1: { said: "unknown error or invalid request", todo: "Try again; if it stays, look at Meta's status page." },
  2: { said: "Meta is temporarily unavailable", todo: "Try again in a few minutes." },
  3: PERMISSION,
  4: RATE,
  10: PERMISSION,
  33: { said: "no such object", todo: "Check the ids in WhatsApp Manager." },
  100: {
    said: "no such object, or a parameter it does not take",
    todo: "Check the ids in WhatsApp Manager and that the token's system user has access to them.",
  },
  101: { said: "no such app", todo: "Check META_APP_ID." },
  190: NEW_TOKEN,
  368: {
    said: "the account is blocked for policy violations",
    todo: "See Account quality in WhatsApp Manager and appeal there.",
  },
  80007: RATE,
  80008: RATE,
  131005: PERMISSION,
  131031: { said: "the account is locked", todo: "See Account quality in WhatsApp Manager." },
  131045: {
    said: "the number's certificate is not right",
    todo: "Get its display name approved in WhatsApp Manager, then register again.",
  },
  133000: { said: "an earlier deregistration is not complete", todo: "Wait a few minutes and run this again." },
  133004: { said: "the registration server is temporarily unavailable", todo: "Try again in a few minutes." },
  133005: {
    said: "wrong two-step verification PIN",
    todo: "Give the right one in ESEK_PIN, or set a new one in WhatsApp Manager > phone number > two-step verification. A few wrong ones lock the number.",
  },
  133006: {
    said: "the number is not verified",
    todo: "Verify it by SMS or call in WhatsApp Manager, then run this again.",
  },
  133008: {
    said: "too many wrong PINs",
    todo: "Wait some hours, or set a new PIN in WhatsApp Manager; do not try further ones.",
  },
  133009: { said: "PINs tried too fast", todo: "Wait a few minutes and give the right one." },
  133010: { said: "the number is not registered", todo: "Run `esek merchant connect` with its PIN." },
  133015: { said: "the number was deleted just now", todo: "Wait five minutes and run this again." },
  133016: {
    said: "registered or deregistered too often",
    todo: "Meta allows ten times in 72 hours: wait, do not try again before.",
  },
};

export function meaningOf(code: number): Meaning {
  const known = MEANINGS[code] ?? (code >= 200 && code < 300 ? PERMISSION : undefined);
  return known ?? { said: "an error without advice here", todo: "Look the code up in Meta's error list." };
}
