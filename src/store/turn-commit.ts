import { newId } from "../domain/ids.ts";
import type { Claim, CommitResult, OutboxLine, TurnEffects, TurnFacts, TurnRecord } from "../ports.ts";
import { cancelQueued, makeDue } from "./attempts.ts";
import { appendConsent } from "./consent-ledger.ts";
import { identityHashes } from "./contacts.ts";
import { contentHash } from "./content-hash.ts";
import { type Tx, transaction } from "./database.ts";
import { insertDecisions } from "./decisions.ts";
import type { MerchantKeys } from "./keyring.ts";
import { raiseNotice } from "./notices.ts";
import { addModelSpend } from "./spend.ts";
import type { Store } from "./store.ts";
import { saveSummary } from "./summaries.ts";

/** The predicate on the mailbox row did not hold: nothing of the turn is kept. */
class Overtaken extends Error {}

/**
 * The turn's one commit: the predicate on the mailbox row is both the fence (token) and the supersede check (last_seq, or
 * fence_seq once the turn was overtaken twice). Never a second table in that statement: its snapshot predates the
 * lock wait. Contact before mailbox, as everywhere. Everything else is sent along and undone when the predicate fails.
 */
export async function commitTurn(
  store: Store,
  claim: Claim,
  facts: TurnFacts,
  effects: TurnEffects,
): Promise<CommitResult> {
  const keys = await store.keyring.of(claim.merchantId);
  const isRelaxed = claim.supersedes >= 2;
  try {
    await transaction(store.sql, [claim.merchantId], async (tx) => {
      // Sent in this order, answered in any: `execute` puts a statement on the wire now, a bare one waits to be awaited.
      const lock = needsContact(effects) ? lockContact(tx, claim) : undefined;
      const moved =
        tx`update mailbox set handled_seq = ${claim.lastSeq}, attempts = 0, expiries = 0, supersedes = 0, token = null, lease_until = null, backoff_until = null,
            burst_until = case when last_seq = ${claim.lastSeq} then null else burst_until end,
            due_at = case when last_seq = ${claim.lastSeq} then 'infinity' else least(due_at, clock_timestamp() + interval '1 s') end,
            lane_seq = lane_seq + ${effects.outbox.length}
          where id = ${claim.conversationId} and token = ${claim.token} and contact_id = ${claim.contactId} and merged_into is null
            and ${isRelaxed ? tx`fence_seq <= ${claim.lastSeq}` : tx`last_seq = ${claim.lastSeq}`} returning 1`.execute();
      const [rows] = await Promise.all([moved, lock, applyEffects(tx, keys, claim, facts, effects)]);
      if (rows.length === 0) throw new Overtaken();
    });
  } catch (err) {
    if (err instanceof Overtaken) return releaseClaim(store, claim);
    throw err;
  }
  if (effects.outbox.length > 0) store.nudge("sender");
  return "committed";
}

/** Commands commit by the token alone, and nothing that fails later can undo them: every effect is unique per event. */
export async function commitCommands(
  store: Store,
  claim: Claim,
  facts: TurnFacts,
  effects: TurnEffects,
): Promise<"committed" | "lost"> {
  const keys = await store.keyring.of(claim.merchantId);
  try {
    await transaction(store.sql, [claim.merchantId], async (tx) => {
      const lock = lockContact(tx, claim);
      const moved =
        tx`update mailbox set lane_seq = lane_seq + ${effects.outbox.length} where id = ${claim.conversationId} and token = ${claim.token}
          and contact_id = ${claim.contactId} and merged_into is null returning 1`.execute();
      const [rows] = await Promise.all([moved, lock, applyEffects(tx, keys, claim, facts, effects)]);
      if (rows.length === 0) throw new Overtaken();
    });
  } catch (err) {
    if (err instanceof Overtaken) return "lost";
    throw err;
  }
  if (effects.outbox.length > 0) store.nudge("sender");
  return "committed";
}

/** Gives a claim back that was overtaken while its model was thinking. */
export async function releaseClaim(store: Store, claim: Claim): Promise<CommitResult> {
  const result = await transaction(store.sql, [claim.merchantId], (tx) => release(tx, claim));
  store.nudge("turns");
  return result;
}

/** Somebody was faster: gives the row back as it is due, and counts how often this batch was overtaken. */
async function release(tx: Tx, claim: Claim): Promise<CommitResult> {
  const rows =
    await tx`update mailbox set token = null, lease_until = null, supersedes = supersedes + 1, due_at = least(due_at, coalesce(burst_until, clock_timestamp()))
    where id = ${claim.conversationId} and token = ${claim.token} returning 1`;
  return rows.length > 0 ? "superseded" : "lost";
}

function lockContact(tx: Tx, claim: Claim) {
  return tx`select id from contact where id = ${claim.contactId} for update`.execute();
}

function needsContact(effects: TurnEffects): boolean {
  return effects.consent.length > 0 || effects.cancel !== undefined || effects.language !== undefined;
}

/** All effects of a turn, each statement independent of the others' answers, so that they share one round trip. */
async function applyEffects(
  tx: Tx,
  keys: MerchantKeys,
  claim: Claim,
  facts: TurnFacts,
  effects: TurnEffects,
): Promise<void> {
  const { merchantId, contactId, conversationId } = claim;
  await Promise.all([
    effects.language
      ? tx`update contact set language = ${effects.language} where id = ${contactId} and language is distinct from ${effects.language}`
      : undefined,
    effects.humanMode === "take"
      ? tx`update mailbox set human_since = greatest(human_since, ${facts.now}) where id = ${conversationId}`
      : undefined,
    effects.humanMode === "return" ? tx`update mailbox set human_since = null where id = ${conversationId}` : undefined,
    effects.consent.length > 0 ? addConsent(tx, keys, claim, facts, effects) : undefined,
    effects.cancel
      ? cancelQueued(tx, { merchantId, contactId, wabaId: facts.wabaId }, effects.cancel.scope, effects.cancel.reason)
      : undefined,
    effects.closeHeld ? closeHeld(tx, effects.closeHeld) : undefined,
    effects.isDead
      ? tx`update inbox set state = 'dead' where conversation_id = ${conversationId} and seq > ${claim.handledSeq} and seq <= ${claim.lastSeq} and state = 'kept'`
      : undefined,
    effects.dataRequest
      ? tx`insert into data_request (id, merchant_id, contact_id, source_key, kind, received_at, due_at)
          values (${newId()}, ${merchantId}, ${contactId}, ${effects.dataRequest.sourceKey}, 'unspecified', ${facts.now}, ${oneMonthLater(facts.now)}) on conflict do nothing`
      : undefined,
    effects.summary ? saveSummary(tx, keys, merchantId, conversationId, effects.summary) : undefined,
    effects.spent ? addModelSpend(tx, merchantId, contactId, effects.spent, facts.now) : undefined,
    insertOutbox(tx, keys, claim, facts, effects.outbox),
    insertDecisions(tx, keys, [
      ...effects.records.map((record) => turnDecision(claim, facts, record)),
      ...effects.outbox.map((line) => outboundDecision(claim, facts, line)),
    ]),
    ...effects.notices.map((notice) => raiseNotice(tx, merchantId, notice, conversationId)),
  ]);
}

async function addConsent(
  tx: Tx,
  keys: MerchantKeys,
  claim: Claim,
  facts: TurnFacts,
  effects: TurnEffects,
): Promise<void> {
  const { merchantId, contactId } = claim;
  const hashes = await identityHashes(tx, contactId);
  // The contact was merged away meanwhile: the turn is not ours any more.
  if (hashes.length === 0) throw new Overtaken();
  await appendConsent(tx, keys, { merchantId, wabaId: facts.wabaId, contactId, hashes }, effects.consent);
}

async function closeHeld(tx: Tx, held: NonNullable<TurnEffects["closeHeld"]>): Promise<void> {
  const [closed] = await tx<
    { turnId: string }[]
  >`update held_answer set state = ${held.state}, closed_at = clock_timestamp() where id = ${held.id} and state in ('held', 'expired') returning turn_id as "turnId"`;
  // "Your answer is ready" must not arrive after the answer did.
  if (closed)
    await tx`with gone as (update outbox set state = 'canceled', state_reason = 'superseded' where dedupe_key = ${`fallback:${closed.turnId}`} and state in ('queued', 'deferred') returning id)
      delete from outbox_due d using gone where d.outbox_id = gone.id`;
  if (held.state === "superseded") {
    await tx`update outbox set state = 'canceled', state_reason = 'superseded' where held_id = ${held.id} and state = 'held'`;
    return;
  }
  const rows = await tx<
    { id: string }[]
  >`update outbox set state = 'queued', state_reason = 'held-answer' where held_id = ${held.id} and state = 'held' returning id`;
  for (const row of rows) await makeDue(tx, row.id as never, 0);
}

/** Rows and their place in the due index, in one statement each: a row that stands already (a retaken turn) is not made due again. */
async function insertOutbox(
  tx: Tx,
  keys: MerchantKeys,
  claim: Claim,
  facts: TurnFacts,
  lines: readonly OutboxLine[],
): Promise<void> {
  await Promise.all(
    lines.map((line, index) => {
      const { content } = line.message;
      const json = JSON.stringify(content);
      const { decision } = line;
      const state = stateOf(line);
      const reason = decision.type === "send" ? "allowed" : decision.reason;
      const waitMs =
        decision.type === "defer" ? Math.max(0, Math.round(decision.until.getTime() - facts.now.getTime())) : 0;
      const send = content.type === "template" ? content.template : undefined;
      const lane = send ? null : claim.conversationId;
      return tx`
        with row as (insert into outbox (id, merchant_id, conversation_id, phone_id, contact_id, turn_id, part, dedupe_key, purpose, author, reason, state, state_reason, lane, lane_seq, content_ct, content_hash,
            template_name, template_language, verdict, versions, reply_to, discloses, send_at)
          values (${line.id}, ${claim.merchantId}, ${claim.conversationId}, ${claim.phoneId}, ${claim.contactId}, ${facts.turnId}, ${line.part}, ${line.dedupeKey}, ${line.message.purpose}, ${line.message.author}, ${line.reason},
            ${state}, ${reason}, ${lane}, (select lane_seq from mailbox where id = ${claim.conversationId}) - ${lines.length - index - 1}, ${keys.seal("outbox", "content_ct", line.id, json)}, ${contentHash(json)},
            ${send?.name ?? null}, ${send?.language ?? null}, ${tx.json(line.message.verdict as never)},
            ${tx.json({ config: facts.merchant.version, isAlwaysAnswered: line.message.isAlwaysAnswered, confirms: line.message.confirms } as never)}, ${line.replyTo ?? null}, ${line.discloses}, clock_timestamp())
          on conflict (merchant_id, dedupe_key) do nothing returning *)
        insert into outbox_due (outbox_id, merchant_id, phone_id, contact_id, lane, lane_seq, send_at)
        select id, merchant_id, phone_id, contact_id, lane, lane_seq, clock_timestamp() + ${waitMs} * interval '1 ms' from row where state in ('queued', 'deferred')`;
    }),
  );
}

/** An answer that finds the window closed goes to the door all the same: there it becomes a held answer. */
function stateOf({ decision, message }: OutboxLine): "queued" | "deferred" | "blocked" {
  if (decision.type === "send") return "queued";
  if (decision.type === "defer") return "deferred";
  return decision.reason === "window-closed" && message.author === "agent" ? "queued" : "blocked";
}

function turnDecision(claim: Claim, facts: TurnFacts, record: TurnRecord) {
  return {
    merchantId: claim.merchantId,
    subject: "turn" as const,
    conversationId: claim.conversationId,
    turnId: facts.turnId,
    outboxId: undefined,
    config: facts.merchant.version,
    at: facts.now,
    ...record,
  };
}

function outboundDecision(claim: Claim, facts: TurnFacts, line: OutboxLine) {
  const { content: _text, ...message } = line.message;
  return {
    merchantId: claim.merchantId,
    subject: "outbound" as const,
    conversationId: claim.conversationId,
    turnId: facts.turnId,
    outboxId: line.id,
    config: facts.merchant.version,
    at: facts.now,
    step: "turn",
    type: line.decision.type,
    reason: line.decision.type === "send" ? ("allowed" as const) : line.decision.reason,
    facts: { message: { ...message, contentType: line.message.content.type }, outbound: facts.outbound },
    verdicts: [line.message.verdict],
    latencyMs: 0,
  };
}

/** One month later by the calendar (GDPR 12(3)); the 31st becomes the month's last day. */
function oneMonthLater(at: Date): Date {
  const due = new Date(at);
  due.setUTCMonth(due.getUTCMonth() + 1);
  if (due.getUTCDate() !== at.getUTCDate()) due.setUTCDate(0);
  return due;
}
