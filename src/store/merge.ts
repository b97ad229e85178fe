import type { ContactId, ConversationId, MerchantId } from "../domain/ids.ts";
import type { Person } from "../domain/person.ts";
import { errorCode } from "../errors.ts";
import { setPersonColumns } from "./contacts.ts";
import { type Tx, transaction } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import type { Store } from "./store.ts";

type Box = {
  id: ConversationId;
  contactId: ContactId;
  phoneId: string;
  lastSeq: number;
  handledSeq: number;
  laneSeq: number;
  mergedInto: string | null;
};

/**
 * Two contacts turn out to be one person. The older survives: it takes the other's identities, unhandled events
 * (numbered anew, which supersedes running drafts), rows, the latest window and human mode. Consent needs no move:
 * it hangs on identities, and the union of identities is the union of stops. `current` is how the person is named now:
 * an old number must not win over it. Doing it twice changes nothing.
 */
export async function mergeContacts(
  store: Store,
  merchantId: MerchantId,
  a: ContactId,
  b: ContactId,
  current?: Person,
): Promise<void> {
  const keys = await store.keyring.of(merchantId);
  const once = () => transaction(store.sql, [merchantId], (tx) => mergeOnce(tx, keys, merchantId, a, b, current));
  // The survivor's mailbox was made by somebody else at this very moment: seen now, the two are joined.
  await once().catch((err: unknown) => (errorCode(err) === "database/23505" ? once() : Promise.reject(err)));
  store.nudge("turns");
}

async function mergeOnce(
  tx: Tx,
  keys: MerchantKeys,
  merchantId: MerchantId,
  a: ContactId,
  b: ContactId,
  current: Person | undefined,
): Promise<void> {
  const [left, right] = [await rootOf(tx, a), await rootOf(tx, b)];
  const [survivor, loser] = left < right ? [left, right] : [right, left];
  const locked = await tx<
    { isErased: boolean }[]
  >`select erased_at is not null as "isErased" from contact where id = any(${[...new Set([a, b, survivor, loser])]}) order by id for update`;
  // Erased meanwhile: nobody to merge; whoever asked looks the person up anew.
  if (locked.some((row) => row.isErased)) return;
  if (survivor !== loser && locked.length >= 2 && !(await isMerged(tx, survivor)) && !(await isMerged(tx, loser)))
    await mergeInto(tx, keys, merchantId, survivor, loser);
  // Identities that were hung on a contact while it was being merged away.
  await tx`update contact_identity set contact_id = ${survivor} where contact_id = any(${[a, b, loser].filter((id) => id !== survivor)})`;
  if (current) await setPersonColumns(tx, keys, survivor, current);
}

async function rootOf(tx: Tx, id: ContactId): Promise<ContactId> {
  const rows = await tx<{ id: ContactId }[]>`
    with recursive chain (id, next) as (select id, merged_into from contact where id = ${id} union all select c.id, c.merged_into from contact c join chain on c.id = chain.next)
    select id from chain where next is null limit 1`;
  return rows[0]?.id ?? id;
}

async function isMerged(tx: Tx, id: ContactId): Promise<boolean> {
  const rows = await tx`select 1 from contact where id = ${id} and merged_into is not null`;
  return rows.length > 0;
}

async function mergeInto(
  tx: Tx,
  keys: MerchantKeys,
  merchantId: MerchantId,
  survivor: ContactId,
  loser: ContactId,
): Promise<void> {
  const boxes = await tx<Box[]>`
    select id, contact_id as "contactId", phone_id as "phoneId", last_seq::float8 as "lastSeq", handled_seq::float8 as "handledSeq", lane_seq::float8 as "laneSeq", merged_into as "mergedInto"
    from mailbox where merchant_id = ${merchantId} and kind = 'conversation' and contact_id = any(${[survivor, loser]}) order by merchant_id, phone_id, contact_id for update`;
  for (const box of boxes.filter((candidate) => candidate.contactId === loser && !candidate.mergedInto)) {
    const target = boxes.find(
      (candidate) => candidate.contactId === survivor && candidate.phoneId === box.phoneId && !candidate.mergedInto,
    );
    if (target) await mergeBox(tx, box, target);
    else
      await tx`update mailbox set contact_id = ${survivor}, fence_seq = last_seq + 1, last_seq = last_seq + 1, token = null, lease_until = null where id = ${box.id}`;
  }
  await tx`update outbox set contact_id = ${survivor} where contact_id = ${loser}`;
  await tx`update outbox_due set contact_id = ${survivor} where contact_id = ${loser}`;
  await tx`update send_attempt set contact_id = ${survivor} where contact_id = ${loser} and state in ('sending', 'unknown')`;
  await tx`insert into portfolio_recipient (merchant_id, portfolio_id, contact_id, last_at) select merchant_id, portfolio_id, ${survivor}, last_at from portfolio_recipient where contact_id = ${loser} and merchant_id = ${merchantId}
    on conflict (merchant_id, portfolio_id, contact_id) do update set last_at = greatest(portfolio_recipient.last_at, excluded.last_at)`;
  await tx`delete from portfolio_recipient where contact_id = ${loser} and merchant_id = ${merchantId}`;
  await tx`update contact_identity set contact_id = ${survivor} where contact_id = ${loser}`;
  await moveNames(tx, keys, survivor, loser);
  await tx`update contact s set unreachable = least(s.unreachable, l.unreachable), disclosed_at = least(s.disclosed_at, l.disclosed_at),
      language = coalesce(s.language, l.language), country = coalesce(s.country, l.country), zone = coalesce(s.zone, l.zone)
    from contact l where s.id = ${survivor} and l.id = ${loser}`;
  await tx`update contact set merged_into = ${survivor} where id = ${loser}`;
}

/** What only the loser's row knew, sealed anew: a ciphertext is bound to its row. */
async function moveNames(tx: Tx, keys: MerchantKeys, survivor: ContactId, loser: ContactId): Promise<void> {
  const rows = await tx<
    { id: ContactId; phone: Uint8Array | null; bsuid: Uint8Array | null; name: Uint8Array | null }[]
  >`
    select id, phone_ct as phone, bsuid_ct as bsuid, name_ct as name from contact where id = any(${[survivor, loser]})`;
  const from = rows.find((row) => row.id === loser)!;
  const into = rows.find((row) => row.id === survivor)!;
  const moved = (column: "phone" | "bsuid" | "name") =>
    into[column] ??
    (from[column] &&
      keys.seal("contact", `${column}_ct`, survivor, keys.open("contact", `${column}_ct`, loser, from[column])));
  await tx`update contact set phone_ct = ${moved("phone")}, bsuid_ct = ${moved("bsuid")}, name_ct = ${moved("name")} where id = ${survivor}`;
}

async function mergeBox(tx: Tx, from: Box, into: Box): Promise<void> {
  const pending = await tx<
    { id: string }[]
  >`select id from inbox where conversation_id = ${from.id} and seq > ${from.handledSeq} and state = 'kept' order by seq`;
  await tx`update inbox i set conversation_id = ${into.id}, seq = ${into.lastSeq} + t.n from unnest(${pending.map((row) => row.id)}::uuid[]) with ordinality as t (id, n) where i.id = t.id`;
  await tx`update inbox set conversation_id = ${into.id}, seq = null where conversation_id = ${from.id}`;
  const last = into.lastSeq + pending.length + 1;
  await tx`update mailbox s set last_seq = ${last}, fence_seq = ${last}, lane_seq = s.lane_seq + l.lane_seq, due_at = least(s.due_at, l.due_at), window_at = greatest(s.window_at, l.window_at),
      human_since = greatest(s.human_since, l.human_since), window_closed_at = greatest(s.window_closed_at, l.window_closed_at), token = null, lease_until = null
    from mailbox l where s.id = ${into.id} and l.id = ${from.id}`;
  await tx`update mailbox set merged_into = ${into.id}, due_at = 'infinity', token = null, lease_until = null where id = ${from.id}`;
  // The loser's lane queues up behind the survivor's: no two heads share a place.
  await tx`update outbox set conversation_id = ${into.id}, lane = case when lane is null then null else ${into.id}::uuid end, lane_seq = lane_seq + ${into.laneSeq} where conversation_id = ${from.id}`;
  await tx`update outbox_due set lane = ${into.id}, lane_seq = lane_seq + ${into.laneSeq} where lane = ${from.id}`;
  await tx`update send_attempt set conversation_id = ${into.id} where conversation_id = ${from.id}`;
  await tx`update held_answer set conversation_id = ${into.id} where conversation_id = ${from.id}`;
}
