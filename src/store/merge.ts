import type { ContactId, ConversationId, MerchantId } from "../domain/ids.ts";
import { type Tx, transaction } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import type { Store } from "./store.ts";

type Box = {
  id: ConversationId;
  contactId: ContactId;
  phoneId: string;
  lastSeq: number;
  handledSeq: number;
  windowAt: Date | null;
  humanSince: Date | null;
  dueAt: Date;
  mergedInto: string | null;
};

/**
 * Two contacts turn out to be one person. The older survives: it takes the other's identities, unhandled events
 * (numbered anew, which supersedes running drafts), queued rows, the latest window and human mode. Consent needs no move:
 * it hangs on identities, and the union of identities is the union of stops. Doing it twice changes nothing.
 */
export async function mergeContacts(
  store: Store,
  merchantId: MerchantId,
  a: ContactId,
  b: ContactId,
): Promise<ContactId> {
  const [survivor, loser] = a < b ? [a, b] : [b, a];
  const keys = await store.keyring.of(merchantId);
  await transaction(store.sql, [merchantId], async (tx) => {
    const contacts = await tx<{ id: ContactId; mergedInto: ContactId | null }[]>`
      select id, merged_into as "mergedInto" from contact where id = any(${[survivor, loser]}) order by id for update`;
    if (contacts.length < 2 || contacts.some((contact) => contact.mergedInto !== null)) return;
    const boxes = await tx<Box[]>`
      select id, contact_id as "contactId", phone_id as "phoneId", last_seq::float8 as "lastSeq", handled_seq::float8 as "handledSeq", window_at as "windowAt",
        human_since as "humanSince", due_at as "dueAt", merged_into as "mergedInto"
      from mailbox where merchant_id = ${merchantId} and kind = 'conversation' and contact_id = any(${[survivor, loser]}) order by id for update`;
    for (const box of boxes.filter((candidate) => candidate.contactId === loser && !candidate.mergedInto)) {
      const target = boxes.find((candidate) => candidate.contactId === survivor && candidate.phoneId === box.phoneId);
      if (target) await mergeBox(tx, box, target);
      else
        await tx`update mailbox set contact_id = ${survivor}, fence_seq = last_seq + 1, last_seq = last_seq + 1 where id = ${box.id}`;
    }
    await tx`update outbox set contact_id = ${survivor} where contact_id = ${loser}`;
    await tx`update outbox_due set contact_id = ${survivor} where contact_id = ${loser}`;
    await tx`update contact_identity set contact_id = ${survivor} where contact_id = ${loser}`;
    await moveNames(tx, keys, survivor, loser);
    await tx`update contact s set unreachable = greatest(s.unreachable, l.unreachable), disclosed_at = least(s.disclosed_at, l.disclosed_at),
        language = coalesce(s.language, l.language), country = coalesce(s.country, l.country), zone = coalesce(s.zone, l.zone)
      from contact l where s.id = ${survivor} and l.id = ${loser}`;
    await tx`update contact set merged_into = ${survivor} where id = ${loser}`;
  });
  store.nudge("turns");
  return survivor;
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
  const first = into.lastSeq;
  await tx`update inbox i set conversation_id = ${into.id}, seq = ${first} + t.n
    from unnest(${pending.map((row) => row.id)}::uuid[]) with ordinality as t (id, n) where i.id = t.id`;
  await tx`update inbox set conversation_id = ${into.id}, seq = null where conversation_id = ${from.id}`;
  const last = first + pending.length + 1;
  await tx`update mailbox s set last_seq = ${last}, fence_seq = ${last}, due_at = least(s.due_at, l.due_at), window_at = greatest(s.window_at, l.window_at),
      human_since = coalesce(s.human_since, l.human_since), window_closed_at = greatest(s.window_closed_at, l.window_closed_at)
    from mailbox l where s.id = ${into.id} and l.id = ${from.id}`;
  await tx`update mailbox set merged_into = ${into.id}, due_at = 'infinity', token = null, lease_until = null where id = ${from.id}`;
  await tx`update outbox set conversation_id = ${into.id}, lane = case when lane is null then null else ${into.id}::uuid end where conversation_id = ${from.id}`;
  await tx`update outbox_due set lane = ${into.id} where lane = ${from.id}`;
}
