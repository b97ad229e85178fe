import { type AgentTrace, type Draft, textOf, type Usage } from "../domain/draft.ts";
import type { Wamid } from "../domain/ids.ts";
import type { Verdict } from "../domain/verdict.ts";
import { errorCode } from "../errors.ts";
import { type OverBudget, overBudget, spendDay } from "../policy/budget.ts";
import { payloadOf } from "../policy/inbound.ts";
import { isLoop } from "../policy/loop-breaker.ts";
import type { TurnReason } from "../policy/reasons.ts";
import { HELD_ANSWER_PAYLOAD } from "../policy/template-fallback.ts";
import type { AgentRequest, Drafted, OutboxLine, Ports, TurnEffects, TurnFacts } from "../ports.ts";
import { handOffSentence } from "./answer-commands.ts";
import { languageFor, type Spoken } from "./batch.ts";
import { compose, noEffects, record, say, text } from "./compose.ts";

/**
 * The agent's answer to what is left of the batch: drafted, guarded, disclosed where it is the first, split
 * where it must be. A draft that is flagged, undetermined or missing never leaves; the customer gets a fixed sentence
 * with the way to a person, and the merchant a notice. `overtaken`: a newer message came, nothing is committed.
 */
export async function draftAnswer(
  ports: Ports,
  facts: TurnFacts,
  asked: readonly Spoken[],
  signal: AbortSignal,
): Promise<TurnEffects | "overtaken"> {
  const started = performance.now();
  const language = languageFor(ports, facts, asked);
  const last = asked.at(-1);
  // After a restore nothing leaves, not even the mark that somebody has read.
  if (last?.wamid && !facts.outbound.merchant.isRestoreUnconfirmed)
    ports.graph.markRead(facts.merchant.id, facts.phoneId, last.wamid as Wamid);
  if (isLoop(facts.history)) return breakLoop(ports, facts, asked, language);
  const result = await draftOnce(ports, requestFor(facts, asked, language), signal);
  if (signal.aborted) return "overtaken";

  const effects = noEffects();
  effects.language = language;
  if (facts.held) effects.closeHeld = { id: facts.held.id, state: "superseded" };
  if (facts.humanSince && !facts.outbound.chat.isHumanHeld) {
    effects.humanMode = "return";
    effects.outbox.push(
      compose(facts, {
        content: text(say(ports, facts, "handoff_returned", language)),
        reason: "agent-answered",
        dedupeKey: `returned:${last?.id ?? facts.turnId}`,
      }),
    );
  }
  const done = (type: string, reason: TurnReason, extra: Record<string, unknown> = {}) =>
    effects.records.push({
      ...record(type, reason, { events: asked.map((said) => said.id), language, draft: result.trace, ...extra }),
      usage: result.usage,
      latencyMs: performance.now() - started,
    });

  if (result.usage) effects.spent = result.usage;
  if (result.type === "drafted" && result.summary) effects.summary = result.summary;
  const over = overBudget(facts.spend, facts.merchant.config.budgets);
  if (over) effects.notices.push(budgetNotice(facts, over));
  if (result.type === "failed")
    return fallBack(ports, facts, effects, language, last, "agent-failed", done, { code: result.code });
  const { draft } = result;
  if (draft.type === "end") {
    done("silence", "agent-ended");
    return effects;
  }
  if (draft.type === "hand-off") {
    done("hand-off", "hand-off");
    return handOff(ports, facts, effects, language, last);
  }
  const { draft: final, verdict } = await guarded(ports, facts, asked, draft, language, signal);
  if (verdict.verdict !== "clear" || isPromotionAfterStop(facts, verdict)) {
    const reason = verdict.verdict === "undetermined" ? "draft-undetermined" : "draft-flagged";
    const fallen = fallBack(ports, facts, effects, language, last, reason, done, {});
    for (const entry of fallen.records) entry.verdicts.push(verdict);
    return fallen;
  }
  done("answer", result.trace?.source === "knowledge" ? "knowledge-answered" : "agent-answered");
  for (const entry of effects.records) entry.verdicts.push(verdict);
  effects.outbox.push(...answerLines(ports, facts, final, language, last, verdict));
  return effects;
}

/** Two machines talk to each other: the agent stops, a person decides, and the other side hears it once. */
function breakLoop(ports: Ports, facts: TurnFacts, asked: readonly Spoken[], language: string): TurnEffects {
  const effects = noEffects();
  effects.records.push(record("hand-off", "loop", { events: asked.map((said) => said.id), language }));
  const last = asked.at(-1);
  effects.notices.push({ kind: "loop", dedupeKey: `loop:${last?.id ?? facts.turnId}`, detail: {} });
  return handOff(ports, facts, effects, language, last);
}

/** Told once a day: to the person's own limit, or to the merchant's. */
function budgetNotice(facts: TurnFacts, over: OverBudget): TurnEffects["notices"][number] {
  const { day } = spendDay(facts.now);
  const whose = over === "merchant-usd" ? facts.merchant.id : facts.contact.id;
  return { kind: "budget", dedupeKey: `budget:${over}:${whose}:${day}`, detail: { limit: over } };
}

function handOff(
  ports: Ports,
  facts: TurnFacts,
  effects: TurnEffects,
  language: string,
  last: Spoken | undefined,
): TurnEffects {
  const key = last?.id ?? facts.turnId;
  effects.humanMode = "take";
  effects.outbox.push(
    compose(facts, {
      content: handOffSentence(ports, facts, language),
      reason: "hand-off",
      dedupeKey: `handoff:${key}`,
      isAlwaysAnswered: true,
      replyTo: last?.id,
    }),
  );
  effects.notices.push({ kind: "hand-off", dedupeKey: `hand-off:${key}`, detail: { by: "agent" } });
  return effects;
}

type Answer = Extract<Draft, { type: "answer" }>;

/** Everything a person would read is checked, titles too. A promotion to somebody who stopped them is drafted once more. */
async function guarded(
  ports: Ports,
  facts: TurnFacts,
  asked: readonly Spoken[],
  draft: Answer,
  language: string,
  signal: AbortSignal,
): Promise<{ draft: Answer; verdict: Verdict }> {
  const check = (answer: Answer) => ports.guard.check(ports.render.messages(answer).map(textOf).join("\n"), "outbound");
  const verdict = await check(draft);
  if (verdict.verdict !== "clear" || !isPromotionAfterStop(facts, verdict)) return { draft, verdict };
  const request = requestFor(facts, asked, language);
  const again = await draftOnce(
    ports,
    {
      ...request,
      notes: [
        ...request.notes,
        "Your last draft promoted something. Answer without any offer, discount or recommendation.",
      ],
    },
    signal,
  );
  if (again.type === "failed" || again.draft.type !== "answer") return { draft, verdict };
  return { draft: again.draft, verdict: await check(again.draft) };
}

function isPromotionAfterStop(facts: TurnFacts, verdict: Verdict): boolean {
  return (
    facts.outbound.recipient.standing.marketing.isSuppressed &&
    verdict.checks.some((check) => check.check === "promotion" && check.verdict !== "clear")
  );
}

type Done = (type: string, reason: TurnReason, extra?: Record<string, unknown>) => void;

function fallBack(
  ports: Ports,
  facts: TurnFacts,
  effects: TurnEffects,
  language: string,
  last: Spoken | undefined,
  reason: TurnReason,
  done: Done,
  extra: Record<string, unknown>,
): TurnEffects {
  done("fixed", reason, extra);
  effects.outbox.push(
    compose(facts, {
      content: text(say(ports, facts, "cannot_answer", language)),
      reason,
      dedupeKey: `fixed:${last?.id ?? facts.turnId}`,
      replyTo: last?.id,
    }),
  );
  effects.notices.push({ kind: reason, dedupeKey: `${reason}:${last?.id ?? facts.turnId}`, detail: {} });
  return effects;
}

/** The first AI message to a person says what it is (EU AI Act 50(1)); the sentence is not the merchant's to remove. */
function answerLines(
  ports: Ports,
  facts: TurnFacts,
  draft: Extract<Draft, { type: "answer" }>,
  language: string,
  last: Spoken | undefined,
  verdict: OutboxLine["message"]["verdict"],
): OutboxLine[] {
  const discloses = !facts.contact.isDisclosed;
  const spoken = discloses
    ? { ...draft, text: `${say(ports, facts, "disclosure", language)}\n\n${draft.text}` }
    : draft;
  return ports.render.messages(spoken).map((content, part) =>
    compose(facts, {
      content,
      reason: "agent-answered",
      dedupeKey: `answer:${last?.id ?? facts.turnId}:${part}`,
      author: "agent",
      verdict,
      part,
      replyTo: last?.id,
      discloses: discloses && part === 0,
    }),
  );
}

function requestFor(facts: TurnFacts, asked: readonly Spoken[], language: string): AgentRequest {
  const isHeldTap =
    facts.held !== undefined &&
    asked.length > 0 &&
    asked.every((said) => payloadOf(said.content) === HELD_ANSWER_PAYLOAD);
  const question = isHeldTap
    ? facts.held!.questionTexts.join("\n")
    : asked.map((said) => said.text || `[${said.content.type}]`).join("\n");
  const notes: string[] = [];
  if (facts.deadLetterSince) notes.push("An earlier message of this customer could not be processed.");
  if (facts.held && !isHeldTap)
    notes.push("An answer to an earlier question was never delivered; answer that question too if it still matters.");
  if (facts.outbound.recipient.standing.marketing.isSuppressed)
    notes.push("This customer stopped promotional messages: do not promote anything.");
  return {
    merchant: facts.merchant,
    turnId: facts.turnId,
    language,
    customerName: facts.contact.name,
    history: facts.history,
    question,
    notes,
    summary: facts.summary,
    isModelAllowed: overBudget(facts.spend, facts.merchant.config.budgets) === undefined,
  };
}

type Result =
  | ({ type: "drafted" } & Drafted)
  | { type: "failed"; code: string; usage: Usage | undefined; trace: AgentTrace | undefined };

/** The agent tries again by itself; what it could not say is a code and a trace, not an exception. */
async function draftOnce(ports: Ports, request: AgentRequest, signal: AbortSignal): Promise<Result> {
  try {
    return { type: "drafted", ...(await ports.agent.draft(request, signal)) };
  } catch (err) {
    const { trace, usage } = err as { trace?: AgentTrace; usage?: Usage };
    return { type: "failed", code: errorCode(err), usage, trace };
  }
}
