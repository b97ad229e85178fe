import type { Author, Content, Purpose } from "../domain/draft.ts";
import type { ContactId, OutboxId } from "../domain/ids.ts";
import type { Verdict } from "../domain/verdict.ts";
import { spendDay } from "./budget.ts";
import type { Standing } from "./consent.ts";
import { type Caps, frequencyCap } from "./frequency-cap.ts";
import { quietHours } from "./quiet-hours.ts";
import type { Refusal } from "./reasons.ts";
import type { Place } from "./recipient-place.ts";
import { isWindowOpen, SEND_MARGIN_MS, type WindowFacts, windowEnd } from "./service-window.ts";
import { checkTemplate, type TemplateFacts } from "./template-check.ts";

/** A message that wants to leave. */
export type Outbound = {
  content: Content;
  purpose: Purpose;
  author: Author;
  verdict: Verdict;
  /** STOP, crisis, help and bot-query answers pass while a person has the chat. */
  isAlwaysAnswered: boolean;
  /** For a confirmation: the scope of the stop it confirms. */
  confirms?: "marketing" | "all";
};

/** What the gate weighs. `undefined` means "not so" only where it says so; what could not be known is its own value. */
export type OutboundFacts = {
  now: Date;
  /** `isRestoreUnconfirmed`: the database came out of a backup, and nobody has said yet that the stops since then are in it. */
  merchant: { isSuspended: boolean; isRestoreUnconfirmed?: boolean };
  number: {
    isTokenBroken: boolean;
    pausedUntil: Date | undefined;
    templatesBlockedUntil: Date | undefined;
    repliesBlockedUntil: Date | undefined;
    /** Meta's spam limit (131048): nothing the business starts until then. */
    initiatedBlockedUntil: Date | undefined;
  };
  chat: { isHumanHeld: boolean; window: WindowFacts };
  recipient: {
    standing: Standing;
    isAskOpen: boolean;
    isUnreachable: boolean;
    place: Place;
    isCountryBlocked: boolean;
  };
  /** When a stop of each scope was last confirmed, since it was last lifted. */
  confirmed: { marketing?: Date; all?: Date };
  template: TemplateFacts | undefined;
  portfolio: { limit: number | undefined; used: number; isCounted: boolean; nextFreeAt: Date | undefined };
  /** Whether the merchant's daily budget for WhatsApp is used up. */
  money: { isSpent: boolean };
  /** `ignored`: promotions in a row that were neither read nor followed by a word from the person. */
  marketing: {
    sentAt: readonly Date[];
    ignored: number;
    caps: Caps;
    merchantWindow: { from: string; to: string } | undefined;
  };
};

export type GateDecision =
  | { type: "send"; as: "free-form" | "template"; validUntil: Date }
  | { type: "defer"; until: Date; reason: Refusal; detail?: string }
  | { type: "block"; reason: Refusal; detail?: string };

type No = Exclude<GateDecision, { type: "send" }>;
type Step = { name: string; weigh: (message: Outbound, facts: OutboundFacts) => No | undefined };

/** A decision holds for this long at most; the sender posts within it. */
const VALID_MS = 60_000;

/** After this many promotions in a row that nobody read or answered, the next waits until the person writes (our own rule). */
const SUNSET_AFTER = 5;

/** The order of the gate: the first refusal wins. From what forbids everything to what only delays. */
export const GATE: readonly Step[] = [
  { name: "merchant and number", weigh: merchantAndNumber },
  { name: "a person has the chat", weigh: humanHasChat },
  { name: "suppression", weigh: suppression },
  { name: "content", weigh: content },
  { name: "opt-in", weigh: optIn },
  { name: "window or template", weigh: windowOrTemplate },
  { name: "country", weigh: country },
  { name: "portfolio limit", weigh: portfolioLimit },
  { name: "budget", weigh: budget },
  { name: "quiet hours", weigh: quiet },
  { name: "frequency cap", weigh: cap },
];

/** The one gate, as a pure decision: what tables and replays compare. */
export function decideOutbound(message: Outbound, facts: OutboundFacts): GateDecision {
  for (const step of GATE) {
    const no = step.weigh(message, facts);
    if (no) return no;
  }
  const isTemplate = message.content.type === "template";
  const end = isTemplate ? Number.POSITIVE_INFINITY : (windowEnd(facts.chat.window)?.getTime() ?? 0) - SEND_MARGIN_MS;
  return {
    type: "send",
    as: isTemplate ? "template" : "free-form",
    validUntil: new Date(Math.min(facts.now.getTime() + VALID_MS, end)),
  };
}

/** Proof that the gate let exactly this content to exactly this person. Made here only, never stored. */
class ClearedMessage {
  // A private field makes the type nominal: an object of the same shape is not one.
  readonly #proof = true;
  readonly outboxId: OutboxId;
  readonly contactId: ContactId;
  readonly contentHash: string;
  readonly as: "free-form" | "template";
  readonly validUntil: Date;

  private constructor(binding: Binding, decision: Extract<GateDecision, { type: "send" }>) {
    this.outboxId = binding.outboxId;
    this.contactId = binding.contactId;
    this.contentHash = binding.contentHash;
    this.as = decision.as;
    this.validUntil = decision.validUntil;
  }

  /** For the sender's last look: true for every value that the gate made. */
  isGenuine(): boolean {
    return this.#proof;
  }

  static of(binding: Binding, decision: Extract<GateDecision, { type: "send" }>): ClearedMessage {
    return new ClearedMessage(binding, decision);
  }
}

export type Cleared = ClearedMessage;
type Binding = { outboxId: OutboxId; contactId: ContactId; contentHash: string };
export type GateResult = { decision: GateDecision; cleared: Cleared | undefined };

/** Weighs a row at the door and, when it may leave, hands out the only thing that the sender accepts. */
export function outboundGate(binding: Binding, message: Outbound, facts: OutboundFacts): GateResult {
  const decision = decideOutbound(message, facts);
  return { decision, cleared: decision.type === "send" ? ClearedMessage.of(binding, decision) : undefined };
}

/** Everything the business starts needs an opt-in and obeys limits; an answer inside the window does not. */
function isBusinessInitiated(message: Outbound): boolean {
  return message.content.type === "template";
}

function merchantAndNumber(message: Outbound, { merchant, number, now }: OutboundFacts): No | undefined {
  const isConfirmation = message.purpose === "opt-out-confirmation";
  // Replies too: who is said to have written, asked or stopped is as old as the backup.
  if (merchant.isRestoreUnconfirmed)
    return { type: "defer", until: new Date(now.getTime() + 60_000), reason: "restored-unconfirmed" };
  // Waits for a working token; a reply whose window closes meanwhile becomes a held answer.
  if (number.isTokenBroken) return { type: "defer", until: new Date(now.getTime() + 60_000), reason: "token-broken" };
  if (merchant.isSuspended && !isConfirmation) return { type: "block", reason: "merchant-suspended" };
  if (isPending(number.repliesBlockedUntil, now)) return pause("replies-restricted", number.repliesBlockedUntil!, now);
  if (isPending(number.pausedUntil, now)) return pause("number-paused", number.pausedUntil!, now);
  if (isBusinessInitiated(message) && isPending(number.templatesBlockedUntil, now))
    return pause("templates-restricted", number.templatesBlockedUntil!, now);
  if (isBusinessInitiated(message) && isPending(number.initiatedBlockedUntil, now))
    return pause("number-spam-limited", number.initiatedBlockedUntil!, now);
  return undefined;
}

/** A pause that ends within a day is waited for; a longer one is for the merchant to mend. */
function pause(reason: Refusal, until: Date, now: Date): No {
  return until.getTime() - now.getTime() <= 24 * 3_600_000
    ? { type: "defer", until, reason }
    : { type: "block", reason };
}

function humanHasChat(message: Outbound, { chat }: OutboundFacts): No | undefined {
  const isOurs = message.author === "agent" || (message.author === "fixed" && !message.isAlwaysAnswered);
  return chat.isHumanHeld && isOurs ? { type: "block", reason: "human-has-chat" } : undefined;
}

/** Scope x purpose. Answers in the window pass (without promotion), a code the person just asked for passes always. */
function suppression(message: Outbound, { recipient, confirmed, now }: OutboundFacts): No | undefined {
  const { standing } = recipient;
  if (message.purpose === "opt-out-confirmation")
    return isConfirmed(message, confirmed, now) ? { type: "block", reason: "confirmation-repeated" } : undefined;
  if (message.purpose === "marketing" && standing.marketing.isSuppressed)
    return { type: "block", reason: "suppressed-marketing" };
  if (message.purpose === "marketing" && recipient.isAskOpen)
    return { type: "block", reason: "suppressed-marketing", detail: "the person was asked whether to stop" };
  if (message.purpose === "utility" && standing.utility.isSuppressed)
    return { type: "block", reason: "suppressed-all" };
  if (recipient.isUnreachable && message.purpose !== "reply") return { type: "block", reason: "recipient-unreachable" };
  return undefined;
}

/** Once per change of suppression: a wider stop is confirmed again, the same or a narrower one is not within 24 h. */
function isConfirmed(message: Outbound, confirmed: OutboundFacts["confirmed"], now: Date): boolean {
  const times = message.confirms === "all" ? [confirmed.all] : [confirmed.marketing, confirmed.all];
  return times.some((at) => at !== undefined && now.getTime() - at.getTime() < 24 * 3_600_000);
}

function content({ verdict, purpose }: Outbound, { recipient }: OutboundFacts): No | undefined {
  if (verdict.verdict === "flagged") return { type: "block", reason: "content-flagged", detail: verdict.category };
  if (verdict.verdict === "undetermined")
    return { type: "block", reason: "content-undetermined", detail: verdict.rule };
  const promotion = verdict.checks.find((check) => check.check === "promotion");
  if (purpose === "reply" && promotion && promotion.verdict !== "clear" && recipient.standing.marketing.isSuppressed)
    return { type: "block", reason: "promotion-after-stop" };
  return undefined;
}

function optIn(message: Outbound, { recipient }: OutboundFacts): No | undefined {
  if (!isBusinessInitiated(message) || message.purpose === "authentication" || message.purpose === "reply")
    return undefined;
  const hasOptIn =
    message.purpose === "marketing" ? recipient.standing.marketing.hasOptIn : recipient.standing.utility.hasOptIn;
  return hasOptIn ? undefined : { type: "block", reason: "no-opt-in" };
}

function windowOrTemplate(message: Outbound, { chat, template, now }: OutboundFacts): No | undefined {
  if (message.content.type !== "template")
    return isWindowOpen(chat.window, now) ? undefined : { type: "block", reason: "window-closed" };
  if (message.purpose === "opt-out-confirmation")
    return { type: "block", reason: "template-category-not-permitted", detail: "a confirmation is never a template" };
  const problem = checkTemplate(message.content.template, template ?? { template: undefined, languages: [] });
  if (problem) return { type: "block", ...problem };
  const category = template!.template!.category.toUpperCase();
  const permitted = { marketing: "MARKETING", utility: "UTILITY", authentication: "AUTHENTICATION", reply: undefined }[
    message.purpose
  ];
  return category === permitted
    ? undefined
    : { type: "block", reason: "template-category-not-permitted", detail: `${category} for ${message.purpose}` };
}

function country(message: Outbound, { recipient }: OutboundFacts): No | undefined {
  if (recipient.isCountryBlocked) return { type: "block", reason: "country-not-served" };
  return message.purpose === "marketing" && recipient.place.isUs
    ? { type: "block", reason: "us-marketing" }
    : undefined;
}

/** Unique people outside the window in 24 h, per portfolio (Meta, 2025-10-07). Who is already counted costs nothing. */
function portfolioLimit(message: Outbound, { chat, portfolio, now }: OutboundFacts): No | undefined {
  if (
    !isBusinessInitiated(message) ||
    isWindowOpen(chat.window, now) ||
    portfolio.limit === undefined ||
    portfolio.isCounted
  )
    return undefined;
  if (portfolio.used < portfolio.limit) return undefined;
  return {
    type: "defer",
    until: portfolio.nextFreeAt ?? new Date(now.getTime() + 3_600_000),
    reason: "messaging-limit",
  };
}

/** What the business starts costs money: over the merchant's own limit it waits for the next day. A code that was asked for does not. */
function budget(message: Outbound, { money, now }: OutboundFacts): No | undefined {
  if (!isBusinessInitiated(message) || message.purpose === "authentication" || !money.isSpent) return undefined;
  return { type: "defer", until: spendDay(now).next, reason: "budget-spent" };
}

/** Marketing, and the fallback template ("your answer is ready") of any category: it wakes a person who did not just write. */
function quiet(message: Outbound, { now, recipient, marketing }: OutboundFacts): No | undefined {
  const isFallback = message.content.type === "template" && message.author === "fixed";
  if (message.purpose !== "marketing" && !isFallback) return undefined;
  const result = quietHours({
    now,
    country: recipient.place.country,
    zones: recipient.place.zones,
    merchantWindow: marketing.merchantWindow,
  });
  if (result.type === "zone-unknown")
    return { type: "defer", until: new Date(now.getTime() + 24 * 3_600_000), reason: "zone-unknown" };
  return result.type === "open" ? undefined : { type: "defer", until: result.until, reason: "quiet-hours" };
}

function cap(message: Outbound, { now, marketing }: OutboundFacts): No | undefined {
  if (message.purpose !== "marketing") return undefined;
  if (marketing.ignored >= SUNSET_AFTER) return { type: "block", reason: "unread-sunset" };
  const until = frequencyCap(marketing.sentAt, marketing.caps, now);
  return until ? { type: "defer", until, reason: "frequency-cap" } : undefined;
}

function isPending(until: Date | undefined, now: Date): boolean {
  return until !== undefined && until > now;
}
