import type { MessageContent } from "../domain/event.ts";
import type { MerchantId } from "../domain/ids.ts";
import type { MerchantConfig } from "../domain/merchant.ts";
import { textOfContent } from "../policy/inbound.ts";
import type { Delivery, DeliverySource } from "../ports.ts";
import { type Tx, transaction } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import type { Store } from "./store.ts";

/** How long a target may be away before what waits for it is given up, and how much may wait. */
const KEEP_HOURS = 72;
const MAX_WAITING = 100_000;
const LEASE_S = 60;

/** Waits between tries, in seconds; the last one repeats. */
const WAITS = [5, 30, 120, 600, 1800, 3600];

export function createDeliveries(store: Store): DeliverySource {
  return {
    async claimDeliveries(limit) {
      const found: Delivery[] = [];
      for (const merchantId of await store.merchants.all()) {
        const { config } = await store.merchants.get(merchantId);
        if (config.webhook) found.push(...(await claim(store, merchantId, config, limit)));
      }
      return found;
    },
    settleDelivery: (delivery, status) => settle(store, delivery, status),
  };
}

type Row = { id: string; kind: string; refId: string; tries: number; createdAt: Date };

async function claim(store: Store, merchantId: MerchantId, config: MerchantConfig, limit: number): Promise<Delivery[]> {
  const keys = await store.keyring.of(merchantId);
  return transaction(store.sql, [merchantId], async (tx) => {
    const rows = await tx<Row[]>`
      update webhook_delivery d set tries = d.tries + 1, next_try_at = clock_timestamp() + ${LEASE_S} * interval '1 s'
      from (select id from webhook_delivery where merchant_id = ${merchantId} and state = 'due' and next_try_at <= clock_timestamp() order by next_try_at limit ${limit} for update skip locked) due
      where d.id = due.id returning d.id, d.kind, d.ref_id as "refId", d.tries, d.created_at as "createdAt"`;
    const found: Delivery[] = [];
    for (const row of rows)
      found.push({
        id: row.id,
        merchantId,
        kind: row.kind,
        tries: row.tries,
        url: config.webhook!.url,
        secretEnv: config.webhook!.secret.env,
        payload: {
          id: row.id,
          type: row.kind,
          merchant: config.slug,
          created_at: row.createdAt.toISOString(),
          data: (await dataOf(tx, keys, row, config.webhook!.texts)) ?? { erased: true },
        },
      });
    return found;
  });
}

/** What is told: ids, kinds, reasons and times; the customer's words only where the merchant asked for them. */
async function dataOf(tx: Tx, keys: MerchantKeys, row: Row, withTexts: boolean): Promise<unknown> {
  if (row.kind === "notice") {
    const [notice] = await tx<
      { detail: unknown }[]
    >`select kind, conversation_id as conversation, detail, count, created_at as at from notice where id = ${row.refId}`;
    return notice;
  }
  if (row.kind === "decision") {
    const [decision] =
      await tx`select subject, conversation_id as conversation, turn_id as turn, outbox_id as message, step, type, reason, versions, usage, latency_ms as "latencyMs", decided_at as at from decision where id = ${row.refId}`;
    return decision;
  }
  const [event] = await tx<
    { id: string; body: Uint8Array | null }[]
  >`select id, conversation_id as conversation, type, event_at as at, body_ct as body from inbox where id = ${row.refId}`;
  if (!event) return undefined;
  const { body, ...told } = event;
  return withTexts && body && body.length > 0 ? { ...told, text: textIn(keys, event.id, body) } : told;
}

function textIn(keys: MerchantKeys, id: string, body: Uint8Array): string | undefined {
  const { content } = JSON.parse(keys.open("inbox", "body_ct", id, body)) as { content?: MessageContent };
  return content && textOfContent(content);
}

/** 2xx ends it; anything else is tried again, for three days. */
async function settle(store: Store, { id, merchantId, tries }: Delivery, status: number | undefined): Promise<void> {
  const isTold = status !== undefined && status >= 200 && status < 300;
  const wait = WAITS[Math.min(tries, WAITS.length) - 1]!;
  await transaction(store.sql, [merchantId], (tx) =>
    isTold
      ? tx`update webhook_delivery set state = 'delivered', last_status = ${status}, delivered_at = clock_timestamp() where id = ${id}`
      : tx`update webhook_delivery set last_status = ${status ?? null}, state = case when created_at < clock_timestamp() - ${KEEP_HOURS} * interval '1 hour' then 'failed' else 'due' end,
          next_try_at = clock_timestamp() + ${wait} * interval '1 s' where id = ${id} and state = 'due'`,
  );
}

/** Bounded: what was told goes after a day, what nobody took after its time, and never more than so many wait. */
export async function trimDeliveries(tx: Tx, merchantId: MerchantId): Promise<void> {
  await tx`delete from webhook_delivery where merchant_id = ${merchantId} and ((state = 'delivered' and delivered_at < clock_timestamp() - interval '1 day') or created_at < clock_timestamp() - interval '30 days')`;
  await tx`update webhook_delivery set state = 'failed' where id in (select id from webhook_delivery where merchant_id = ${merchantId} and state = 'due' order by created_at desc offset ${MAX_WAITING})`;
}
