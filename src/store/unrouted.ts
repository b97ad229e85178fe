import { SYSTEM_MERCHANT } from "../domain/ids.ts";
import { transaction } from "./database.ts";
import type { Store } from "./store.ts";

const LOOK_BACK = 500;

/** Whether an event that belongs to nobody and holds `marker` arrived in the last minute; it is taken away, so that a test leaves nothing. */
export async function takeUnrouted(store: Store, marker: string): Promise<boolean> {
  const keys = await store.keyring.of(SYSTEM_MERCHANT);
  return transaction(store.sql, [SYSTEM_MERCHANT], async (tx) => {
    const rows = await tx<
      { id: string; body: Uint8Array }[]
    >`select id, body_ct as body from inbox_unrouted where received_at > clock_timestamp() - interval '1 minute' order by received_at desc limit ${LOOK_BACK}`;
    const found = rows.find((row) => keys.open("inbox_unrouted", "body_ct", row.id, row.body).includes(marker));
    if (found) await tx`delete from inbox_unrouted where id = ${found.id}`;
    return found !== undefined;
  });
}
