import type { Content } from "../domain/draft.ts";
import type { ConversationId, MerchantId } from "../domain/ids.ts";
import { identitiesOf, type Person } from "../domain/person.ts";
import { type Standing, standing } from "../policy/consent.ts";
import { windowEnd } from "../policy/service-window.ts";
import { selectLedger } from "./consent-ledger.ts";
import { type Tx, transaction } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import type { Store } from "./store.ts";

/** A row of the outbox as a page shows it; `wamids` are those under which Meta took it. */
export type ChatRow = {
  id: string;
  state: string;
  stateReason: string;
  reason: string;
  purpose: string;
  author: string;
  content: Content;
  wamids: string[];
  dueInMs: number | null;
  /** Business time of its first weighing. */
  at: Date;
};

export type ChatView = {
  conversation: ConversationId | undefined;
  windowUntil: Date | undefined;
  humanUntil: Date | undefined;
  standing: Standing;
  rows: ChatRow[];
};

const ROW_LIMIT = 100;
const NOBODY: ChatView = {
  conversation: undefined,
  windowUntil: undefined,
  humanUntil: undefined,
  standing: standing([]),
  rows: [],
};

/** One conversation as it stands: window, hand-over, consent and its newest rows. Reads only: nobody is made a contact by it. */
export async function chatView(
  store: Store,
  merchantId: MerchantId,
  phoneNumberId: string,
  person: Person,
): Promise<ChatView> {
  const [keys, merchant] = await Promise.all([store.keyring.of(merchantId), store.merchants.get(merchantId)]);
  return transaction(store.sql, [merchantId], async (tx) => {
    const box = await boxOf(tx, keys, phoneNumberId, person);
    if (!box) return NOBODY;
    const humanUntil =
      box.humanSince && new Date(box.humanSince.getTime() + merchant.config.humanIdleHours * 3_600_000);
    return {
      conversation: box.id,
      windowUntil: windowEnd({ openedAt: box.windowAt ?? undefined, closedByMetaAt: box.windowClosedAt ?? undefined }),
      humanUntil: humanUntil && humanUntil > store.clock.now() ? humanUntil : undefined,
      standing: standing(await selectLedger(tx, merchantId, { phoneId: box.phoneId as never }, box.contactId as never)),
      rows: await rowsOf(tx, keys, box.id),
    };
  });
}

type Box = {
  id: ConversationId;
  phoneId: string;
  contactId: string;
  windowAt: Date | null;
  windowClosedAt: Date | null;
  humanSince: Date | null;
};

async function boxOf(tx: Tx, keys: MerchantKeys, phoneNumberId: string, person: Person): Promise<Box | undefined> {
  const hashes = identitiesOf(person).flatMap(({ kind, value }) =>
    keys.blindAll(`${kind}:${value}`).map((hash) => hash.toString("hex")),
  );
  const [box] = await tx<Box[]>`
    select m.id, m.phone_id as "phoneId", m.contact_id as "contactId", m.window_at as "windowAt", m.window_closed_at as "windowClosedAt", m.human_since as "humanSince"
    from contact_identity i join mailbox m on m.contact_id = i.contact_id and m.kind = 'conversation' and m.merged_into is null join phone p on p.id = m.phone_id
    where i.id_hash = any(select decode(h, 'hex') from unnest(${hashes}::text[]) h) and p.phone_number_id = ${phoneNumberId} limit 1`;
  return box;
}

async function rowsOf(tx: Tx, keys: MerchantKeys, conversationId: ConversationId): Promise<ChatRow[]> {
  const rows = await tx<
    (Omit<ChatRow, "content" | "wamids"> & { sealed: Uint8Array; tries: { id: string; wamid: string }[] | null })[]
  >`select o.id, o.state, coalesce(o.state_reason, '') as "stateReason", o.reason, o.purpose, o.author, o.content_ct as sealed,
      (extract(epoch from d.send_at - clock_timestamp()) * 1000)::float8 as "dueInMs",
      coalesce((select min(decided_at) from decision where outbox_id = o.id), o.created_at) as at,
      (select json_agg(json_build_object('id', a.id, 'wamid', encode(a.wamid_ct, 'base64'))) from send_attempt a where a.outbox_id = o.id and a.wamid_ct is not null) as tries
    from outbox o left join outbox_due d on d.outbox_id = o.id where o.conversation_id = ${conversationId} order by o.id desc limit ${ROW_LIMIT}`;
  return rows.reverse().map(({ sealed, tries, ...row }) => ({
    ...row,
    content: JSON.parse(keys.open("outbox", "content_ct", row.id, sealed)) as Content,
    wamids: (tries ?? []).map((attempt) =>
      keys.open("send_attempt", "wamid_ct", attempt.id, Buffer.from(attempt.wamid, "base64")),
    ),
  }));
}
