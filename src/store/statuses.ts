import type { StatusEvent } from "../domain/event.ts";
import { type AttemptId, newId } from "../domain/ids.ts";
import { STATUS_RANK } from "../policy/delivery.ts";
import type { DecideStatus } from "../ports.ts";
import { type AttemptRow, applyEffect, asAttempt, failureFacts, lockAttempts } from "./attempts.ts";
import type { Tx } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import type { Store } from "./store.ts";

export type StatusItem = { keys: MerchantKeys; event: StatusEvent; wabaId: string | undefined };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SWEEPS_MS = [1000, 10_000, 60_000];

/**
 * Joins statuses to their attempts, by our attempt id first, by wamid second, under the attempt's lock: the sender locks
 * the same row before it records an answer, so a status can neither miss nor be missed. What matches nothing is parked.
 * A failure's contact and mailbox are locked before the outbox, as everywhere.
 */
export async function recordStatuses(
  store: Store,
  tx: Tx,
  items: readonly StatusItem[],
  decide: DecideStatus,
): Promise<void> {
  const now = store.clock.now();
  const found = await findAttempts(tx, items);
  const failed = items.filter((item) => item.event.status === "failed" && found.has(item));
  if (failed.length > 0) await lockPeople(tx, [...new Set(failed.map((item) => found.get(item)!))]);
  const rows = new Map((await lockAttempts(tx, [...new Set(found.values())])).map((row) => [row.id, row]));
  const inOrder = [...items].sort((a, b) => (STATUS_RANK[a.event.status] ?? 0) - (STATUS_RANK[b.event.status] ?? 0));
  for (const item of inOrder) {
    const row = rows.get(found.get(item)!);
    if (row) await recordOne(tx, item, row, decide, now);
    else if (item.event.status !== "unsupported") await park(tx, item);
  }
}

async function recordOne(
  tx: Tx,
  { keys, event }: StatusItem,
  row: AttemptRow,
  decide: DecideStatus,
  now: Date,
): Promise<void> {
  const facts = event.status === "failed" ? await failureFacts(tx, keys, row) : undefined;
  const effect = decide(asAttempt(row, facts), event, now);
  await applyEffect(tx, keys, row, effect, now, event.at);
  await tx`update send_attempt set wamid_hash = coalesce(wamid_hash, ${keys.blind(`wamid:${event.wamid}`)}), pricing_category = coalesce(${event.pricing?.category ?? null}, pricing_category),
    pricing_type = coalesce(${event.pricing?.type ?? null}, pricing_type) where id = ${row.id}`;
  if (effect.attempt?.state) row.state = effect.attempt.state;
  if (effect.attempt?.rank) row.statusRank = Math.max(row.statusRank, effect.attempt.rank);
  if (effect.row) row.rowState = effect.row.state;
}

async function findAttempts(tx: Tx, items: readonly StatusItem[]): Promise<Map<StatusItem, AttemptId>> {
  const ids = items
    .map((item) => item.event.callbackData)
    .filter((id): id is string => id !== undefined && UUID.test(id));
  const hashes = items.flatMap((item) =>
    item.keys.blindAll(`wamid:${item.event.wamid}`).map((hash) => hash.toString("hex")),
  );
  const rows = await tx<{ id: AttemptId; merchantId: string; wamid: string | null }[]>`
    select id, merchant_id as "merchantId", encode(wamid_hash, 'hex') as wamid from send_attempt
    where id = any(${ids}::uuid[]) or wamid_hash = any(select decode(h, 'hex') from unnest(${hashes}::text[]) h)`;
  const byId = new Map(rows.map((row) => [row.id as string, row]));
  const byWamid = new Map(rows.filter((row) => row.wamid).map((row) => [row.wamid!, row]));
  const found = new Map<StatusItem, AttemptId>();
  for (const item of items) {
    const own = byId.get(item.event.callbackData ?? "");
    const match =
      own ??
      item.keys
        .blindAll(`wamid:${item.event.wamid}`)
        .map((hash) => byWamid.get(hash.toString("hex")))
        .find((row) => row !== undefined);
    if (match && match.merchantId === item.keys.merchantId) found.set(item, match.id);
  }
  return found;
}

async function lockPeople(tx: Tx, attempts: readonly AttemptId[]): Promise<void> {
  await tx`select id from contact where id in (select contact_id from send_attempt where id = any(${[...attempts]})) order by id for update`;
  await tx`select id from mailbox where id in (select conversation_id from send_attempt where id = any(${[...attempts]})) order by id for update`;
}

async function park(tx: Tx, { keys, event }: StatusItem): Promise<void> {
  const id = newId();
  await tx`insert into status_parked (id, merchant_id, wamid_hash, attempt_id, body_ct, next_try_at)
    values (${id}, ${keys.merchantId}, ${keys.blind(`wamid:${event.wamid}`)}, ${UUID.test(event.callbackData ?? "") ? event.callbackData! : null}, ${keys.seal("status_parked", "body_ct", id, JSON.stringify(event))},
      clock_timestamp() + interval '1 s')`;
}

/** Tries parked statuses again: after 1 s, 10 s, 1 min, then hourly for 7 days. */
export async function sweepParked(store: Store, tx: Tx, keys: MerchantKeys, decide: DecideStatus): Promise<number> {
  const due = await tx<{ id: string; body: Uint8Array; tries: number }[]>`
    select id, body_ct as body, tries from status_parked where merchant_id = ${keys.merchantId} and next_try_at <= clock_timestamp() order by next_try_at limit 200 for update skip locked`;
  for (const row of due) {
    const event = reviveStatus(keys.open("status_parked", "body_ct", row.id, row.body));
    const item = { keys, event, wabaId: undefined };
    const found = await findAttempts(tx, [item]);
    if (found.size > 0) {
      await tx`delete from status_parked where id = ${row.id}`;
      await recordStatuses(store, tx, [item], decide);
    } else {
      const waitMs = SWEEPS_MS[row.tries + 1] ?? 3_600_000;
      await tx`update status_parked set tries = tries + 1, next_try_at = clock_timestamp() + ${waitMs} * interval '1 ms' where id = ${row.id}`;
    }
  }
  await tx`delete from status_parked where merchant_id = ${keys.merchantId} and first_seen_at < clock_timestamp() - interval '7 days'`;
  return due.length;
}

function reviveStatus(json: string): StatusEvent {
  const event = JSON.parse(json) as StatusEvent;
  return { ...event, at: new Date(event.at) };
}
