import type { WebhookEvent } from "../domain/event.ts";
import type { ContactId, ConversationId, EventId, MerchantId } from "../domain/ids.ts";
import { newId } from "../domain/ids.ts";
import type { Behaviour } from "../policy/event-behaviour.ts";
import type { Tx } from "./database.ts";

export type ChatItem = {
  id: EventId;
  merchantId: MerchantId;
  phoneId: string;
  contactId: ContactId;
  behaviour: Behaviour;
  event: WebhookEvent;
  isCommand: boolean;
  burst: { windowMs: number; capMs: number };
  receivedAt: Date;
};

export type Boxes = {
  seqOf: Map<EventId, { conversationId: ConversationId; seq: number | undefined }>;
  /** A conversation was merged away meanwhile: the batch is tried again. */
  isMerged: boolean;
  /** Contacts whose conversation was made just now; `isAnyMerged` must still be asked of them. */
  newContacts: ContactId[];
  isDue: boolean;
};

type Group = { key: string; first: ChatItem; items: ChatItem[]; numbered: ChatItem[] };

/**
 * One sorted upsert takes the row lock of every conversation in the batch, moves `last_seq` and says when the agent is
 * due; the returned `last_seq` numbers the events while the lock is held, so no event is ever numbered below a
 * watermark that a turn has already passed. Dies here: the transaction is gone and Meta delivers again.
 */
export async function upsertMailboxes(tx: Tx, items: readonly ChatItem[]): Promise<Boxes> {
  const groups = grouped(items);
  const seqOf: Boxes["seqOf"] = new Map();
  if (groups.length === 0) return { seqOf, isMerged: false, newContacts: [], isDue: false };
  const rows = await tx<
    {
      id: ConversationId;
      merchantId: string;
      phoneId: string;
      contactId: ContactId;
      lastSeq: number;
      isNew: boolean;
      isMerged: boolean;
    }[]
  >`
    insert into mailbox as m (id, merchant_id, kind, phone_id, contact_id, last_seq, fence_seq, due_at, burst_until, window_at, human_since)
    select t.id, t.merchant_id, 'conversation', t.phone_id, t.contact_id, t.events, t.fence,
      case t.due when 'now' then clock_timestamp() when 'burst' then clock_timestamp() + t.window_ms * interval '1 ms' else 'infinity' end,
      case t.due when 'burst' then clock_timestamp() + t.cap_ms * interval '1 ms' end,
      t.window_at, t.human_since
    from unnest(
      ${groups.map(() => newId())}::uuid[], ${groups.map((g) => g.first.merchantId)}::uuid[], ${groups.map((g) => g.first.phoneId)}::uuid[], ${groups.map((g) => g.first.contactId)}::uuid[],
      ${groups.map((g) => g.numbered.length)}::int[], ${groups.map(fenceOf)}::int[], ${groups.map(dueOf)}::text[], ${groups.map((g) => g.first.burst.windowMs)}::int[],
      ${groups.map((g) => g.first.burst.capMs)}::int[], ${groups.map(windowOf)}::timestamptz[], ${groups.map(humanOf)}::timestamptz[]
    ) as t (id, merchant_id, phone_id, contact_id, events, fence, due, window_ms, cap_ms, window_at, human_since)
    order by t.merchant_id, t.phone_id, t.contact_id
    on conflict (merchant_id, kind, phone_id, contact_id) do update set
      last_seq = m.last_seq + excluded.last_seq,
      fence_seq = case when excluded.fence_seq > 0 then m.last_seq + excluded.fence_seq else m.fence_seq end,
      burst_until = case
        when excluded.burst_until is null and excluded.due_at < 'infinity' then clock_timestamp()
        when excluded.burst_until is null then m.burst_until
        else coalesce(m.burst_until, excluded.burst_until) end,
      backoff_until = case when excluded.burst_until is null and excluded.due_at < 'infinity' then null else m.backoff_until end,
      due_at = case
        when excluded.due_at = 'infinity' then m.due_at
        when excluded.burst_until is null then least(m.due_at, excluded.due_at)
        when m.token is null and m.due_at <= clock_timestamp() then m.due_at
        else greatest(least(coalesce(m.burst_until, excluded.burst_until), excluded.due_at), m.backoff_until) end,
      window_at = greatest(m.window_at, excluded.window_at),
      human_since = greatest(m.human_since, excluded.human_since)
    returning id, merchant_id as "merchantId", phone_id as "phoneId", contact_id as "contactId", last_seq::float8 as "lastSeq", (xmax = 0) as "isNew", merged_into is not null as "isMerged"`;
  const byKey = new Map(rows.map((row) => [`${row.merchantId}|${row.phoneId}|${row.contactId}`, row]));
  for (const group of groups) {
    const row = byKey.get(group.key)!;
    for (const item of group.items) seqOf.set(item.id, { conversationId: row.id, seq: undefined });
    for (const [index, item] of group.numbered.entries())
      seqOf.set(item.id, { conversationId: row.id, seq: row.lastSeq - group.numbered.length + index + 1 });
  }
  return {
    seqOf,
    isMerged: rows.some((row) => row.isMerged),
    newContacts: rows.filter((row) => row.isNew).map((row) => row.contactId),
    isDue: groups.some((group) => dueOf(group) !== "never"),
  };
}

/** A merge or an erasure cannot see a mailbox that is just being made, so a new one makes sure that its contact still stands. */
export async function isAnyMerged(tx: Tx, contactIds: ContactId[]): Promise<boolean> {
  if (contactIds.length === 0) return false;
  const rows = await tx<
    { merged: boolean }[]
  >`select merged_into is not null or erased_at is not null as merged from contact where id = any(${contactIds}) order by id for key share`;
  return rows.some((row) => row.merged);
}

function grouped(items: readonly ChatItem[]): Group[] {
  const groups = new Map<string, Group>();
  for (const item of items) {
    const key = `${item.merchantId}|${item.phoneId}|${item.contactId}`;
    const group = groups.get(key) ?? { key, first: item, items: [], numbered: [] };
    groups.set(key, group);
    group.items.push(item);
    if (item.behaviour.seq) group.numbered.push(item);
  }
  return [...groups.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
}

/** Position within the batch of the last event that nothing may overtake; 0 = none. */
function fenceOf(group: Group): number {
  return group.numbered.findLastIndex((item) => item.behaviour.fence || item.isCommand) + 1;
}

function dueOf(group: Group): "now" | "burst" | "never" {
  if (group.items.some((item) => item.behaviour.due === "now" || item.isCommand)) return "now";
  return group.items.some((item) => item.behaviour.due === "burst") ? "burst" : "never";
}

/** A window starts at the message's time or its arrival, whichever is earlier: a clock ahead of ours buys nothing. */
function windowOf(group: Group): string | null {
  const times = group.items
    .filter((item) => item.behaviour.window)
    .map((item) => Math.min(item.event.at.getTime(), item.receivedAt.getTime()));
  return times.length > 0 ? new Date(Math.max(...times)).toISOString() : null;
}

function humanOf(group: Group): string | null {
  const taken = group.items.filter(
    (item) => item.behaviour.fence && (item.event.kind === "echo" || item.event.kind === "handover"),
  );
  return taken.length > 0 ? new Date(Math.max(...taken.map((item) => item.event.at.getTime()))).toISOString() : null;
}

export type InboxRow = {
  id: EventId;
  merchantId: MerchantId;
  conversationId: ConversationId | string | undefined;
  seq: number | undefined;
  kind: string;
  type: string;
  eventAt: Date;
  receivedAt: Date;
  wamidHash: Buffer | undefined | "";
  targetHash: Buffer | undefined | "";
  body: Buffer;
  raw: Buffer;
};

export async function insertInbox(tx: Tx, rows: readonly InboxRow[]): Promise<void> {
  if (rows.length === 0) return;
  await tx`
    insert into inbox (id, merchant_id, conversation_id, seq, kind, type, event_at, received_at, wamid_hash, target_hash, body_ct, raw_ct)
    select id, merchant_id, conversation_id, seq, kind, type, event_at, received_at, decode(wamid, 'hex'), decode(target, 'hex'), decode(body, 'base64'), decode(raw, 'base64')
    from unnest(
      ${rows.map((r) => r.id)}::uuid[], ${rows.map((r) => r.merchantId)}::uuid[], ${rows.map((r) => r.conversationId ?? null)}::uuid[], ${rows.map((r) => r.seq ?? null)}::bigint[],
      ${rows.map((r) => r.kind)}::text[], ${rows.map((r) => r.type)}::text[], ${rows.map((r) => r.eventAt.toISOString())}::timestamptz[], ${rows.map((r) => r.receivedAt.toISOString())}::timestamptz[],
      ${rows.map((r) => (r.wamidHash ? r.wamidHash.toString("hex") : null))}::text[], ${rows.map((r) => (r.targetHash ? r.targetHash.toString("hex") : null))}::text[],
      ${rows.map((r) => r.body.toString("base64"))}::text[], ${rows.map((r) => r.raw.toString("base64"))}::text[]
    ) as t (id, merchant_id, conversation_id, seq, kind, type, event_at, received_at, wamid, target, body, raw)`;
}
