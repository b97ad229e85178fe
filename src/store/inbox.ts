import type { StatusEvent, WebhookEvent } from "../domain/event.ts";
import { type ContactId, type EventId, type MerchantId, newId, SYSTEM_MERCHANT } from "../domain/ids.ts";
import type { Person } from "../domain/person.ts";
import { errorCode } from "../errors.ts";
import type { DecideStatus, InboxPort, Incoming, Kept } from "../ports.ts";
import { type Tx, transaction } from "./database.ts";
import type { Identities, Wanted } from "./identities.ts";
import { GroupCommit, type Request } from "./ingest.ts";
import type { MerchantKeys } from "./keyring.ts";
import { type InboxRow, insertInbox, isAnyMerged, upsertMailboxes } from "./mailbox-write.ts";
import { mergeContacts } from "./merge.ts";
import { findStatuses, recordStatuses } from "./statuses.ts";
import type { Store } from "./store.ts";
import { applyAccountEvent, applyTemplateEvent } from "./upkeep.ts";

/** An event with everything that could be prepared before the transaction. */
type Item = {
  incoming: Incoming;
  id: EventId;
  merchantId: MerchantId;
  keyHash: string;
  keys: MerchantKeys;
  wanted: Wanted | undefined;
  phoneId: string | undefined;
  wabaId: string | undefined;
  contactId: ContactId | undefined;
  burst: { windowMs: number; capMs: number };
  receivedAt: Date;
};

/** A contact was merged away or erased while its event was on the way: the batch is tried again with fresh identities. */
class StaleContact extends Error {}

/** Keeps what Meta delivered: each event once, numbered into its conversation, durable before the 200. */
export function createInbox(
  store: Store,
  identities: Identities,
  options: { burstWindowMs?: number | undefined } = {},
): InboxPort & { idle: () => Promise<void> } {
  let decideStatus: DecideStatus | undefined;
  const group = new GroupCommit<Item>((requests, written) =>
    writeBatch(store, identities, requests, decideStatus!, written),
  );

  return {
    async keep(incoming, receivedAt, decide) {
      decideStatus = decide;
      const items: Item[] = [];
      let unrouted = 0;
      for (const one of incoming) {
        const item = await prepare(store, one, receivedAt, options.burstWindowMs);
        if (item) items.push(item);
        else {
          unrouted++;
          await keepUnrouted(
            store,
            "unknown-number-or-waba",
            JSON.stringify({ field: one.event.kind, route: one.event.route, raw: one.event.raw }),
          );
        }
      }
      if (items.length === 0) return { kept: 0, duplicates: 0, unrouted };
      const kept = await group.add(items);
      return { ...kept, unrouted };
    },
    keepUnparsable: (body) => keepUnrouted(store, "unparsable", Buffer.from(body).toString("utf8")),
    idle: () => group.idle(),
  };
}

async function prepare(
  store: Store,
  incoming: Incoming,
  receivedAt: Date,
  burstWindowMs: number | undefined,
): Promise<Item | undefined> {
  const { event } = incoming;
  const route = await store.merchants.route(event.route);
  if (!route) return undefined;
  const [keys, merchant] = await Promise.all([
    store.keyring.of(route.merchantId),
    store.merchants.get(route.merchantId),
  ]);
  const who = personOf(event);
  const belongsToChat =
    route.phoneId !== undefined &&
    who !== undefined &&
    (incoming.behaviour.seq || incoming.behaviour.window || event.kind === "message");
  return {
    incoming,
    id: newId<EventId>(),
    merchantId: route.merchantId,
    keyHash: keys.blind(`event:${event.key}`).toString("hex"),
    keys,
    wanted: belongsToChat ? { merchantId: route.merchantId, portfolioId: route.portfolioId, person: who } : undefined,
    phoneId: route.phoneId,
    wabaId: route.wabaId,
    contactId: undefined,
    burst: { windowMs: burstWindowMs ?? merchant.config.burst.windowMs, capMs: merchant.config.burst.capMs },
    receivedAt,
  };
}

/** Whom an event is about, where it belongs to a conversation. */
function personOf(event: WebhookEvent): Person | undefined {
  switch (event.kind) {
    case "message":
    case "preference":
      return hasId(event.from);
    case "echo":
      return hasId(event.to);
    case "handover":
    case "standby":
      return hasId(event.with);
    case "call":
      return event.from && hasId(event.from);
    default:
      return undefined;
  }
}

function hasId(person: Person): Person | undefined {
  return person.waId || person.bsuid ? person : undefined;
}

async function writeBatch(
  store: Store,
  identities: Identities,
  requests: Request<Item>[],
  decide: DecideStatus,
  written: () => void,
): Promise<Kept[]> {
  const items = requests.flatMap((request) => request.items);
  for (let attempt = 1; ; attempt++) {
    try {
      const fresh = await writeOnce(store, identities, items, decide, written);
      return requests.map(({ items: own }) => {
        const kept = own.filter((item) => fresh.has(item.id)).length;
        return { kept, duplicates: own.length - kept, unrouted: 0 };
      });
    } catch (err) {
      // Two batches met over one person more often than a transaction tries by itself: nothing was kept, so once more.
      const isMeeting = err instanceof StaleContact || errorCode(err) === "database/40P01";
      if (!isMeeting || attempt === 5) throw err;
      identities.forget();
    }
  }
}

async function writeOnce(
  store: Store,
  identities: Identities,
  items: Item[],
  decide: DecideStatus,
  written: () => void,
): Promise<Set<EventId>> {
  // Before the event keys: dying in between, the redelivered rotation is merged again, not forgotten.
  await mergeRotated(store, identities, items);
  const inChats = items.filter((item) => item.wanted);
  const contacts = await identities.resolve(inChats.map((item) => item.wanted!));
  for (const [index, item] of inChats.entries()) item.contactId = contacts[index]!;
  const merchantIds = [...new Set(items.map((item) => item.merchantId))];
  let isTurnDue = false;
  let isJobDue = false;
  const fresh = await transaction(store.sql, merchantIds, async (tx) => {
    const freshItems = await insertKeys(tx, items);
    const statusItems = freshItems
      .filter((item) => item.incoming.event.kind === "status")
      .map((item) => ({ keys: item.keys, event: item.incoming.event as StatusEvent, wabaId: item.wabaId }));
    const attempts = statusItems.length > 0 ? await findStatuses(tx, statusItems) : new Map();
    const chats = freshItems.filter((item) => item.contactId && item.phoneId);
    const boxes = await upsertMailboxes(
      tx,
      chats.map((item) => ({
        ...item,
        contactId: item.contactId!,
        phoneId: item.phoneId!,
        behaviour: item.incoming.behaviour,
        event: item.incoming.event,
        isCommand: item.incoming.isCommand,
      })),
    );
    if (boxes.isMerged) throw new StaleContact();
    isTurnDue = boxes.isDue;
    const [isStale] = await Promise.all([
      isAnyMerged(tx, boxes.newContacts),
      insertInbox(
        tx,
        freshItems
          .filter((item) => item.incoming.event.kind !== "status" || isOdd(item.incoming.event))
          .map((item) => inboxRow(item, boxes.seqOf.get(item.id))),
      ),
    ]);
    if (isStale) throw new StaleContact();
    if (statusItems.length > 0) await recordStatuses(store, tx, statusItems, attempts, decide);
    for (const item of freshItems) {
      if (item.incoming.event.kind === "template")
        await applyTemplateEvent(tx, item.merchantId, item.wabaId, item.incoming.event);
      if (item.incoming.event.kind === "account")
        await applyAccountEvent(tx, item.merchantId, item.wabaId, item.phoneId, item.incoming.event);
      isJobDue ||= item.incoming.event.kind === "template" || item.incoming.event.kind === "account";
    }
    written();
    return freshItems;
  });
  if (isTurnDue) store.nudge("turns");
  if (isJobDue) store.nudge("jobs");
  store.nudge("sender");
  return new Set(fresh.map((item) => item.id));
}

/** Statuses that fit our model are kept as attempt state; only what we do not understand is kept whole. */
function isOdd(event: StatusEvent): boolean {
  return event.status === "unsupported" || event.isGroup;
}

/** The event keys decide what is new: two deliveries of one event race here, and one of them finds its key taken. */
async function insertKeys(tx: Tx, items: Item[]): Promise<Item[]> {
  const byKey = new Map<string, Item>();
  for (const item of items) if (!byKey.has(item.keyHash)) byKey.set(item.keyHash, item);
  const unique = [...byKey.values()];
  const rows = await tx<{ key: string }[]>`
    insert into event_key (merchant_id, key_hash) select m, decode(k, 'hex')
    from unnest(${unique.map((item) => item.merchantId)}::uuid[], ${unique.map((item) => item.keyHash)}::text[]) as t (m, k) order by m, k
    on conflict do nothing returning encode(key_hash, 'hex') as key`;
  const fresh = new Set(rows.map((row) => row.key));
  return unique.filter((item) => fresh.has(item.keyHash));
}

function inboxRow(item: Item, place: { conversationId: string; seq: number | undefined } | undefined): InboxRow {
  const { event } = item.incoming;
  const { raw, route: _route, key: _key, at, ...body } = event;
  const wamid = "wamid" in event ? event.wamid : undefined;
  const target =
    event.kind === "message" && "target" in event.content
      ? event.content.target
      : event.kind === "message"
        ? event.replyTo
        : undefined;
  return {
    id: item.id,
    merchantId: item.merchantId,
    conversationId: place?.conversationId,
    seq: place?.seq,
    kind: event.kind,
    type: event.kind === "message" ? event.content.type : "name" in event ? String(event.name) : event.kind,
    eventAt: at,
    receivedAt: item.receivedAt,
    wamidHash: wamid && item.keys.blind(`wamid:${wamid}`),
    targetHash: target && item.keys.blind(`wamid:${target}`),
    body: item.keys.seal("inbox", "body_ct", item.id, JSON.stringify(body)),
    raw: item.keys.seal("inbox", "raw_ct", item.id, JSON.stringify(raw)),
  };
}

/** A rotation message names an old and a new id: they are one person from now on. */
async function mergeRotated(store: Store, identities: Identities, items: Item[]): Promise<void> {
  for (const { incoming, merchantId, wanted } of items) {
    if (incoming.event.kind !== "message" || incoming.event.content.type !== "system" || !wanted) continue;
    const { previous, current } = incoming.event.content;
    const people = [current, previous].filter((person) => person.waId || person.bsuid);
    const [first, second] = await identities.resolve(people.map((person) => ({ ...wanted, person })));
    if (!first || !second || first === second) continue;
    await mergeContacts(store, merchantId, first, second, current);
    identities.forget();
  }
}

async function keepUnrouted(store: Store, reason: string, body: string): Promise<void> {
  const keys = await store.keyring.of(SYSTEM_MERCHANT);
  const id = newId();
  await transaction(
    store.sql,
    [SYSTEM_MERCHANT],
    (tx) =>
      tx`insert into inbox_unrouted (id, merchant_id, reason, body_ct) values (${id}, ${SYSTEM_MERCHANT}, ${reason}, ${keys.seal("inbox_unrouted", "body_ct", id, body)})`,
  );
  store.logger.warn({ event: id, reason }, "event kept that belongs to nobody");
}
