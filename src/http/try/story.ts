import type { Bubble } from "./bubbles.ts";
import type { MessageRecord, Weighed } from "./doors.ts";
import { codeSentence, sentenceOf } from "./reasons.ts";

export type Tone = "ok" | "no" | "wait" | "info";
export type Line = { label: string; value: string; tone?: Tone };
/** One step of what happened to a message, for a person to read. `at` is real time; `sinceMs` is counted from the first step. */
export type Step = {
  title: string;
  tone: Tone;
  word?: string;
  sentence?: string;
  lines: Line[];
  at?: number;
  sinceMs?: number;
};

type Verdict = {
  verdict: string;
  rule: string;
  score: number;
  category?: string;
  coverage: string;
  version: string;
  checks: { check: string; verdict: string; category?: string; score: number; rule?: string }[];
};
type Decision = {
  id: string;
  subject: "turn" | "outbound";
  step: string;
  type: string;
  reason: string;
  facts: Record<string, unknown> | null;
  verdicts: Verdict[];
  versions: Record<string, string>;
  ms: number | null;
  usage: { model: string; inputTokens: number; outputTokens: number; costUsd?: number } | null;
  repeats: number;
  at: Date;
  outboxId: string | null;
  replay?: string;
};
type Attempt = {
  id: string;
  outbox: string;
  number: number;
  state: string;
  status: string | null;
  error: number | null;
  pricing: string | null;
  duplicate: boolean;
};

/** The record of one message as a story from top to bottom: received, weighed, decided, gated, posted, receipts. */
export function tellStory(
  record: MessageRecord,
  about: { bubble?: Bubble; weighed?: Weighed; rowId?: string; zone?: string },
): Step[] {
  const decisions = record.decisions as unknown as Decision[];
  const attempts = record.attempts as unknown as Attempt[];
  const isOurs = (outbox: string | null) => about.rowId === undefined || outbox === null || outbox === about.rowId;
  const clock = clockIn(about.zone);
  const thought = decisions
    .filter((one) => isOurs(one.outboxId))
    .map((one) => (one.subject === "turn" ? decided(one) : gated(one, clock)));
  const turns = (record.message.turns as string[]).map(begun);
  const steps: Step[] = [
    ...record.events.map(received),
    ...(about.weighed ? [weighing(about.weighed)] : []),
    ...[...turns, ...thought].sort((a, b) => (a.at ?? 0) - (b.at ?? 0)),
    ...attempts.filter((one) => isOurs(one.outbox)).map(posted),
    ...(about.bubble?.from === "business" ? receipts(about.bubble) : []),
    ...record.rows.filter((row) => isOurs(row.id) && !isTold(row, decisions)).map(waiting),
  ];
  const first = Math.min(...steps.flatMap((step) => step.at ?? []));
  return steps.map((step) => (step.at === undefined ? step : { ...step, sinceMs: Math.max(0, step.at - first) }));
}

/** The model's cost and the versions that decided, over the whole record. */
export function footing(record: MessageRecord): Line[] {
  const decisions = record.decisions as unknown as Decision[];
  const usage = decisions.flatMap((one) => one.usage ?? []);
  const versions = decisions[0]?.versions;
  const config = versions?.config;
  return [
    ...usage.flatMap((one) => [
      { label: "Model", value: one.model },
      { label: "Tokens", value: `${one.inputTokens} in, ${one.outputTokens} out` },
      ...(one.costUsd === undefined ? [] : [{ label: "Cost", value: `$${one.costUsd.toFixed(5)}` }]),
    ]),
    ...(versions?.policy ? [{ label: "Policy", value: versions.policy }] : []),
    ...(config ? [{ label: "Shop's file", value: config }] : []),
    ...decisions
      .map((one) => one.versions.guardrails ?? "")
      .filter((word, index, all) => word !== "" && word !== "none" && all.indexOf(word) === index)
      .map((value) => ({ label: "Guards", value })),
  ];
}

function received(event: MessageRecord["events"][number]): Step {
  return {
    title: "Received",
    tone: "info",
    sentence: "The signature fitted the raw bytes; the event was kept once, then Meta got its 200.",
    lines: [
      { label: "Kind", value: event.kind === event.type ? event.kind : `${event.kind}, ${event.type}` },
      ...(event.state === "kept" ? [] : [{ label: "State", value: event.state, tone: "no" as const }]),
    ],
    at: madeAt(event.id),
  };
}

function begun(turn: string): Step {
  return {
    title: "Turn taken",
    tone: "info",
    sentence: "The customer had stopped writing, so everything unanswered is weighed together and gets one answer.",
    lines: [],
    at: madeAt(turn),
  };
}

function weighing({ intents, verdict, language }: Weighed): Step {
  return {
    title: "Words weighed",
    tone: "info",
    sentence:
      "What the local rules make of the words: no model, no network. Asked again for this page; what decided is below.",
    lines: [
      ...(language ? [{ label: "Language", value: language }] : []),
      ...(intents.length === 0 ? [{ label: "Commands", value: "none found" }] : []),
      ...intents.map((match) => ({
        label: match.intent.replaceAll("_", " "),
        value: `${match.score.toFixed(2)} by ${match.rule}`,
        tone: "wait" as const,
      })),
      ...verdictLines(verdict as Verdict),
    ],
  };
}

const TURN_TITLES: Record<string, string> = {
  command: "Command",
  answer: "Agent's answer",
  fixed: "Fixed sentence",
  silence: "Silence, on purpose",
  "hand-off": "Hand-off",
  held: "Held answer",
};

function decided(decision: Decision): Step {
  const facts = decision.facts ?? {};
  const shown = ["rule", "scope", "source", "language", "category", "code", "accepted"] as const;
  const isBad = [
    "agent-failed",
    "draft-flagged",
    "draft-undetermined",
    "guard-undetermined",
    "dead-letter",
    "prohibited",
  ];
  return {
    title: TURN_TITLES[decision.type] ?? decision.type,
    tone: isBad.includes(decision.reason) ? "no" : decision.type === "silence" ? "wait" : "ok",
    word: decision.reason,
    sentence: sentenceOf(decision.reason),
    lines: [
      ...shown.flatMap((label) =>
        facts[label] === undefined ? [] : [{ label: capital(label), value: String(facts[label]) }],
      ),
      ...decision.verdicts.flatMap(verdictLines),
      ...(decision.ms && decision.ms >= 1
        ? [{ label: "Model and guards", value: `${Math.round(decision.ms)} ms` }]
        : []),
    ],
    at: madeAt(decision.id),
  };
}

const GATE_TITLES: Record<string, string> = {
  turn: "Gate, when it was written",
  api: "Gate, when the shop asked",
  door: "Gate, at the door",
  sender: "Sender",
};

function gated(decision: Decision, clock: Clock): Step {
  return {
    title: GATE_TITLES[decision.step] ?? "Gate",
    tone: decision.type === "send" ? "ok" : decision.type === "block" ? "no" : "wait",
    word: `${decision.type}: ${decision.reason}`,
    sentence: sentenceOf(decision.reason),
    lines: [
      ...gateFacts(decision.facts ?? {}, clock),
      ...(decision.repeats > 1 ? [{ label: "Weighed", value: `${decision.repeats} times, same answer` }] : []),
      ...(decision.replay && decision.replay !== "not replayable"
        ? [{ label: "Weighed again today", value: decision.replay === "same" ? "same answer" : decision.replay }]
        : []),
    ],
    at: madeAt(decision.id),
  };
}

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
function gateFacts(facts: Record<string, unknown>, clock: Clock): Line[] {
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

function posted(attempt: Attempt): Step {
  const isGood = attempt.state === "accepted" && attempt.status !== "failed";
  return {
    title: attempt.number > 1 ? `Posted to Meta, try ${attempt.number}` : "Posted to Meta",
    tone: isGood ? "ok" : attempt.state === "sending" || attempt.state === "unknown" ? "wait" : "no",
    word: attempt.state,
    lines: [
      ...(attempt.status ? [{ label: "Receipt", value: attempt.status }] : []),
      ...(attempt.error
        ? [{ label: "Meta's error", value: `${attempt.error}: ${codeSentence(attempt.error)}`, tone: "no" as const }]
        : []),
      ...(attempt.pricing ? [{ label: "Priced as", value: attempt.pricing }] : []),
      ...(attempt.duplicate ? [{ label: "Arrived twice", value: "yes, and counted", tone: "no" as const }] : []),
    ],
    at: madeAt(attempt.id),
  };
}

/** Accepted rows are told by their receipts, blocked ones by the gate that blocked them. */
function isTold(row: MessageRecord["rows"][number], decisions: readonly Decision[]): boolean {
  const isBlock = (one: Decision) => one.outboxId === row.id && one.type === "block" && one.reason === row.stateReason;
  return row.state === "accepted" || (row.state === "blocked" && decisions.some(isBlock));
}

function waiting(row: MessageRecord["rows"][number]): Step {
  const reason = row.state === "queued" ? "in-line" : row.stateReason;
  const isOver = ["blocked", "canceled", "failed", "expired"].includes(row.state);
  return {
    title: "Where it is now",
    tone: isOver ? "no" : "wait",
    word: reason ? `${row.state}: ${reason}` : row.state,
    sentence: reason ? sentenceOf(reason) : undefined,
    lines: [
      ...(row.template ? [{ label: "Template", value: row.template }] : []),
      ...(row.dueInMs && row.dueInMs > 0 ? [{ label: "Weighed again in", value: spoken(row.dueInMs) }] : []),
      ...(row.tries > 0 ? [{ label: "Tries", value: String(row.tries) }] : []),
    ],
  };
}

function receipts(bubble: Bubble): Step[] {
  return Object.entries(bubble.statusAt ?? {}).map(([status, at]) => ({
    title: capital(status),
    tone: status === "failed" ? ("no" as const) : ("ok" as const),
    lines:
      status === "failed" && bubble.errorCode
        ? [
            {
              label: "Meta's error",
              value: `${bubble.errorCode}: ${codeSentence(bubble.errorCode)}`,
              tone: "no" as const,
            },
          ]
        : [],
    at,
  }));
}

/** Every check with its word, category and score. */
function verdictLines(verdict: Verdict): Line[] {
  const tone = (word: string): Tone => (word === "clear" ? "ok" : word === "flagged" ? "no" : "wait");
  if (verdict.rule === "pre-cleared") return [{ label: "Guards", value: "cleared when it was written", tone: "ok" }];
  return [
    ...verdict.checks.map((check) => ({
      label: `Guard: ${check.check.replaceAll("_", " ")}`,
      value: [check.verdict, check.category, check.score.toFixed(2), check.rule].filter(Boolean).join(" · "),
      tone: tone(check.verdict),
    })),
    ...(verdict.coverage === "partial"
      ? [{ label: "Coverage", value: "partial: not every check covers this language" }]
      : []),
  ];
}

/** When an id was made: the first 48 bits of a version 7 uuid are real milliseconds. */
export function madeAt(id: string): number {
  return Number.parseInt(id.replaceAll("-", "").slice(0, 12), 16);
}

type Clock = (ms: number) => string;

/** Times as the reader's own clock shows them; a zone that nobody knows is UTC. */
function clockIn(zone = "UTC"): Clock {
  const style = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } as const;
  const format = (timeZone: string) => new Intl.DateTimeFormat("en-GB", { ...style, timeZone });
  const known = isZone(zone) ? format(zone) : format("UTC");
  return (ms) => (Number.isNaN(ms) ? "unknown" : known.format(ms));
}

function isZone(zone: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: zone }));
  } catch {
    return false;
  }
}

function spoken(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.max(1, Math.round(ms / 1000))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.round(hours / 24)} days`;
}

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
