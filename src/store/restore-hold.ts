import { newId } from "../domain/ids.ts";
import type { Sql } from "./database.ts";
import type { Store } from "./store.ts";
import { reweighDeferred } from "./upkeep-jobs.ts";

export type Hold = { backupAt: Date; restoredAt: Date };

/**
 * After a restore the database knows nothing of what people said since the backup, stops among it. While a hold stands, the
 * gate defers every message (`restored-unconfirmed`); what comes in is taken and its stops are honoured.
 */
export async function readHold(sql: Sql): Promise<Hold | undefined> {
  const [row] = await sql<
    Hold[]
  >`select backup_at as "backupAt", restored_at as "restoredAt" from restore_hold where acknowledged_at is null order by backup_at limit 1`;
  return row;
}

/** For a database that came back by other means than ours: holds as a restore does. Needs the owner's rights. */
export async function placeHold(owner: Sql, backupAt: Date): Promise<void> {
  await owner`insert into restore_hold (id, backup_at) values (${newId()}, ${backupAt})`;
}

/** Somebody vouches that the stops since the backup are in. Every waiting message is weighed again at once. Says how many. */
export async function acknowledgeHold(store: Store, by: string): Promise<{ holds: number; waiting: number }> {
  const rows =
    await store.sql`update restore_hold set acknowledged_at = clock_timestamp(), acknowledged_by = ${by} where acknowledged_at is null returning 1`;
  return { holds: rows.length, waiting: rows.length > 0 ? await reweighDeferred(store) : 0 };
}
