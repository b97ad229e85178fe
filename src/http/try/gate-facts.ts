import type { Line, Tone } from "./story.ts";
import { type Clock, spoken } from "./times.ts";

type GateFacts = {
  message?: { purpose?: string; author?: string; isAlwaysAnswered?: boolean };
  outbound?: {
    now?: string;
    number?: { isTokenBroken?: boolean };
    chat?: { isHumanHeld?: boolean; window?: { openedAt?: string; closedByMetaAt?: string } };
    recipient?: {
      standing?: Record<"marketing" | "utility", { isSuppressed: boolean; hasOptIn: boolean }> & {
        isStoppedAtMeta: boolean;
      };
      place?: { country?: string; zones?: string[] };
    };
    portfolio?: { limit?: number; used?: number };
    marketing?: { sentAt?: string[]; caps?: Record<string, number>; merchantWindow?: { from: string; to: string } };
  };
};

const DAY_MS = 86_400_000;

/** What the gate had before it, in its own order. */
export function gateFacts(facts: Record<string, unknown>, clock: Clock): Line[] {
  const { message, outbound } = facts as GateFacts;
  if (!outbound) return [];
  const { chat, recipient, number, portfolio, marketing } = outbound;
  const now = Date.parse(outbound.now ?? "");
  const lines: Line[] = [];
  const add = (label: string, value: string, tone?: Tone) => lines.push({ label, value, ...(tone ? { tone } : {}) });
  add("Business time", clock(now));
  if (message?.purpose) add("For", `${message.purpose}, by ${message.author ?? "nobody"}`);
  if (number?.isTokenBroken) add("Access token", "broken", "no");
  add("Chat held by", chat?.isHumanHeld ? "a person" : "the agent", chat?.isHumanHeld ? "wait" : undefined);
  if (recipient?.standing) {
    add("Promotions", standingOf(recipient.standing.marketing), toneOf(recipient.standing.marketing));
    add("Order messages", standingOf(recipient.standing.utility), toneOf(recipient.standing.utility));
    if (recipient.standing.isStoppedAtMeta) add("At Meta", "the person stopped promotions", "no");
  }
  const opened = Date.parse(chat?.window?.openedAt ?? "");
  const closed = Date.parse(chat?.window?.closedByMetaAt ?? "");
  if (Number.isNaN(opened)) add("Window", "the customer has not written", "wait");
  else if (closed >= opened) add("Window", "closed, Meta said so", "no");
  else add("Window", windowWords(opened + DAY_MS - now, clock(opened + DAY_MS)), opened + DAY_MS > now ? "ok" : "no");
  if (recipient?.place?.country)
    add("Place", [recipient.place.country, recipient.place.zones?.[0]].filter(Boolean).join(", "));
  if (portfolio?.limit !== undefined) add("People this day", `${portfolio.used ?? 0} of ${portfolio.limit}`);
  if (message?.purpose === "marketing" && marketing) {
    const caps = marketing.caps ?? {};
    add(
      "Promotions in 30 days",
      `${marketing.sentAt?.length ?? 0}; at most ${caps.perDay}/day, ${caps.perWeek}/week, ${caps.perMonth}/month`,
    );
    if (marketing.merchantWindow)
      add("Shop's own hours", `${marketing.merchantWindow.from} to ${marketing.merchantWindow.to}`);
  }
  return lines;
}

function windowWords(leftMs: number, end: string): string {
  return leftMs > 0 ? `open until ${end}, ${spoken(leftMs)} left` : `closed ${spoken(-leftMs)} ago`;
}

function standingOf({ isSuppressed, hasOptIn }: { isSuppressed: boolean; hasOptIn: boolean }): string {
  return isSuppressed ? "stopped" : hasOptIn ? "opted in" : "no opt-in on record";
}

function toneOf({ isSuppressed, hasOptIn }: { isSuppressed: boolean; hasOptIn: boolean }): Tone | undefined {
  return isSuppressed ? "no" : hasOptIn ? "ok" : undefined;
}
