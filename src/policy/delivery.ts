import type { Author, Purpose } from "../domain/draft.ts";
import type { AttemptId, ContactId, ConversationId, OutboxId } from "../domain/ids.ts";
import type { OutboxReason } from "./reasons.ts";
import { backoffMs, pairBackoffMs, reactionTo } from "./send-errors.ts";

/** One try at sending, as it stands under its lock. */
export type Attempt = {
  id: AttemptId;
  outboxId: OutboxId;
  contactId: ContactId;
  conversationId: ConversationId;
  state: "sending" | "accepted" | "rejected" | "unknown";
  statusRank: number;
  row: {
    state: string;
    purpose: Purpose;
    author: Author;
    isTemplate: boolean;
    tries: number;
    isResent: boolean;
    isUs: boolean;
    newestInboundAt: Date | undefined;
  };
  pairRefusals: number;
  isLatest: boolean;
};

/** Something that became known: an answer to the POST, or a status. */
export type News =
  | { type: "accepted" }
  | { type: "status"; status: string; at: Date; errorCode?: number }
  | { type: "refused"; code: number; at: Date }
  | { type: "not-sent" }
  | { type: "unknown" }
  | { type: "no-news-in-time" };

/** What the store does in the same transaction. Everything is absolute, so doing it twice changes nothing. */
export type StatusEffect = {
  attempt?: { state?: Attempt["state"]; rank?: number; status?: string; errorCode?: number; isDuplicate?: boolean };
  row?: {
    state: "queued" | "sending" | "unknown" | "accepted" | "failed" | "deferred";
    reason: OutboxReason;
    sendAt?: Date;
    isResend?: boolean;
  };
  facts: Fact[];
  notices: { kind: string; code?: number }[];
};

export type Fact =
  | { type: "window-closed"; at: Date }
  | { type: "meta-opt-out"; at: Date }
  | { type: "unreachable" }
  | { type: "reached" }
  | { type: "token-broken" }
  | { type: "number-paused"; until: Date }
  | { type: "spam-limited"; until: Date }
  | { type: "country-blocked" }
  | { type: "pair-refused"; until: Date };

/** sent < delivered < read < played; failed is terminal. A late lower status never overwrites. */
export const STATUS_RANK: Record<string, number> = { sent: 1, delivered: 2, read: 3, played: 4, failed: 5 };

/** How long later parts wait for a status that settles an unknown outcome. */
export const UNKNOWN_WAIT_MS = 90_000;

/**
 * What follows from news about an attempt. Late news of an attempt that was already resent is a counted duplicate;
 * a template of unknown outcome is never sent again; a free-form reply is, once.
 */
export function onNews(attempt: Attempt, news: News, now: Date): StatusEffect {
  switch (news.type) {
    case "accepted":
      // Its failure came first: the row is on its way to another try already.
      return attempt.statusRank === STATUS_RANK.failed ? nothing() : arrived(attempt, { state: "accepted" });
    case "status":
      return onStatus(attempt, news, now);
    case "refused":
      return attempt.state === "sending"
        ? { ...refused(attempt, news.code, news.at, now), attempt: { state: "rejected", errorCode: news.code } }
        : nothing();
    case "not-sent": {
      if (attempt.state !== "sending") return nothing();
      const row = retryRow(attempt, { type: "retry", afterMs: 500, factor: 2, tries: 12 }, now);
      return {
        attempt: { state: "rejected" },
        row,
        facts: [],
        notices: row.state === "failed" ? [{ kind: "send-failed" }] : [],
      };
    }
    case "unknown":
      return attempt.state === "sending"
        ? {
            attempt: { state: "unknown" },
            row: { state: "unknown", reason: "outcome-unknown", sendAt: new Date(now.getTime() + UNKNOWN_WAIT_MS) },
            facts: [],
            notices: [],
          }
        : nothing();
    case "no-news-in-time":
      return settleUnknown(attempt, now);
  }
}

function onStatus(attempt: Attempt, news: Extract<News, { type: "status" }>, now: Date): StatusEffect {
  const rank = STATUS_RANK[news.status] ?? 0;
  if (rank <= attempt.statusRank || attempt.statusRank === STATUS_RANK.failed) return nothing();
  if (news.status !== "failed") {
    const effect = arrived(attempt, { state: "accepted", rank, status: news.status });
    return { ...effect, facts: news.status === "sent" ? [] : [{ type: "reached" }] };
  }
  const code = news.errorCode ?? 131000;
  const change = { state: "accepted" as const, rank, status: "failed", errorCode: code };
  // What was delivered once is not sent again, whatever is said of it later.
  if (!attempt.isLatest || attempt.statusRank >= STATUS_RANK.delivered!)
    return { attempt: change, facts: [], notices: [] };
  const effect = refused(attempt, code, news.at, now);
  // A row that was called off or given up meanwhile stays so; what its failure tells about the person still counts.
  const isOpen = ["sending", "accepted", "unknown", "queued", "deferred"].includes(attempt.row.state);
  return { ...effect, attempt: change, row: isOpen ? effect.row : undefined };
}

/** Meta has it. A resend that has not left yet is called off; one that has left was the second of two, and is counted. */
function arrived(attempt: Attempt, change: NonNullable<StatusEffect["attempt"]>): StatusEffect {
  if (!attempt.isLatest)
    return { attempt: { ...change, isDuplicate: attempt.state === "unknown" }, facts: [], notices: [] };
  const isSettled = attempt.row.state === "accepted" || (attempt.row.state === "failed" && attempt.state !== "unknown");
  return {
    attempt: change,
    ...(isSettled ? {} : { row: { state: "accepted", reason: "accepted" } }),
    facts: [],
    notices: [],
  };
}

function settleUnknown(attempt: Attempt, now: Date): StatusEffect {
  if (attempt.state !== "unknown" || !attempt.isLatest || attempt.row.state !== "unknown") return nothing();
  if (attempt.row.isTemplate || attempt.row.isResent)
    return {
      row: { state: "failed", reason: "outcome-unknown" },
      facts: [],
      notices: [{ kind: "send-outcome-unknown" }],
    };
  return {
    row: { state: "queued", reason: "resent-after-unknown", sendAt: now, isResend: true },
    facts: [],
    notices: [],
  };
}

/** The error table at work, for a refusal and for a `failed` status alike. */
function refused(attempt: Attempt, code: number, at: Date, now: Date): StatusEffect {
  const reaction = reactionTo(code);
  const failed = (reason: OutboxReason, ...notices: StatusEffect["notices"]): StatusEffect => ({
    row: { state: "failed", reason },
    facts: [],
    notices,
  });
  switch (reaction.type) {
    case "retry": {
      const row = retryRow(attempt, reaction, now);
      return { row, facts: [], notices: row.state === "failed" ? [{ kind: "send-failed", code }] : [] };
    }
    case "pair-backoff": {
      const until = new Date(now.getTime() + pairBackoffMs(attempt.pairRefusals));
      return {
        row: { state: "deferred", reason: "pair-limit", sendAt: until },
        facts: [{ type: "pair-refused", until }],
        notices: [],
      };
    }
    case "reopen":
      // Believe Meta unless the customer wrote after that status: then the row is simply weighed again.
      if (attempt.row.newestInboundAt && attempt.row.newestInboundAt > at)
        return {
          row: retryRow(attempt, { type: "retry", afterMs: 1000, factor: 2, tries: 4 }, now),
          facts: [],
          notices: [],
        };
      return {
        row: { state: "queued", reason: "window-closed", sendAt: now },
        facts: [{ type: "window-closed", at }],
        notices: [],
      };
    case "once-after-a-day":
      if (attempt.row.isUs || attempt.row.tries > 1) return failed("never-send-again");
      return {
        row: { state: "deferred", reason: "retry", sendAt: new Date(now.getTime() + 24 * 3_600_000) },
        facts: [],
        notices: [],
      };
    case "opt-out":
      return { row: { state: "failed", reason: "opted-out" }, facts: [{ type: "meta-opt-out", at }], notices: [] };
    case "recipient-unreachable":
      return {
        row: { state: "failed", reason: "recipient-unreachable" },
        facts: [{ type: "unreachable" }],
        notices: [],
      };
    case "token-broken":
      return {
        row: { state: "deferred", reason: "token-broken", sendAt: new Date(now.getTime() + 60_000) },
        facts: [{ type: "token-broken" }],
        notices: [{ kind: "token-broken", code }],
      };
    case "number-paused": {
      const until = new Date(now.getTime() + 3_600_000);
      return {
        row: { state: "deferred", reason: "number-paused", sendAt: until },
        facts: [{ type: "number-paused", until }],
        notices: [{ kind: "number-paused", code }],
      };
    }
    case "spam-limit": {
      const row = retryRow(attempt, SPAM_RETRY, now);
      const until = new Date(now.getTime() + SPAM_RETRY.afterMs);
      return { row, facts: [{ type: "spam-limited", until }], notices: [{ kind: "number-spam-limited", code }] };
    }
    case "country-blocked":
      return {
        row: { state: "failed", reason: "country-not-served" },
        facts: [{ type: "country-blocked" }],
        notices: [{ kind: "country-blocked", code }],
      };
    case "fix-setup":
      return failed("setup-broken", { kind: "template-or-setup-broken", code });
    case "never":
      return failed("never-send-again", { kind: "send-failed", code });
  }
}

const SPAM_RETRY = { type: "retry", afterMs: 3_600_000, factor: 2, tries: 4 } as const;

function retryRow(
  attempt: Attempt,
  reaction: { type: "retry"; afterMs: number; factor: number; tries: number },
  now: Date,
): NonNullable<StatusEffect["row"]> {
  if (attempt.row.tries >= reaction.tries) return { state: "failed", reason: "attempts-exhausted" };
  return { state: "queued", reason: "retry", sendAt: new Date(now.getTime() + backoffMs(reaction, attempt.row.tries)) };
}

function nothing(): StatusEffect {
  return { facts: [], notices: [] };
}
