import type { OutboxId } from "../domain/ids.ts";
import type { OutboxReason } from "../policy/reasons.ts";
import { HELD_TEXT_MS } from "../policy/template-fallback.ts";
import type { DecideStatus } from "../ports.ts";
import { makeDue } from "./attempts.ts";
import { transaction } from "./database.ts";
import { returnIdle } from "./handoffs.ts";
import { sweepParked } from "./statuses.ts";
import type { Store } from "./store.ts";

/** Small chores of one merchant, each safe to do twice and in any process: parked statuses, held texts past their time. What has grown old goes hourly (`retention.ts`). */
export async function upkeepOnce(store: Store, decide: DecideStatus): Promise<void> {
  for (const merchantId of await store.merchants.all()) {
    const keys = await store.keyring.of(merchantId);
    await transaction(store.sql, [merchantId], (tx) => sweepParked(store, tx, keys, decide));
    await returnIdle(store, merchantId);
    const expired = new Date(store.clock.now().getTime() - HELD_TEXT_MS);
    await transaction(store.sql, [merchantId], async (tx) => {
      await tx`with old as (update held_answer set state = 'expired', closed_at = clock_timestamp() where merchant_id = ${merchantId} and state = 'held' and created_at < ${expired} returning id)
        delete from outbox o using old where o.held_id = old.id and o.state = 'held' and not exists (select 1 from send_attempt a where a.outbox_id = o.id)`;
    });
  }
}

/** The business clock was moved, or a restriction was lifted: every waiting row (or those that wait for one reason) is weighed again now. */
export async function reweighDeferred(store: Store, reason?: OutboxReason): Promise<number> {
  let count = 0;
  for (const merchantId of await store.merchants.all())
    count += await transaction(store.sql, [merchantId], async (tx) => {
      const rows = await tx<
        { id: OutboxId }[]
      >`select id from outbox where merchant_id = ${merchantId} and state = 'deferred' and state_reason = coalesce(${reason ?? null}, state_reason) order by id`;
      for (const row of rows) await makeDue(tx, row.id, 0);
      return rows.length;
    });
  if (count > 0) store.nudge("sender");
  return count;
}
