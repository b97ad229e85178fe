import type { MerchantId } from "../domain/ids.ts";
import { EsekError } from "../errors.ts";
import type { Decide } from "./business-messages.ts";
import { type Tx, transaction } from "./database.ts";
import { isErased } from "./erased.ts";
import type { MerchantKeys } from "./keyring.ts";
import { reviveFacts } from "./revive-facts.ts";
import type { Store } from "./store.ts";

export type OutboxEntry = {
  id: string;
  state: string;
  reason: string;
  purpose: string;
  author: string;
  tries: number;
  created: string;
};

export async function listOutbox(
  store: Store,
  merchantId: MerchantId,
  states: readonly string[] | undefined,
  limit: number,
): Promise<OutboxEntry[]> {
  return transaction(
    store.sql,
    [merchantId],
    (tx) => tx<OutboxEntry[]>`
      select id, state, coalesce(state_reason, '') as reason, purpose, author, tries, to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SSZ') as created from outbox
      where merchant_id = ${merchantId} and (${states === undefined} or state = any(${[...(states ?? [])]})) order by created_at desc limit ${limit}`,
  );
}

export type Explained = {
  message: Record<string, unknown>;
  decisions: Record<string, unknown>[];
  attempts: Record<string, unknown>[];
};

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Everything that decided about a message. Looks in every merchant, one at a time. An outbound decision is replayed
 * through today's policy: `replay` says whether it comes out the same, or that its facts were `erased`.
 * Throws `EsekError("explain/unknown")` when nobody has it.
 */
export async function explain(store: Store, id: string, decide: Decide): Promise<Explained> {
  for (const merchantId of await store.merchants.all()) {
    const keys = await store.keyring.of(merchantId);
    const found = await transaction(store.sql, [merchantId], (tx) => explainIn(tx, keys, id, decide));
    if (found) return found;
  }
  throw new EsekError(
    "explain/unknown",
    "No merchant has a message, turn or event with that id. Give a wamid, or an id that a log line, `esek outbox` or the API named.",
  );
}

async function explainIn(tx: Tx, keys: MerchantKeys, id: string, decide: Decide): Promise<Explained | undefined> {
  const isUuid = UUID.test(id);
  const hashes = keys.blindAll(`wamid:${id}`).map((hash) => hash.toString("hex"));
  const [target] = await tx<{ turnId: string | null; outboxId: string | null; eventId: string | null }[]>`
    select o.turn_id as "turnId", o.id as "outboxId", null::uuid as "eventId" from outbox o left join send_attempt a on a.outbox_id = o.id
      where ${isUuid} and (o.id = ${isUuid ? id : null}::uuid or o.turn_id = ${isUuid ? id : null}::uuid or a.id = ${isUuid ? id : null}::uuid) or a.wamid_hash = any(select decode(h, 'hex') from unnest(${hashes}::text[]) h)
    union all select d.turn_id, null, null from decision d where ${isUuid} and d.turn_id = ${isUuid ? id : null}::uuid
    union all select null, null, i.id from inbox i where (${isUuid} and i.id = ${isUuid ? id : null}::uuid) or i.wamid_hash = any(select decode(h, 'hex') from unnest(${hashes}::text[]) h)
    limit 1`;
  if (!target) return undefined;
  const turnIds = target.turnId ? [target.turnId] : target.eventId ? await turnsOfEvent(tx, keys, target.eventId) : [];
  const rows = await tx<
    {
      id: string;
      subject: string;
      step: string;
      type: string;
      reason: string;
      facts: Uint8Array;
      verdicts: unknown;
      versions: unknown;
      ms: number | null;
      usage: unknown;
      repeats: number;
      at: Date;
      outboxId: string | null;
    }[]
  >`
    select id, subject, step, type, reason, facts_ct as facts, verdicts, versions, latency_ms as ms, usage, repeats, decided_at as at, outbox_id as "outboxId" from decision
    where turn_id = any(${turnIds}::uuid[]) or outbox_id = ${target.outboxId} order by decided_at, id`;
  const attempts = await tx<
    Record<string, unknown>[]
  >`select a.id, a.outbox_id as outbox, a.number, a.state, a.status, a.error_code as error, a.pricing_category as pricing, a.duplicate_detected as duplicate, a.started_at as started, a.status_at as "statusAt"
    from send_attempt a join outbox o on o.id = a.outbox_id where o.turn_id = any(${turnIds}::uuid[]) or o.id = ${target.outboxId} order by a.started_at`;
  const decisions = rows.map(({ facts, ...row }) => {
    if (isErased(facts))
      return { ...row, facts: "erased", ...(row.subject === "outbound" ? { replay: "erased" } : {}) };
    const opened = JSON.parse(keys.open("decision", "facts_ct", row.id, facts)) as unknown;
    return {
      ...row,
      facts: opened,
      ...(row.subject === "outbound" ? { replay: replay(opened, row.type, row.reason, decide) } : {}),
    };
  });
  return { message: { turns: turnIds, outbox: target.outboxId, event: target.eventId }, decisions, attempts };
}

/**
 * The turns that weighed an event: through what they sent in reply, through the ids in their decisions' source keys, and,
 * for a turn that sent nothing, through the events its own decisions name.
 */
async function turnsOfEvent(tx: Tx, keys: MerchantKeys, eventId: string): Promise<string[]> {
  const answered = await tx<
    { id: string }[]
  >`select distinct turn_id as id from outbox where (reply_to = ${eventId} or dedupe_key like ${`%${eventId}%`}) and turn_id is not null`;
  const weighed = await tx<{ id: string; turnId: string; facts: Uint8Array }[]>`
    select d.id, d.turn_id as "turnId", d.facts_ct as facts from decision d join inbox i on i.conversation_id = d.conversation_id
    where i.id = ${eventId} and d.subject = 'turn' and d.turn_id is not null and d.decided_at >= i.event_at order by d.decided_at, d.id limit 100`;
  const named = weighed.filter((row) => {
    const facts = JSON.parse(keys.open("decision", "facts_ct", row.id, row.facts)) as Record<string, unknown> | null;
    return facts?.event === eventId || (Array.isArray(facts?.events) && facts.events.includes(eventId));
  });
  return [...new Set([...answered.map((row) => row.id), ...named.map((row) => row.turnId)])];
}

/** The stored facts through today's gate. Only the length of a text is not stored with them, and the gate never asks for it. */
function replay(facts: unknown, type: string, reason: string, decide: Decide): string {
  const revived = reviveFacts(facts);
  if (!revived) return "not replayable";
  const decision = decide(revived.message, revived.outbound);
  const same = decision.type === type && (decision.type === "send" || decision.reason === reason);
  return same ? "same" : `now ${decision.type}${decision.type === "send" ? "" : ` ${decision.reason}`}`;
}
