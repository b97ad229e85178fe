import { describe, expect, it } from "vitest";
import type { Author, Purpose } from "../domain/draft.ts";
import type { ContactId, OutboxId } from "../domain/ids.ts";
import type { TemplateComponent } from "../domain/template.ts";
import { PRE_CLEARED, undetermined, type Verdict } from "../domain/verdict.ts";
import type * as Gate from "./outbound-gate.ts";
import * as gate from "./outbound-gate.ts";
import {
  type Cleared,
  decideOutbound,
  GATE,
  type Outbound,
  type OutboundFacts,
  outboundGate,
} from "./outbound-gate.ts";
import { REFUSALS } from "./reasons.ts";

/** A Wednesday, 13:00 in Berlin: no rule of time speaks against anything. */
const NOW = new Date("2026-11-25T12:00:00Z");
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const ago = (ms: number) => new Date(NOW.getTime() - ms);
const later = (ms: number) => new Date(NOW.getTime() + ms);

type Change = (facts: OutboundFacts) => void;
const nothing: Change = () => {};

/** A German customer who wrote an hour ago and opted in to everything; whatever a row changes is what the row is about. */
function facts(...changes: Change[]): OutboundFacts {
  const all: OutboundFacts = {
    now: NOW,
    merchant: { isSuspended: false },
    number: {
      isTokenBroken: false,
      pausedUntil: undefined,
      templatesBlockedUntil: undefined,
      repliesBlockedUntil: undefined,
      initiatedBlockedUntil: undefined,
    },
    chat: { isHumanHeld: false, window: { openedAt: ago(HOUR), closedByMetaAt: undefined } },
    recipient: {
      standing: {
        marketing: { isSuppressed: false, hasOptIn: true },
        utility: { isSuppressed: false, hasOptIn: true },
        isStoppedAtMeta: false,
        isStoppedHere: false,
        hasPendingOptIn: false,
      },
      isAskOpen: false,
      isUnreachable: false,
      place: { country: "DE", isUs: false, zones: ["Europe/Berlin"] },
      isCountryBlocked: false,
    },
    confirmed: {},
    template: undefined,
    portfolio: { limit: 250, used: 0, isCounted: false, nextFreeAt: undefined },
    money: { isSpent: false },
    marketing: { sentAt: [], ignored: 0, caps: { perDay: 1, perWeek: 3, perMonth: 8 }, merchantWindow: undefined },
  };
  for (const change of changes) change(all);
  return all;
}

const ONE_VARIABLE: TemplateComponent[] = [{ type: "BODY", text: "Hello {{1}}" }];
const templateOf =
  (category: string, status = "APPROVED"): Change =>
  (all) => {
    all.template = {
      template: { name: "news", language: "de", category, status, components: ONE_VARIABLE },
      languages: ["de"],
    };
  };
const MARKETING = templateOf("MARKETING");
const UTILITY = templateOf("UTILITY");
const AUTHENTICATION = templateOf("AUTHENTICATION");

function words(changes: Partial<Outbound> = {}): Outbound {
  return {
    content: { type: "text", text: "On Friday." },
    purpose: "reply",
    author: "agent",
    verdict: PRE_CLEARED,
    isAlwaysAnswered: false,
    ...changes,
  };
}

function template(purpose: Purpose, changes: Partial<Outbound> = {}): Outbound {
  return {
    content: { type: "template", template: { name: "news", language: "de", body: [{ type: "text", text: "Dana" }] } },
    purpose,
    author: "api",
    verdict: PRE_CLEARED,
    isAlwaysAnswered: false,
    ...changes,
  };
}

const confirmation = (confirms: "marketing" | "all" = "marketing"): Outbound =>
  words({ purpose: "opt-out-confirmation", author: "fixed", isAlwaysAnswered: true, confirms });

const flagged: Verdict = { ...PRE_CLEARED, verdict: "flagged", category: "weapons", rule: "lexicon" };
const promoting = (verdict: "flagged" | "undetermined"): Verdict => ({
  ...PRE_CLEARED,
  checks: [{ check: "promotion", verdict, score: 0.7 }],
});

const suspended: Change = (all) => {
  all.merchant.isSuspended = true;
};
const restored: Change = (all) => {
  all.merchant.isRestoreUnconfirmed = true;
};
const tokenBroken: Change = (all) => {
  all.number.isTokenBroken = true;
};
const pausedFor =
  (ms: number): Change =>
  (all) => {
    all.number.pausedUntil = later(ms);
  };
const templatesBlockedFor =
  (ms: number): Change =>
  (all) => {
    all.number.templatesBlockedUntil = later(ms);
  };
const moneySpent: Change = (all) => {
  all.money.isSpent = true;
};
const spamLimited: Change = (all) => {
  all.number.initiatedBlockedUntil = later(HOUR);
};
const ignored =
  (count: number): Change =>
  (all) => {
    all.marketing.ignored = count;
  };
const repliesBlockedFor =
  (ms: number): Change =>
  (all) => {
    all.number.repliesBlockedUntil = later(ms);
  };
const humanHeld: Change = (all) => {
  all.chat.isHumanHeld = true;
};
const stoppedMarketing: Change = ({ recipient: { standing } }) => {
  standing.isStoppedHere = true;
  standing.marketing = { isSuppressed: true, hasOptIn: false };
};
const stoppedAll: Change = ({ recipient: { standing } }) => {
  standing.isStoppedHere = true;
  standing.marketing = { isSuppressed: true, hasOptIn: false };
  standing.utility = { isSuppressed: true, hasOptIn: false };
};
const stoppedAtMeta: Change = ({ recipient: { standing } }) => {
  standing.isStoppedAtMeta = true;
  standing.marketing = { isSuppressed: true, hasOptIn: false };
};
const asked: Change = (all) => {
  all.recipient.isAskOpen = true;
};
const unreachable: Change = (all) => {
  all.recipient.isUnreachable = true;
};
const noOptIn: Change = ({ recipient: { standing } }) => {
  standing.marketing.hasOptIn = false;
  standing.utility.hasOptIn = false;
};
const wroteAgo =
  (ms: number): Change =>
  (all) => {
    all.chat.window.openedAt = ago(ms);
  };
const neverWrote: Change = (all) => {
  all.chat.window.openedAt = undefined;
};
const american: Change = (all) => {
  all.recipient.place = { country: "US", isUs: true, zones: ["America/New_York"] };
};
const countryBlocked: Change = (all) => {
  all.recipient.isCountryBlocked = true;
};
const limitReached: Change = (all) => {
  all.portfolio = { limit: 250, used: 250, isCounted: false, nextFreeAt: later(2 * HOUR) };
};
const zoneUnknown: Change = (all) => {
  all.recipient.place.zones = [];
};
const atNight: Change = (all) => {
  all.now = new Date("2026-11-25T22:00:00Z"); // 23:00 in Berlin
};
const sentAnHourAgo: Change = (all) => {
  all.marketing.sentAt = [ago(HOUR)];
};
const confirmedAgo =
  (scope: "marketing" | "all", ms: number): Change =>
  (all) => {
    all.confirmed[scope] = ago(ms);
  };

const defer = (reason: string, until: Date, detail?: string) => ({
  type: "defer",
  until,
  reason,
  ...(detail ? { detail } : {}),
});
const block = (reason: string, detail?: string) => ({ type: "block", reason, ...(detail ? { detail } : {}) });
const sentAs = (as: "free-form" | "template") => ({ type: "send", as, validUntil: later(MINUTE) });

describe("every word of refusal, and what earns it", () => {
  const rows: [when: string, message: Outbound, changes: Change[], then: ReturnType<typeof block>][] = [
    [
      "the database was restored and nobody vouched for the stops since",
      words(),
      [restored],
      defer("restored-unconfirmed", later(MINUTE)),
    ],
    ["the merchant is suspended", words(), [suspended], block("merchant-suspended")],
    ["the token is broken", words(), [tokenBroken], defer("token-broken", later(MINUTE))],
    ["the number is paused for an hour", words(), [pausedFor(HOUR)], defer("number-paused", later(HOUR))],
    ["the number is paused for a week", words(), [pausedFor(168 * HOUR)], block("number-paused")],
    [
      "Meta forbids templates for a day",
      template("utility"),
      [UTILITY, templatesBlockedFor(24 * HOUR)],
      defer("templates-restricted", later(24 * HOUR)),
    ],
    [
      "Meta forbids templates for three days",
      template("utility"),
      [UTILITY, templatesBlockedFor(72 * HOUR)],
      block("templates-restricted"),
    ],
    [
      "Meta limited the number for spam an hour ago",
      template("utility"),
      [UTILITY, spamLimited],
      defer("number-spam-limited", later(HOUR)),
    ],
    ["Meta forbids replies for five days", words(), [repliesBlockedFor(120 * HOUR)], block("replies-restricted")],
    ["a person has the chat", words(), [humanHeld], block("human-has-chat")],
    ["marketing after STOP", template("marketing"), [MARKETING, stoppedMarketing], block("suppressed-marketing")],
    [
      "marketing while the question whether to stop is open",
      template("marketing"),
      [MARKETING, asked],
      block("suppressed-marketing", "the person was asked whether to stop"),
    ],
    ["utility after STOP ALL", template("utility"), [UTILITY, stoppedAll], block("suppressed-all")],
    [
      "a second confirmation of the same stop",
      confirmation(),
      [stoppedMarketing, confirmedAgo("marketing", HOUR)],
      block("confirmation-repeated"),
    ],
    ["utility to a dead number", template("utility"), [UTILITY, unreachable], block("recipient-unreachable")],
    ["content that a guard flagged", words({ verdict: flagged }), [], block("content-flagged", "weapons")],
    [
      "content that no guard could judge",
      words({ verdict: undetermined("timeout") }),
      [],
      block("content-undetermined", "timeout"),
    ],
    [
      "a reply that promotes, after STOP",
      words({ verdict: promoting("flagged") }),
      [stoppedMarketing],
      block("promotion-after-stop"),
    ],
    ["marketing without an opt-in", template("marketing"), [MARKETING, noOptIn], block("no-opt-in")],
    ["a reply to a message of yesterday", words(), [wroteAgo(25 * HOUR)], block("window-closed")],
    [
      "a template that does not exist",
      template("utility"),
      [],
      block("template-unknown", '"news" does not exist at this WABA'),
    ],
    [
      "a template that exists in Hebrew only",
      template("utility"),
      [
        (all) => {
          all.template = { template: undefined, languages: ["he"] };
        },
      ],
      block("template-language-missing", '"news" has no "de"; it has he'),
    ],
    [
      "a template that Meta paused",
      template("utility"),
      [templateOf("UTILITY", "PAUSED")],
      block("template-not-approved", '"news" de is PAUSED'),
    ],
    [
      "a utility message in a template that became marketing",
      template("utility"),
      [MARKETING],
      block("template-category-not-permitted", "MARKETING for utility"),
    ],
    [
      "a confirmation as a template",
      template("opt-out-confirmation", { author: "fixed", isAlwaysAnswered: true, confirms: "marketing" }),
      [UTILITY],
      block("template-category-not-permitted", "a confirmation is never a template"),
    ],
    [
      "a template without its variable",
      template("utility", { content: { type: "template", template: { name: "news", language: "de" } } }),
      [UTILITY],
      block("template-variables-missing", '"news" de: the body wants 1 variables, got 0'),
    ],
    ["marketing to a US number", template("marketing"), [MARKETING, american], block("us-marketing")],
    ["anything to a country Meta closed", words(), [countryBlocked], block("country-not-served")],
    [
      "the 251st stranger of the day",
      template("utility"),
      [UTILITY, wroteAgo(48 * HOUR), limitReached],
      defer("messaging-limit", later(2 * HOUR)),
    ],
    [
      "marketing to nobody knows where",
      template("marketing"),
      [MARKETING, zoneUnknown],
      defer("zone-unknown", later(24 * HOUR)),
    ],
    [
      "marketing at 23:00 in Berlin",
      template("marketing"),
      [MARKETING, atNight],
      defer("quiet-hours", new Date("2026-11-26T07:00:00Z")),
    ],
    [
      "a second promotion within a day",
      template("marketing"),
      [MARKETING, sentAnHourAgo],
      defer("frequency-cap", later(23 * HOUR)),
    ],
    [
      "the day's budget for WhatsApp is used up",
      template("utility"),
      [UTILITY, moneySpent],
      defer("budget-spent", new Date("2026-11-26T00:00:00Z")),
    ],
    ["five promotions in a row went unread", template("marketing"), [MARKETING, ignored(5)], block("unread-sunset")],
  ];

  it.each(rows)("%s", (_when, message, changes, then) => {
    expect(decideOutbound(message, facts(...changes))).toEqual(then);
  });

  it("no word is without a row, and no row has a word of its own", () => {
    expect([...new Set(rows.map(([, , , then]) => then.reason))].sort()).toEqual([...REFUSALS].sort());
  });
});

describe("what may leave", () => {
  const rows: [when: string, message: Outbound, changes: Change[], as: "free-form" | "template"][] = [
    ["a reply inside the window", words(), [], "free-form"],
    ["a reply to somebody who never opted in", words(), [noOptIn], "free-form"],
    ["a reply at night", words(), [zoneUnknown], "free-form"],
    ["a reply without promotion, after STOP", words(), [stoppedMarketing], "free-form"],
    ["a reply without promotion, after STOP ALL", words(), [stoppedAll], "free-form"],
    ["a promotion in a reply to somebody who did not stop", words({ verdict: promoting("flagged") }), [], "free-form"],
    ["a reply while Meta forbids templates", words(), [templatesBlockedFor(HOUR)], "free-form"],
    ["a reply when the budget is used up", words(), [moneySpent], "free-form"],
    [
      "a code that was asked for when the budget is used up",
      template("authentication"),
      [AUTHENTICATION, moneySpent],
      "template",
    ],
    ["a reply while Meta limits the number for spam", words(), [spamLimited], "free-form"],
    ["a reply to a number that failed before", words(), [unreachable], "free-form"],
    ["a reply while the portfolio limit is reached", words(), [limitReached], "free-form"],
    ["a reply to a US number", words(), [american], "free-form"],
    ["marketing with an opt-in, by day", template("marketing"), [MARKETING], "template"],
    ["marketing after four that went unread", template("marketing"), [MARKETING, ignored(4)], "template"],
    ["an order update to somebody who reads no promotion", template("utility"), [UTILITY, ignored(9)], "template"],
    ["marketing to somebody who never wrote", template("marketing"), [MARKETING, neverWrote], "template"],
    ["utility with an opt-in, window closed", template("utility"), [UTILITY, neverWrote], "template"],
    ["utility to nobody knows where", template("utility"), [UTILITY, zoneUnknown], "template"],
    ["utility to a US number", template("utility"), [UTILITY, american], "template"],
    ["a code without an opt-in", template("authentication"), [AUTHENTICATION, noOptIn], "template"],
    ["a code after STOP ALL", template("authentication"), [AUTHENTICATION, stoppedAll], "template"],
    ["a template in the window at the limit", template("utility"), [UTILITY, limitReached], "template"],
    [
      "a template to somebody counted already",
      template("utility"),
      [
        UTILITY,
        neverWrote,
        limitReached,
        (all) => {
          all.portfolio.isCounted = true;
        },
      ],
      "template",
    ],
    [
      "a template to the last free place of the limit",
      template("utility"),
      [
        UTILITY,
        neverWrote,
        (all) => {
          all.portfolio.used = 249;
        },
      ],
      "template",
    ],
    ["a pause that is over", words(), [pausedFor(0)], "free-form"],
    ["a stop confirmed while the merchant is suspended", confirmation(), [stoppedMarketing, suspended], "free-form"],
    ["a stop confirmed while a person has the chat", confirmation(), [stoppedMarketing, humanHeld], "free-form"],
  ];
  it.each(rows)("%s", (_when, message, changes, as) => {
    expect(decideOutbound(message, facts(...changes))).toEqual(sentAs(as));
  });

  it("a fallback template keeps quiet hours, whatever its category", () => {
    const fallback = template("utility", { author: "fixed" });
    expect(decideOutbound(fallback, facts(UTILITY, atNight))).toEqual(
      defer("quiet-hours", new Date("2026-11-26T07:00:00Z")),
    );
    expect(decideOutbound(fallback, facts(UTILITY))).toEqual(sentAs("template"));
  });

  it("a business message of utility does not keep quiet hours", () => {
    const all = facts(UTILITY, atNight);
    expect(decideOutbound(template("utility"), all)).toEqual({
      type: "send",
      as: "template",
      validUntil: new Date(all.now.getTime() + MINUTE),
    });
  });

  it("the merchant's own window tightens the country's", () => {
    const all = facts(MARKETING, (one) => {
      one.marketing.merchantWindow = { from: "15:00", to: "18:00" };
    });
    expect(decideOutbound(template("marketing"), all)).toEqual(
      defer("quiet-hours", new Date("2026-11-25T14:00:00Z")), // 15:00 in Berlin
    );
  });
});

describe("the order", () => {
  const refusals: [step: string, reason: string, change: Change, message?: Partial<Outbound>][] = [
    ["merchant and number", "merchant-suspended", suspended],
    ["a person has the chat", "human-has-chat", humanHeld],
    [
      "suppression",
      "suppressed-marketing",
      ({ recipient: { standing } }) => {
        standing.marketing.isSuppressed = true;
      },
    ],
    ["content", "content-flagged", nothing, { verdict: flagged }],
    ["opt-in", "no-opt-in", noOptIn],
    [
      "window or template",
      "template-unknown",
      (all) => {
        all.template = undefined;
      },
    ],
    [
      "country",
      "us-marketing",
      (all) => {
        all.recipient.place.isUs = true;
      },
    ],
    [
      "portfolio limit",
      "messaging-limit",
      (all) => {
        all.portfolio.used = 250;
      },
    ],
    ["budget", "budget-spent", moneySpent],
    ["quiet hours", "zone-unknown", zoneUnknown],
    ["frequency cap", "frequency-cap", sentAnHourAgo],
  ];

  const reasonFor = (given: typeof refusals) => {
    const message = template("marketing", { author: "agent", ...Object.assign({}, ...given.map((one) => one[3])) });
    const decision = decideOutbound(message, facts(MARKETING, neverWrote, ...given.map((one) => one[2])));
    return decision.type === "send" ? undefined : decision.reason;
  };

  it("is one list: what forbids everything first, what only delays last", () => {
    expect(GATE.map((step) => step.name)).toEqual([
      "merchant and number",
      "a person has the chat",
      "suppression",
      "content",
      "opt-in",
      "window or template",
      "country",
      "portfolio limit",
      "budget",
      "quiet hours",
      "frequency cap",
    ]);
    expect(refusals.map(([step]) => step)).toEqual(GATE.map((step) => step.name));
  });

  it.each(
    refusals
      .slice(0, -1)
      .map((first, index) => [first[0], refusals[index + 1]![0], first, refusals[index + 1]!] as const),
  )("of two neighbours the first refusal wins: %s before %s", (_first, _second, first, second) => {
    expect(reasonFor([second])).toBe(second[1]);
    expect(reasonFor([first, second])).toBe(first[1]);
  });

  it("of any refusals together, the first in the list is the answer", () => {
    for (let set = 0; set < 2 ** refusals.length; set++) {
      const given = refusals.filter((_, index) => (set & (1 << index)) !== 0);
      expect(reasonFor(given)).toBe(given[0]?.[1]);
    }
  });

  const within: [when: string, message: Outbound, changes: Change[], reason: string][] = [
    [
      "replies forbidden before the number's pause",
      words(),
      [repliesBlockedFor(HOUR), pausedFor(HOUR)],
      "replies-restricted",
    ],
    [
      "the number's pause before the ban on templates",
      template("utility"),
      [UTILITY, pausedFor(HOUR), templatesBlockedFor(HOUR)],
      "number-paused",
    ],
    ["the suspension before the pause", words(), [suspended, pausedFor(HOUR)], "merchant-suspended"],
    [
      "STOP before the open question whether to stop, and before the dead number",
      template("utility"),
      [UTILITY, stoppedAll, unreachable],
      "suppressed-all",
    ],
    [
      "a flag before promotion after STOP",
      words({ verdict: { ...promoting("flagged"), verdict: "flagged" } }),
      [stoppedAll],
      "content-flagged",
    ],
    [
      "a closed country before US marketing",
      template("marketing"),
      [MARKETING, american, countryBlocked],
      "country-not-served",
    ],
  ];
  it.each(within)("inside a step: %s", (_when, message, changes, reason) => {
    expect(decideOutbound(message, facts(...changes))).toMatchObject({ reason });
  });
});

describe("the 24-hour window at the gate", () => {
  const rows: [when: string, ageMs: number, then: unknown][] = [
    ["just written", 0, sentAs("free-form")],
    ["23 h 58 min", 24 * HOUR - 2 * MINUTE, sentAs("free-form")],
    [
      "23 h 59 min: valid only until the margin begins",
      24 * HOUR - MINUTE,
      { type: "send", as: "free-form", validUntil: later(30_000) },
    ],
    ["a millisecond before the margin", 24 * HOUR - 30_001, { type: "send", as: "free-form", validUntil: later(1) }],
    ["24 h less the margin of 30 s", 24 * HOUR - 30_000, block("window-closed")],
    ["24 h", 24 * HOUR, block("window-closed")],
    ["24 h 1 s", 24 * HOUR + 1000, block("window-closed")],
  ];
  it.each(rows)("%s", (_when, ageMs, then) => {
    expect(decideOutbound(words(), facts(wroteAgo(ageMs)))).toEqual(then);
  });

  it("who never wrote has no window", () => {
    expect(decideOutbound(words(), facts(neverWrote))).toEqual(block("window-closed"));
  });

  it("a confirmation needs the open window too", () => {
    expect(decideOutbound(confirmation(), facts(stoppedMarketing, wroteAgo(24 * HOUR)))).toEqual(
      block("window-closed"),
    );
  });

  it("a template is not cut short by the window's end", () => {
    expect(decideOutbound(template("utility"), facts(UTILITY, wroteAgo(24 * HOUR - MINUTE)))).toEqual(
      sentAs("template"),
    );
  });
});

describe("suppression, by scope and purpose", () => {
  const messages: Record<string, [Outbound, Change]> = {
    reply: [words(), nothing],
    confirmation: [confirmation("all"), nothing],
    utility: [template("utility"), UTILITY],
    authentication: [template("authentication"), AUTHENTICATION],
    marketing: [template("marketing"), MARKETING],
  };
  const rows = [
    // suppression               reply   confirmation utility           authentication marketing
    ["nothing", nothing, "send", "send", "send", "send", "send"],
    ["marketing", stoppedMarketing, "send", "send", "send", "send", "suppressed-marketing"],
    ["Meta's own stop", stoppedAtMeta, "send", "send", "send", "send", "suppressed-marketing"],
    ["everything", stoppedAll, "send", "send", "suppressed-all", "send", "suppressed-marketing"],
    ["asked whether to stop", asked, "send", "send", "send", "send", "suppressed-marketing"],
  ] as const;
  it.each(rows)("stopped: %s", (_name, stop, ...then) => {
    const got = Object.values(messages).map(([message, change]) => {
      const decision = decideOutbound(message, facts(change, stop));
      return decision.type === "send" ? "send" : decision.reason;
    });
    expect(got).toEqual(then);
  });

  it("a promotion that could not be judged does not reach somebody who stopped", () => {
    const unsure = words({ verdict: promoting("undetermined") });
    expect(decideOutbound(unsure, facts(stoppedMarketing))).toEqual(block("promotion-after-stop"));
    expect(decideOutbound(unsure, facts(stoppedAtMeta))).toEqual(block("promotion-after-stop"));
    expect(decideOutbound(words({ verdict: promoting("flagged"), author: "human" }), facts(stoppedAll))).toEqual(
      block("promotion-after-stop"),
    );
  });

  it.each([
    ["nothing was promised to the person", "utility", UTILITY, block("no-opt-in")],
    ["nothing was promised to the person", "marketing", MARKETING, block("no-opt-in")],
    ["a code was asked for", "authentication", AUTHENTICATION, sentAs("template")],
  ] as const)("without an opt-in (%s), %s", (_why, purpose, change, then) => {
    expect(decideOutbound(template(purpose), facts(change, noOptIn))).toEqual(then);
  });

  it("an opt-in to utility is none to marketing, and the other way round", () => {
    const only =
      (kind: "marketing" | "utility"): Change =>
      (all) => {
        noOptIn(all);
        all.recipient.standing[kind].hasOptIn = true;
      };
    expect(decideOutbound(template("marketing"), facts(MARKETING, only("utility")))).toEqual(block("no-opt-in"));
    expect(decideOutbound(template("utility"), facts(UTILITY, only("marketing")))).toEqual(block("no-opt-in"));
  });
});

describe("a person has the chat", () => {
  const rows: [author: Author, kind: string, isAlwaysAnswered: boolean, then: unknown][] = [
    ["agent", "a draft", false, block("human-has-chat")],
    ["agent", "a draft that claims to be always answered", true, block("human-has-chat")],
    ["fixed", "an ordinary sentence", false, block("human-has-chat")],
    ["fixed", "STOP, crisis, help or bot query", true, sentAs("free-form")],
    ["human", "their own words", false, sentAs("free-form")],
    ["api", "the business's own words", false, sentAs("free-form")],
  ];
  it.each(rows)("%s: %s", (author, _kind, isAlwaysAnswered, then) => {
    expect(decideOutbound(words({ author, isAlwaysAnswered }), facts(humanHeld))).toEqual(then);
    expect(decideOutbound(words({ author, isAlwaysAnswered }), facts())).toEqual(sentAs("free-form"));
  });

  it("a fallback template waits for nobody: it is not sent over a person's head", () => {
    expect(decideOutbound(template("utility", { author: "fixed" }), facts(UTILITY, humanHeld))).toEqual(
      block("human-has-chat"),
    );
  });
});

describe("one confirmation per change of suppression", () => {
  const no = block("confirmation-repeated");
  const yes = sentAs("free-form");
  const rows: [when: string, confirms: "marketing" | "all", changes: Change[], then: unknown][] = [
    ["the first STOP", "marketing", [], yes],
    ["STOP again a minute later", "marketing", [confirmedAgo("marketing", MINUTE)], no],
    ["STOP again after 23 h 59 min", "marketing", [confirmedAgo("marketing", 24 * HOUR - MINUTE)], no],
    ["STOP again a millisecond before 24 h", "marketing", [confirmedAgo("marketing", 24 * HOUR - 1)], no],
    ["STOP again after 24 h", "marketing", [confirmedAgo("marketing", 24 * HOUR)], yes],
    ["STOP ALL after STOP: a wider stop", "all", [confirmedAgo("marketing", MINUTE)], yes],
    ["STOP after STOP ALL: a narrower stop", "marketing", [confirmedAgo("all", MINUTE)], no],
    ["STOP ALL again", "all", [confirmedAgo("marketing", HOUR), confirmedAgo("all", MINUTE)], no],
  ];
  it.each(rows)("%s", (_when, confirms, changes, then) => {
    expect(decideOutbound(confirmation(confirms), facts(stoppedMarketing, ...changes))).toEqual(then);
  });

  it("is kept back where Meta forbids replies", () => {
    expect(decideOutbound(confirmation(), facts(stoppedMarketing, repliesBlockedFor(HOUR)))).toEqual(
      defer("replies-restricted", later(HOUR)),
    );
  });
});

describe("could not tell", () => {
  it("an undetermined text leaves for no purpose, by no author", () => {
    for (const author of ["agent", "fixed", "human", "api"] as const)
      for (const isAlwaysAnswered of [true, false])
        for (const [message, change] of [
          [words({ purpose: "reply" }), nothing],
          [confirmation("marketing"), nothing],
          [confirmation("all"), nothing],
          [template("utility"), UTILITY],
          [template("authentication"), AUTHENTICATION],
          [template("marketing"), MARKETING],
        ] as const) {
          const unsure = { ...message, author, isAlwaysAnswered, verdict: undetermined("crashed") };
          expect(decideOutbound(unsure, facts(change))).toEqual(block("content-undetermined", "crashed"));
        }
  });
});

describe("Cleared", () => {
  const binding = { outboxId: "row-1" as OutboxId, contactId: "contact-1" as ContactId, contentHash: "hash-1" };

  it("is bound to one row, one person, one content, and a moment", () => {
    const { decision, cleared } = outboundGate(binding, words(), facts());
    expect(decision).toEqual(sentAs("free-form"));
    expect({ ...cleared }).toEqual({ ...binding, as: "free-form", validUntil: later(MINUTE) });
  });

  it.each([
    ["a block", [suspended]],
    ["a defer", [tokenBroken]],
  ] as const)("is not given with %s", (_what, changes) => {
    expect(outboundGate(binding, words(), facts(...changes)).cleared).toBeUndefined();
  });

  it("comes out of the gate only: its class is not exported", () => {
    expect(Object.keys(gate).sort()).toEqual(["GATE", "decideOutbound", "outboundGate"]);
    const forge = (module: typeof Gate): Cleared =>
      // @ts-expect-error only the type leaves the file; nobody else can say `new`
      new module.ClearedMessage(binding, sentAs("free-form"));
    expect(() => forge(gate)).toThrow(TypeError);
  });
});
