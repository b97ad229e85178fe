import { type ConversationId, type LeaseToken, newId } from "../domain/ids.ts";
import { LEASE_MS, MAX_ATTEMPTS } from "../domain/lease.ts";
import type { Beat, Claim, MailboxPort, TurnSource } from "../ports.ts";
import { transaction } from "./database.ts";
import { raiseNotice } from "./notices.ts";
import type { Store } from "./store.ts";
import { commitCommands, commitTurn, releaseClaim } from "./turn-commit.ts";
import { loadTurnFacts } from "./turn-facts.ts";

export type MailboxStore = MailboxPort & TurnSource;

export function createMailbox(store: Store): MailboxStore {
  return {
    claim: (limit) => claimDue(store, limit),
    heartbeat: (claims) => heartbeat(store, claims),
    releaseAll: (claims) => releaseAll(store, claims),
    facts: (claim) => loadTurnFacts(store, claim),
    commitCommands: (claim, facts, effects) => commitCommands(store, claim, facts, effects),
    commitTurn: (claim, facts, effects) => commitTurn(store, claim, facts, effects),
    release: (claim) => releaseClaim(store, claim),
    fail: (claim, code) => fail(store, claim, code),
    buryUnread: (claim) => buryUnread(store, claim),
    bury: (claim, facts, effects) =>
      commitTurn(store, { ...claim, supersedes: 2 }, facts, { ...effects, isDead: true }),
  };
}

/**
 * Takes due conversations. `skip locked` passes over rows that another worker is taking just now; a row whose lease ran
 * out is taken again, and from the third expiry on that counts as a failure of its batch. The predicate of the partial
 * index is repeated, so the claim stays flat however many conversations are known.
 */
async function claimDue(store: Store, limit: number): Promise<Claim[]> {
  const token = newId<LeaseToken>();
  return store.sql<Claim[]>`
    update mailbox m set token = ${token}, lease_until = clock_timestamp() + ${LEASE_MS} * interval '1 ms', burst_until = null,
      expiries = case when m.token is null then m.expiries else m.expiries + 1 end,
      attempts = case when m.token is not null and m.expiries >= 2 then m.attempts + 1 else m.attempts end
    from (select id from mailbox where kind = 'conversation' and due_at <= statement_timestamp() and due_at < 'infinity' and (lease_until is null or lease_until < statement_timestamp())
      order by due_at for update skip locked limit ${limit}) due
    where m.id = due.id
    returning m.id as "conversationId", m.merchant_id as "merchantId", m.phone_id as "phoneId", m.contact_id as "contactId", m.token, m.last_seq::float8 as "lastSeq",
      m.handled_seq::float8 as "handledSeq", m.supersedes, m.attempts`;
}

/** Extends every lease of this process in lock order, and brings back what moved meanwhile. */
async function heartbeat(store: Store, claims: readonly Claim[]): Promise<Map<ConversationId, Beat>> {
  if (claims.length === 0) return new Map();
  const rows = await store.sql<Beat[]>`
    with mine as (select id from mailbox where id = any(${claims.map((claim) => claim.conversationId)}) and token = any(${claims.map((claim) => claim.token)}) order by merchant_id, phone_id, contact_id for update)
    update mailbox m set lease_until = clock_timestamp() + ${LEASE_MS} * interval '1 ms' from mine where m.id = mine.id
    returning m.id as "conversationId", m.token, m.last_seq::float8 as "lastSeq", m.fence_seq::float8 as "fenceSeq"`;
  return new Map(rows.map((row) => [row.conversationId, row]));
}

/** On SIGTERM: what is not finished is due again at once, and does not count as a failure. */
async function releaseAll(store: Store, claims: readonly Claim[]): Promise<void> {
  if (claims.length === 0) return;
  await store.sql`with mine as (select id from mailbox where id = any(${claims.map((claim) => claim.conversationId)}) and token = any(${claims.map((claim) => claim.token)}) order by merchant_id, phone_id, contact_id for update)
    update mailbox m set token = null, lease_until = null, due_at = least(due_at, clock_timestamp()) from mine where m.id = mine.id`;
}

async function fail(store: Store, claim: Claim, code: string): Promise<"backed-off" | "dead"> {
  const attempts = claim.attempts + 1;
  store.logger.warn({ conversation: claim.conversationId, attempts, code }, "turn failed");
  if (attempts >= MAX_ATTEMPTS) return "dead";
  const backoffMs = Math.min(500 * 2 ** attempts, 60_000);
  await store.sql`update mailbox set attempts = attempts + 1, token = null, lease_until = null, backoff_until = case when last_seq = ${claim.lastSeq} then clock_timestamp() + ${backoffMs} * interval '1 ms' end,
    due_at = case when last_seq = ${claim.lastSeq} then clock_timestamp() + ${backoffMs} * interval '1 ms' else least(due_at, clock_timestamp() + ${backoffMs} * interval '1 ms') end where id = ${claim.conversationId} and token = ${claim.token}`;
  return "backed-off";
}

async function buryUnread(store: Store, claim: Claim): Promise<void> {
  await transaction(store.sql, [claim.merchantId], async (tx) => {
    await tx`update mailbox set handled_seq = ${claim.lastSeq}, attempts = 0, expiries = 0, token = null, lease_until = null, backoff_until = null,
      due_at = case when last_seq = ${claim.lastSeq} then 'infinity' else clock_timestamp() end where id = ${claim.conversationId} and token = ${claim.token}`;
    await tx`update inbox set state = 'dead' where conversation_id = ${claim.conversationId} and seq > ${claim.handledSeq} and seq <= ${claim.lastSeq} and state = 'kept'`;
    await raiseNotice(
      tx,
      claim.merchantId,
      {
        kind: "dead-letter",
        dedupeKey: `dead-letter:${claim.conversationId}:${claim.lastSeq}`,
        detail: { unread: true },
      },
      claim.conversationId,
    );
  });
}
