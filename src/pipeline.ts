/**
 * THE PATH of one message, top to bottom: kept, decided, gated, sent once, followed to its receipt. Each step may die at
 * any line; `ports.ts` says what one transaction is, and a step that runs twice has no second effect.
 */

import type { StatusEvent } from "./domain/event.ts";
import { newId, type OutboxId } from "./domain/ids.ts";
import { type Attempt, onNews, type StatusEffect } from "./policy/delivery.ts";
import { behaviourOf } from "./policy/event-behaviour.ts";
import { commandsOf, decideInbound, type InboundAct, textOfContent } from "./policy/inbound.ts";
import { outboundGate } from "./policy/outbound-gate.ts";
import { planSending } from "./policy/sending.ts";
import { onHeldTap } from "./policy/template-fallback.ts";
import type {
  Claim,
  DueRow,
  Incoming,
  Kept,
  Ports,
  RowFacts,
  SendingPlan,
  SendOutcome,
  TurnEffects,
  TurnFacts,
} from "./ports.ts";
import { answerAct } from "./turn/answer-act.ts";
import { answerCommands } from "./turn/answer-commands.ts";
import { inboundFacts, leftToAnswer, readBatch } from "./turn/batch.ts";
import { draftAnswer } from "./turn/draft-answer.ts";

// 1. receive: webhook -> inbox -----------------------------------------------------------------------------------

export type Receipt = { status: 200; kept: Kept | "unparsable" } | { status: 401 };

/**
 * Verify the signature on the raw bytes, parse everything, keep each event once, wake its conversation; only then 200.
 * Dies before the 200: Meta delivers again and the event key keeps it once. Rejects when the inbox cannot take it (503).
 */
export async function receive(ports: Ports, body: Uint8Array, signature: string | undefined): Promise<Receipt> {
  if (!ports.webhook.isAuthentic(body, signature)) return { status: 401 };
  const receivedAt = ports.clock.now();
  const parsed = ports.webhook.parse(body, receivedAt);
  if (parsed.type === "unparsable") {
    await ports.inbox.keepUnparsable(body, receivedAt);
    return { status: 200, kept: "unparsable" };
  }
  const incoming = parsed.events.map((event): Incoming => {
    const behaviour = behaviourOf(event);
    const text = event.kind === "message" && behaviour.seq ? textOfContent(event.content) : undefined;
    return { event, behaviour, isCommand: text !== undefined && ports.guard.isPossibleCommand(text) };
  });
  return { status: 200, kept: await ports.inbox.keep(incoming, receivedAt, recordStatus) };
}

// 2. takeTurn: inbox -> outbox -----------------------------------------------------------------------------------

export type TurnResult = "committed" | "superseded" | "lost";

/**
 * One conversation's turn, under its lease: commands are committed first and on their own, then everything else that was
 * said gets one answer, weighed by the gate, in one commit. Dies anywhere: the lease runs out, another worker
 * retakes the turn, and whatever was committed already is unique per event. `signal` aborts the model when overtaken.
 */
export async function takeTurn(ports: Ports, claim: Claim, signal: AbortSignal): Promise<TurnResult> {
  let facts = await ports.mailbox.facts(claim);
  const batch = readBatch(ports, facts);
  const commands = commandsOf(batch, inboundFacts(facts));

  if (commands.length > 0) {
    const effects = answerCommands(ports, facts, batch, commands);
    if ((await ports.mailbox.commitCommands(claim, facts, effects)) === "lost") return "lost";
    facts = { ...(await ports.mailbox.facts(claim)), turnId: newId() };
  }

  const text = batch
    .map((said) => said.text)
    .filter(Boolean)
    .join("\n");
  const verdict = text ? await ports.guard.check(text, "inbound") : undefined;
  const act = withHeldAnswer(decideInbound(batch, commands, verdict, inboundFacts(facts)), facts);
  const isAgentsTurn = act.type === "agent" && !facts.outbound.chat.isHumanHeld;
  const effects = isAgentsTurn
    ? await draftAnswer(ports, facts, leftToAnswer(batch, commands), signal)
    : answerAct(ports, facts, batch, act, verdict);
  if (effects === "overtaken") return ports.mailbox.release(claim);
  return ports.mailbox.commitTurn(claim, facts, effects);
}

/** A tap on "your answer is ready" releases what is held while it is fresh; later the agent answers the old question anew. */
function withHeldAnswer(act: InboundAct, facts: TurnFacts) {
  if (act.type !== "held-answer") return act;
  if (facts.held === undefined && facts.isHeldReleased) return { type: "nothing" as const };
  const isFresh = facts.held !== undefined && onHeldTap(facts.held, facts.now, facts.merchant.version) === "release";
  return isFresh ? { type: "held-answer" as const, held: facts.held! } : { type: "agent" as const };
}

/** A batch that failed too often leaves the queue: the customer gets a sentence and a person's address, the merchant a notice. */
export async function buryTurn(ports: Ports, claim: Claim): Promise<TurnResult> {
  const facts: TurnFacts = await ports.mailbox.facts(claim);
  const effects: TurnEffects = answerAct(ports, facts, readBatch(ports, facts), { type: "dead-letter" }, undefined);
  return ports.mailbox.bury(claim, facts, effects);
}

/** Between mark and POST lie milliseconds; after this long the lease may be somebody else's. */
const STALE_MS = 4000;

// 3. deliver: outbox -> Graph API --------------------------------------------------------------------------------

/**
 * One row to the door: weighed again by the same gate with fresh facts under the person's lock, marked `sending`, posted,
 * recorded. Dies before the mark: the row is due as it was. Dies after: the outcome is unknown; a status that carries
 * the attempt id settles it within 90 s, else a free-form reply goes once more and a template never.
 */
export async function deliver(ports: Ports, row: DueRow): Promise<"posted" | "not-now"> {
  const markedAt = performance.now();
  const marked = await ports.outbox.markSending(row, weighAtTheDoor, onNews);
  if (marked.type !== "sending") return "not-now";
  // A process that stood still since the mark must not post: somebody else may have taken over meanwhile.
  const isStale = ports.clock.now() >= marked.cleared.validUntil || performance.now() - markedAt > STALE_MS;
  const outcome: SendOutcome = isStale
    ? { type: "not-sent", code: "stale" }
    : await ports.graph.send(marked.cleared, marked);
  await ports.outbox.recordOutcome(marked, outcome, (attempt, now) => {
    switch (outcome.type) {
      case "accepted":
        return onNews(attempt, { type: "accepted" }, now);
      case "refused":
        return onNews(attempt, { type: "refused", code: outcome.code, at: now }, now);
      case "not-sent":
        return onNews(attempt, { type: "not-sent" }, now);
      case "unknown":
        return onNews(attempt, { type: "unknown" }, now);
    }
  });
  return "posted";
}

/** The gate's decision first; then what only the sender knows: lane, pair limit, fallback, age. */
export function weighAtTheDoor(facts: RowFacts): SendingPlan {
  const binding = { outboxId: facts.outboxId as OutboxId, contactId: facts.contactId, contentHash: facts.contentHash };
  return planSending(facts, outboundGate(binding, facts.message, facts.outbound));
}

// 4. recordStatus: receipt -> attempt ----------------------------------------------------------------------------

/** A status moves its attempt up the lattice, never down; a failure becomes facts and a reaction by the error table. */
export function recordStatus(attempt: Attempt, status: StatusEvent, now: Date): StatusEffect {
  return onNews(
    attempt,
    { type: "status", status: status.status, at: status.at, errorCode: status.errorCodes[0] },
    now,
  );
}
