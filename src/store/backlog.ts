import { type Sql, transaction } from "./database.ts";
import type { Store } from "./store.ts";

/** How much is waiting, over all merchants: what a scrape of `/metrics` asks. Lags are in seconds on the database's clock. */
export async function readBacklog(store: Store) {
  const [mailbox] = await due(store.sql);
  const notices = new Map<string, number>();
  for (const merchantId of await store.merchants.all()) {
    const rows = await transaction(
      store.sql,
      [merchantId],
      (tx) =>
        tx<
          { kind: string; count: number }[]
        >`select kind, sum(count)::int as count from notice where last_at > clock_timestamp() - interval '24 hours' group by kind`,
    );
    for (const { kind, count } of rows) notices.set(kind, (notices.get(kind) ?? 0) + count);
  }
  return { ...mailbox!, notices: [...notices].map(([kind, count]) => ({ kind, count })) };
}

function due(sql: Sql) {
  return sql<{ dueConversations: number; mailboxLagSeconds: number; dueSends: number }[]>`
    select count(*)::int as "dueConversations", coalesce(extract(epoch from clock_timestamp() - min(due_at)), 0)::float8 as "mailboxLagSeconds",
      (select count(*)::int from outbox_due where send_at <= clock_timestamp()) as "dueSends"
    from mailbox where kind = 'conversation' and due_at <= clock_timestamp()`;
}
