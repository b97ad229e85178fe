import type { Verdict } from "../domain/verdict.ts";
import type { InboundAct } from "../policy/inbound.ts";
import type { TurnReason } from "../policy/reasons.ts";
import type { HeldAnswer, Ports, TurnEffects, TurnFacts } from "../ports.ts";
import { languageFor, type Spoken } from "./batch.ts";
import { compose, noEffects, record, say, text } from "./compose.ts";

/** What the pipeline hands over: the inbound act, a held answer that may be released, or a batch that is given up. */
type Act =
  | Exclude<InboundAct, { type: "held-answer" }>
  | { type: "held-answer"; held: HeldAnswer }
  | { type: "dead-letter" };
type Fixed = { sentence: string; reason: TurnReason; isAlwaysAnswered: boolean; notice?: string; handsOff?: boolean };

/** The fixed answers: cleared when they were written, so they work with no model and no network. */
const FIXED: Partial<Record<Act["type"], Fixed>> = {
  crisis: { sentence: "crisis", reason: "crisis", isAlwaysAnswered: true, notice: "crisis", handsOff: true },
  help: { sentence: "help", reason: "help", isAlwaysAnswered: true },
  "bot-query": { sentence: "bot_query", reason: "bot-query", isAlwaysAnswered: true },
  "data-request": { sentence: "data_request", reason: "data-request", isAlwaysAnswered: true, notice: "data-request" },
  prohibited: { sentence: "prohibited", reason: "prohibited", isAlwaysAnswered: false },
  undetermined: {
    sentence: "cannot_answer",
    reason: "guard-undetermined",
    isAlwaysAnswered: false,
    notice: "guard-undetermined",
  },
  "cannot-read": { sentence: "cannot_read", reason: "cannot-read", isAlwaysAnswered: false },
  "dead-letter": { sentence: "earlier_failed", reason: "dead-letter", isAlwaysAnswered: false, notice: "dead-letter" },
};

/** What a turn says when it is not the agent who speaks: a fixed sentence, a held answer, a person's chat, or nothing. */
export function answerAct(
  ports: Ports,
  facts: TurnFacts,
  batch: readonly Spoken[],
  act: Act,
  verdict: Verdict | undefined,
): TurnEffects {
  const fixed = FIXED[act.type];
  if (fixed && facts.outbound.chat.isHumanHeld && !fixed.isAlwaysAnswered) return inHumanHands(ports, facts, batch);
  if (fixed) return answerFixed(ports, facts, batch, act, fixed, verdict);
  if (act.type === "held-answer")
    return facts.outbound.chat.isHumanHeld ? inHumanHands(ports, facts, batch) : releaseHeld(facts, act.held);
  if (act.type === "agent") return inHumanHands(ports, facts, batch);
  return {
    ...noEffects(),
    records: batch.length > 0 ? [record("silence", "nothing-to-say", { events: batch.map((said) => said.id) })] : [],
  };
}

function answerFixed(
  ports: Ports,
  facts: TurnFacts,
  batch: readonly Spoken[],
  act: Act,
  fixed: Fixed,
  verdict: Verdict | undefined,
): TurnEffects {
  const said = "said" in act ? batch.find((one) => one.id === act.said.id) : batch.at(-1);
  const language = languageFor(ports, facts, said ? [said] : batch, said?.intents[0]);
  const key = said?.id ?? facts.turnId;
  const effects = noEffects();
  effects.outbox.push(
    compose(facts, {
      content: text(say(ports, facts, fixed.sentence, language)),
      reason: fixed.reason,
      dedupeKey: `${act.type}:${key}`,
      isAlwaysAnswered: fixed.isAlwaysAnswered,
      replyTo: said?.id,
    }),
  );
  effects.records.push(
    record(
      "fixed",
      fixed.reason,
      { event: key, ...("category" in act && act.category ? { category: act.category } : {}) },
      verdict,
    ),
  );
  if (fixed.notice)
    effects.notices.push({ kind: fixed.notice, dedupeKey: `${fixed.notice}:${key}`, detail: { event: key } });
  if (fixed.handsOff) effects.humanMode = "take";
  if (act.type === "data-request") effects.dataRequest = { sourceKey: `event:${key}` };
  if (said?.text) effects.language = language;
  return effects;
}

/** A person has the chat: the agent is silent, and the customer hears once that somebody was told. */
function inHumanHands(ports: Ports, facts: TurnFacts, batch: readonly Spoken[]): TurnEffects {
  const effects = noEffects();
  effects.records.push(record("silence", "human-has-chat", { events: batch.map((said) => said.id) }));
  effects.notices.push({
    kind: "message-for-human",
    dedupeKey: `for-human:${batch.at(-1)?.id ?? facts.turnId}`,
    detail: { events: batch.length },
  });
  if (facts.isHandoffNoticed) return effects;
  const language = languageFor(ports, facts, batch);
  effects.outbox.push(
    compose(facts, {
      content: text(say(ports, facts, "handoff_waiting", language)),
      reason: "human-has-chat",
      dedupeKey: `waiting:${facts.turnId}`,
      isAlwaysAnswered: true,
    }),
  );
  return effects;
}

/** The tap on "your answer is ready", while it is fresh: what was held goes out as it was, once, in order. */
function releaseHeld(facts: TurnFacts, held: HeldAnswer): TurnEffects {
  const effects = noEffects();
  effects.closeHeld = { id: held.id, state: "released" };
  effects.records.push(record("held", "held-answer-released", { held: held.id, turn: held.turnId, at: facts.now }));
  return effects;
}
