import type { MerchantId } from "../domain/ids.ts";
import type { Tx } from "./database.ts";
import { isErased } from "./erased.ts";
import type { MerchantKeys } from "./keyring.ts";

const BATCH = 500;
const FIRST = "00000000-0000-0000-0000-000000000000";

/**
 * What hangs on nobody by an id of ours and names the person all the same: events without a conversation (contact and
 * history syncs, receipts of a kind we do not know) and parked receipts. They are opened and searched for the person's ids.
 */
export async function eraseLoose(
  tx: Tx,
  keys: MerchantKeys,
  merchantId: MerchantId,
  outboxIds: readonly string[],
  names: readonly string[],
): Promise<{ otherEvents: number; parkedStatuses: number }> {
  const named = (text: string) => names.some((name) => text.includes(name));
  return {
    otherEvents: await eraseEvents(tx, keys, merchantId, named),
    parkedStatuses: await eraseParked(tx, keys, merchantId, outboxIds, named),
  };
}

async function eraseEvents(
  tx: Tx,
  keys: MerchantKeys,
  merchantId: MerchantId,
  named: (text: string) => boolean,
): Promise<number> {
  let count = 0;
  for (let after = FIRST; ; ) {
    const rows = await tx<{ id: string; body: Uint8Array; raw: Uint8Array | null }[]>`
      select id, body_ct as body, raw_ct as raw from inbox where merchant_id = ${merchantId} and conversation_id is null and id > ${after} and (body_ct <> '' or raw_ct is not null) order by id limit ${BATCH}`;
    const found = rows.filter(
      (row) =>
        (!isErased(row.body) && named(keys.open("inbox", "body_ct", row.id, row.body))) ||
        (row.raw !== null && named(keys.open("inbox", "raw_ct", row.id, row.raw))),
    );
    if (found.length > 0)
      await tx`update inbox set body_ct = '', raw_ct = null, wamid_hash = null, target_hash = null where id = any(${found.map((row) => row.id)})`;
    count += found.length;
    if (rows.length < BATCH) return count;
    after = rows.at(-1)!.id;
  }
}

async function eraseParked(
  tx: Tx,
  keys: MerchantKeys,
  merchantId: MerchantId,
  outboxIds: readonly string[],
  named: (text: string) => boolean,
): Promise<number> {
  const rows = await tx<{ id: string; body: Uint8Array; isOwn: boolean }[]>`
    select id, body_ct as body, coalesce(attempt_id in (select a.id from send_attempt a where a.outbox_id = any(${[...outboxIds]})), false) as "isOwn" from status_parked where merchant_id = ${merchantId}`;
  const found = rows.filter((row) => row.isOwn || named(keys.open("status_parked", "body_ct", row.id, row.body)));
  if (found.length > 0) await tx`delete from status_parked where id = any(${found.map((row) => row.id)})`;
  return found.length;
}
