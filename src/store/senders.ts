import { firstIdAt, type MerchantId, newId, type PhoneId } from "../domain/ids.ts";
import { HEARTBEAT_MS, LEASE_MS } from "../domain/lease.ts";
import type { DueRow, SenderLease, SendSource } from "../ports.ts";
import { transaction } from "./database.ts";
import type { Store } from "./store.ts";

const SPAN_MS = 2 * HEARTBEAT_MS;

/** The sender's side of the mailbox: its row is only the lease; what is due stands in `outbox_due`. */
export function createSenders(store: Store): SendSource {
  const { sql } = store;
  return {
    async claimSenders(limit) {
      const token = newId();
      const rows = await sql<{ phoneId: PhoneId; merchantId: MerchantId }[]>`
        update mailbox m set token = ${token}, lease_until = clock_timestamp() + ${LEASE_MS} * interval '1 ms'
        from (select id from mailbox s where kind = 'sender' and (lease_until is null or lease_until < statement_timestamp())
          and exists (select 1 from outbox_due d where d.phone_id = s.phone_id and d.send_at <= statement_timestamp()) for update skip locked limit ${limit}) free
        where m.id = free.id returning m.phone_id as "phoneId", m.merchant_id as "merchantId"`;
      const leases: SenderLease[] = [];
      for (const row of rows)
        leases.push({
          phoneId: row.phoneId,
          merchantId: row.merchantId,
          token,
          mps: await mpsOf(store, row.merchantId, row.phoneId),
        });
      return leases;
    },
    async extend(leases) {
      const rows = await sql<{ phoneId: string }[]>`
        with mine as (select id from mailbox where kind = 'sender' and phone_id = any(${leases.map((lease) => lease.phoneId)}) and token = any(${leases.map((lease) => lease.token)}) and lease_until > clock_timestamp() order by id for update)
        update mailbox m set lease_until = clock_timestamp() + ${LEASE_MS} * interval '1 ms' from mine where m.id = mine.id returning m.phone_id as "phoneId"`;
      const received = rows.length > 0 ? await receivedPerSecond(store, leases) : new Map<string, number>();
      return new Map(rows.map((row) => [row.phoneId, received.get(row.phoneId) ?? 0]));
    },
    async release(leases) {
      if (leases.length === 0) return;
      await sql`update mailbox set token = null, lease_until = null where kind = 'sender' and phone_id = any(${leases.map((lease) => lease.phoneId)}) and token = any(${leases.map((lease) => lease.token)})`;
    },
    dueRows: (phoneId, limit) =>
      // Only the head of a lane: part n+1 waits until part n has its wamid or is terminal, that is, has left the index.
      sql<DueRow[]>`
        select d.outbox_id as "outboxId", d.merchant_id as "merchantId", d.phone_id as "phoneId" from outbox_due d
        where d.phone_id = ${phoneId} and d.send_at <= statement_timestamp() and (d.lane is null or not exists (select 1 from outbox_due e where e.lane = d.lane and e.lane_seq < d.lane_seq))
        order by d.send_at limit ${limit}`,
  };
}

/** Messages that came in per number and second over the last two heartbeats, whichever node took them in. */
async function receivedPerSecond(store: Store, leases: readonly SenderLease[]): Promise<Map<string, number>> {
  const merchantIds = [...new Set(leases.map((lease) => lease.merchantId))];
  const rows = await transaction(
    store.sql,
    merchantIds,
    (tx) => tx<{ phoneId: string; count: number }[]>`
      select m.phone_id as "phoneId", count(*)::int as count from inbox i join mailbox m on m.id = i.conversation_id
      where i.id > ${firstIdAt(Date.now() - SPAN_MS)} and i.kind = 'message' and m.phone_id = any(${leases.map((lease) => lease.phoneId)}) group by 1`,
  );
  return new Map(rows.map((row) => [row.phoneId, (row.count * 1000) / SPAN_MS]));
}

async function mpsOf(store: Store, merchantId: string, phoneId: PhoneId): Promise<number> {
  const [row] = await transaction(
    store.sql,
    [merchantId],
    (tx) => tx<{ mps: number }[]>`select throughput_mps as mps from phone where id = ${phoneId}`,
  );
  return row?.mps ?? 80;
}
