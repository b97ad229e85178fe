import type { Bubble } from "./bubbles.ts";
import type { MessageRecord, Weighed } from "./doors.ts";
import { gateFacts } from "./gate-facts.ts";
import { codeSentence, sentenceOf } from "./reasons.ts";
import { type Clock, clockIn, spoken } from "./times.ts";

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

function capital(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
