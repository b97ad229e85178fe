import type { StatusEvent } from "../domain/event.ts";
import { type AttemptId, newId } from "../domain/ids.ts";
import { STATUS_RANK } from "../policy/delivery.ts";
import type { DecideStatus } from "../ports.ts";
import { type AttemptRow, applyEffect, asAttempt, failureFacts, lockAttempts } from "./attempts.ts";
import { byteaArray, type Tx } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import { addWhatsappSpend } from "./spend.ts";
import type { Store } from "./store.ts";

export type StatusItem = { keys: MerchantKeys; event: StatusEvent; wabaId: string | undefined };

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const SWEEPS_MS = [1000, 10_000, 60_000];

/**
 * Joins statuses to their attempts, by our attempt id first, by wamid second, under the attempt's lock: the sender locks
 * the same row before it records an answer, so a status can neither miss nor be missed. What matches nothing is parked.
 * A failure's contact was locked by `findStatuses`, its mailbox is locked before the outbox, as everywhere.
 */
export async function recordStatuses(
  store: Store,
  tx: Tx,
  items: readonly StatusItem[],
  found: ReadonlyMap<StatusItem, AttemptId>,
  decide: DecideStatus,
): Promise<void> {
  const now = store.clock.now();
  const failed = items.filter((item) => item.event.status === "failed" && found.has(item));
  if (failed.length > 0) await lockBoxes(tx, [...new Set(failed.map((item) => found.get(item)!))]);
  const rows = new Map((await lockAttempts(tx, [...new Set(found.values())])).map((row) => [row.id, row]));
  const inOrder = [...items].sort((a, b) => (STATUS_RANK[a.event.status] ?? 0) - (STATUS_RANK[b.event.status] ?? 0));
  const plain: Change[] = [];
  for (const item of inOrder) {
    const row = rows.get(found.get(item)!);
    if (row) await recordOne(tx, item, row, decide, now, plain);
    else if (item.event.status !== "unsupported") await park(tx, item);
  }
  await writePlain(tx, plain);
  await countPrices(store, tx, inOrder, (item) => rows.get(found.get(item)!), now);
}

/** The first status that names a price category is what a message costs; what Meta gives away is not counted. */
async function countPrices(
  store: Store,
  tx: Tx,
  items: readonly StatusItem[],
  rowOf: (item: StatusItem) => AttemptRow | undefined,
  now: Date,
): Promise<void> {
  const counted = new Set<string>();
  for (const item of items) {
    const row = rowOf(item);
    const { pricing } = item.event;
    if (!row || row.isPriced || !pricing?.category || pricing.type?.startsWith("free") || counted.has(row.id)) continue;
    counted.add(row.id);
    const { config } = await store.merchants.get(row.merchantId);
    const usd = config.whatsappPrices[pricing.category.toLowerCase()];
    if (usd) await addWhatsappSpend(tx, row.merchantId, row.contactId, usd, now);
  }
}

/** Which attempts statuses belong to; locks the people behind failures, because their locks come before everything else's. */
export async function findStatuses(tx: Tx, items: readonly StatusItem[]): Promise<Map<StatusItem, AttemptId>> {
  const found = await findAttempts(tx, items);
  const failed = items
    .filter((item) => item.event.status === "failed" && found.has(item))
    .map((item) => found.get(item)!);
  if (failed.length > 0)
    await tx`select id from contact where id in (select contact_id from send_attempt where id = any(${failed})) order by id for update`;
  return found;
}

type Change = {
  row: AttemptRow;
  rank: number;
  status: string;
  at: Date;
  wamid: string;
  category: string | undefined;
  type: string | undefined;
  settles: boolean;
};

/** What most statuses are: one step up the lattice, nothing else. One statement for all of them. */
async function writePlain(tx: Tx, changes: readonly Change[]): Promise<void> {
  if (changes.length === 0) return;
  const last = [...new Map(changes.map((change) => [change.row.id, change])).values()].sort((a, b) =>
    a.row.id < b.row.id ? -1 : 1,
  );
  const settled = [...new Set(changes.filter((change) => change.settles).map((change) => change.row.outboxId))].sort();
  const category = (change: Change) =>
    changes.findLast((one) => one.row.id === change.row.id && one.category)?.category ?? null;
  const type = (change: Change) => changes.findLast((one) => one.row.id === change.row.id && one.type)?.type ?? null;
  await tx`update send_attempt a set state = 'accepted', status_rank = greatest(a.status_rank, t.rank), status = t.status, status_at = t.at, wamid_hash = coalesce(a.wamid_hash, decode(t.wamid, 'hex')),
      pricing_category = coalesce(t.category, a.pricing_category), pricing_type = coalesce(t.type, a.pricing_type)
    from unnest(${last.map((c) => c.row.id)}::uuid[], ${last.map((c) => c.rank)}::int[], ${last.map((c) => c.status)}::text[], ${last.map((c) => c.at.toISOString())}::timestamptz[], ${last.map((c) => c.wamid)}::text[],
      ${last.map(category)}::text[], ${last.map(type)}::text[]) as t (id, rank, status, at, wamid, category, type) where a.id = t.id`;
  if (settled.length === 0) return;
  await tx`update outbox set state = 'accepted', state_reason = 'accepted' where id = any(${settled})`;
  await tx`delete from outbox_due where outbox_id = any(${settled})`;
}

async function recordOne(
  tx: Tx,
  { keys, event }: StatusItem,
  row: AttemptRow,
  decide: DecideStatus,
  now: Date,
  plain: Change[],
): Promise<void> {
  const facts = event.status === "failed" ? await failureFacts(tx, keys, row) : undefined;
  const effect = decide(asAttempt(row, facts), event, now);
  const { attempt, row: change } = effect;
  if (!attempt && !change) return;
  const isPlain =
    effect.notices.length === 0 &&
    effect.facts.every((fact) => fact.type === "reached") &&
    !attempt?.isDuplicate &&
    attempt?.rank !== undefined &&
    attempt.status !== "failed" &&
    (!change || change.state === "accepted");
  if (isPlain) {
    const wamid = keys.blind(`wamid:${event.wamid}`).toString("hex");
    plain.push({
      row,
      rank: attempt.rank!,
      status: attempt.status!,
      at: event.at,
      wamid,
      category: event.pricing?.category,
      type: event.pricing?.type,
      settles: change !== undefined,
    });
    row.state = "accepted";
    row.statusRank = Math.max(row.statusRank, attempt.rank!);
    if (change) row.rowState = change.state;
    return;
  }
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
  const merchants = [...new Set(items.map((item) => item.keys.merchantId))];
  const rows = await tx<{ id: AttemptId; merchantId: string; wamid: string | null }[]>`
    select id, merchant_id as "merchantId", encode(wamid_hash, 'hex') as wamid from send_attempt
    where id = any(${ids}::uuid[])
    union select id, merchant_id, encode(wamid_hash, 'hex') from send_attempt where merchant_id = any(${merchants}::uuid[]) and wamid_hash = any(${byteaArray(hashes)}::bytea[])`;
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

async function lockBoxes(tx: Tx, attempts: readonly AttemptId[]): Promise<void> {
  await tx`select id from mailbox where id in (select conversation_id from send_attempt where id = any(${[...attempts]})) order by merchant_id, phone_id, contact_id for update`;
}

async function park(tx: Tx, { keys, event }: StatusItem): Promise<void> {
  const id = newId();
  await tx`insert into status_parked (id, merchant_id, wamid_hash, attempt_id, body_ct, next_try_at)
    values (${id}, ${keys.merchantId}, ${keys.blind(`wamid:${event.wamid}`)}, ${UUID.test(event.callbackData ?? "") ? event.callbackData! : null}, ${keys.seal("status_parked", "body_ct", id, JSON.stringify(event))},
      clock_timestamp() + interval '1 s')`;
}

/** Tries parked statuses again: after 1 s, 10 s, 1 min, then hourly, until retention takes them (7 days). */
export async function sweepParked(store: Store, tx: Tx, keys: MerchantKeys, decide: DecideStatus): Promise<number> {
  const due = await tx<{ id: string; body: Uint8Array; tries: number }[]>`
    select id, body_ct as body, tries from status_parked where merchant_id = ${keys.merchantId} and next_try_at <= statement_timestamp() order by next_try_at limit 200 for update skip locked`;
  for (const row of due) {
    const event = reviveStatus(keys.open("status_parked", "body_ct", row.id, row.body));
    const item = { keys, event, wabaId: undefined };
    const found = await findStatuses(tx, [item]);
    if (found.size > 0) {
      await tx`delete from status_parked where id = ${row.id}`;
      await recordStatuses(store, tx, [item], found, decide);
    } else {
      const waitMs = SWEEPS_MS[row.tries + 1] ?? 3_600_000;
      await tx`update status_parked set tries = tries + 1, next_try_at = clock_timestamp() + ${waitMs} * interval '1 ms' where id = ${row.id}`;
    }
  }
  return due.length;
}

function reviveStatus(json: string): StatusEvent {
  const event = JSON.parse(json) as StatusEvent;
  return { ...event, at: new Date(event.at) };
}
