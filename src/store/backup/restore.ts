import { pipeline } from "node:stream/promises";
import type { KeyProvider } from "../../crypto/key-provider.ts";
import { newId } from "../../domain/ids.ts";
import { EsekError } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import { connect, type Sql, type Tx } from "../database.ts";
import { migrate } from "../migrator.ts";
import { type Carried, carryOver } from "./carry-over.ts";
import type { BackupFile, Frame } from "./format.ts";
import { schemaOf } from "./verify.ts";
import { countLines, type Progress, quoted } from "./write.ts";

export type RestoreOptions = {
  /** Of the embedded server: its superuser is asked for, to see and write past row-level security. */
  socketDir: string;
  provider: KeyProvider;
  /** What is in the database now may go. */
  isReplacing: boolean;
  /** Nothing ran after the backup (a planned move): what was queued is kept. */
  isQueueKept: boolean;
  logger: Logger;
  progress: Progress;
};

export type Restored = { tables: number; rows: number; madeAt: Date; canceled: number; carried: Carried | undefined };

const LIVE = "esek";
const MAKING = "esek_restoring";
const REPLACED = "esek_replaced";
const ADMIN = "esek_admin";

/**
 * A backup becomes the database. It is loaded into a database of its own beside the live one and takes its name in one
 * transaction at the very end: killed anywhere before, what was there is there still; after, the restore is done.
 * Sending is held until somebody vouches for the stops since (`restore-hold.ts`). The stops and erasures that a
 * replaced database knew are carried over. Throws `EsekError("restore/...")`; the file must have been verified.
 */
export async function restoreBackup(backup: BackupFile, options: RestoreOptions): Promise<Restored> {
  const { socketDir } = options;
  const server = connect({ socketDir, user: ADMIN, database: "postgres", max: 1 });
  try {
    const hasData = await refuseUnlessFree(server, options);
    await server.unsafe(`drop database if exists ${MAKING} with (force)`);
    await server.unsafe(`create database ${MAKING} owner esek`);
    const owner = connect({ socketDir, database: MAKING, max: 2 });
    const admin = connect({ socketDir, user: ADMIN, database: MAKING, max: 2 });
    let canceled = 0;
    let carried: Carried | undefined;
    try {
      await migrate(owner, schemaOf(backup.header));
      await loadAll(admin, backup, options.progress);
      await migrate(owner);
      await admin.unsafe("analyze");
      if (hasData) carried = await carryOver(admin, backup.header.madeAt, { ...options, from: LIVE, into: MAKING });
      canceled = await admin.begin((tx) => closeOpen(tx, backup, options.isQueueKept));
    } finally {
      await Promise.all([owner.end({ timeout: 5 }), admin.end({ timeout: 5 })]);
    }
    await swap(server);
    return {
      tables: backup.header.tables.length,
      rows: backup.header.tables.reduce((sum, table) => sum + table.rows, 0),
      madeAt: backup.header.madeAt,
      canceled,
      carried,
    };
  } catch (err) {
    await server.unsafe(`drop database if exists ${MAKING} with (force)`).catch(() => {});
    throw err;
  } finally {
    await server.end({ timeout: 5 });
  }
}

/** Nobody may be at work in the live database, and what is in it may be lost only when that was asked for. */
async function refuseUnlessFree(server: Sql, options: RestoreOptions): Promise<boolean> {
  const others = await server`select 1 from pg_stat_activity where datname = ${LIVE} and pid <> pg_backend_pid()`;
  if (others.length > 0) throw inUse();
  const live = connect({ socketDir: options.socketDir, user: ADMIN, database: LIVE, max: 1 });
  try {
    const [table] = await live<{ exists: boolean }[]>`select to_regclass('public.route') is not null as exists`;
    const hasData = table!.exists && (await live`select 1 from route limit 1`).length > 0;
    if (hasData && !options.isReplacing)
      throw new EsekError(
        "restore/not-empty",
        "There is a database with merchants here. Nothing was changed. Restore into an empty ESEK_DATA_DIR, or say --replace to lose what is here.",
      );
    return hasData;
  } finally {
    await live.end({ timeout: 5 });
  }
}

/** Rows go in as they came out, in one transaction, with triggers and foreign keys aside: they were whole when they were read. */
async function loadAll(admin: Sql, { header, frames }: BackupFile, progress: Progress): Promise<void> {
  const total = header.tables.reduce((sum, table) => sum + table.rows, 0);
  let done = 0;
  await admin.begin(async (tx) => {
    await tx`set local session_replication_role = replica`;
    for (const { name } of header.tables) await tx.unsafe(`truncate ${quoted(name)} cascade`);
    const source = frames();
    for (let next = await source.next(); !next.done; next = await source.next()) {
      if (next.value.type !== "table") continue;
      const { name } = next.value;
      const { columns } = header.tables.find((table) => table.name === name)!;
      const copy = `copy ${quoted(name)} (${columns.map(quoted).join(", ")}) from stdin`;
      const passed = (rows: number) => {
        done += rows;
        progress({ table: name, rows, done, total });
      };
      await pipeline(() => rowsOf(source, passed), await tx.unsafe(copy).writable());
    }
    for (const { name, value } of header.sequences)
      await tx.unsafe(`select setval($1::regclass, $2::bigint)`, [quoted(name), value]);
    for (const table of header.tables) {
      const [row] = await tx.unsafe<{ n: string }[]>(`select count(*)::text as n from ${quoted(table.name)}`);
      if (Number(row!.n) !== table.rows)
        throw new EsekError("restore/count", `Table ${table.name} has ${row!.n} rows instead of ${table.rows}.`);
    }
  });
}

/** One table's rows, up to its end. */
async function* rowsOf(source: AsyncGenerator<Frame, void>, passed: (rows: number) => void): AsyncGenerator<Buffer> {
  for (let next = await source.next(); !next.done && next.value.type === "data"; next = await source.next()) {
    passed(countLines(next.value.bytes));
    yield next.value.bytes;
  }
}

/**
 * The hold, and what was open when the backup was made. Whether what the business had queued left after that nobody here
 * knows, and it is never sent twice: it is canceled and the merchant told. Replies stay: their window bounds them.
 */
async function closeOpen(tx: Tx, { header }: BackupFile, isQueueKept: boolean): Promise<number> {
  await tx`insert into restore_hold (id, backup_at) values (${newId()}, ${header.madeAt})`;
  await tx`update mailbox set token = null, lease_until = null where token is not null`;
  if (isQueueKept) return 0;
  const rows = await tx<{ merchantId: string; count: number }[]>`
    with gone as (update outbox set state = 'canceled', state_reason = 'restored' where lane is null and state in ('queued', 'deferred') returning id, merchant_id),
      due as (delete from outbox_due d using gone where d.outbox_id = gone.id)
    select merchant_id as "merchantId", count(*)::int as count from gone group by 1`;
  for (const { merchantId, count } of rows)
    await tx`insert into notice (id, merchant_id, kind, dedupe_key, detail) values (${newId()}, ${merchantId}, 'restored', ${`restored:${header.id}`}, ${tx.json({ canceled: count, backup: header.madeAt.toISOString() })})
      on conflict (merchant_id, dedupe_key) do update set count = notice.count + 1, last_at = clock_timestamp()`;
  return rows.reduce((sum, row) => sum + row.count, 0);
}

/** Both names change in one transaction. Postgres refuses it while anybody is connected. */
async function swap(server: Sql): Promise<void> {
  await server.unsafe(`drop database if exists ${REPLACED} with (force)`);
  try {
    await server.begin(async (tx) => {
      await tx.unsafe(`alter database ${LIVE} rename to ${REPLACED}`);
      await tx.unsafe(`alter database ${MAKING} rename to ${LIVE}`);
    });
  } catch (err) {
    if ((err as { code?: string }).code === "55006") throw inUse();
    throw err;
  }
  await server.unsafe(`drop database if exists ${REPLACED} with (force)`);
}

function inUse(): EsekError {
  return new EsekError(
    "restore/in-use",
    "Esek, or one of its commands, is at work in this database. Nothing was changed. Stop it (SIGTERM) and restore again.",
  );
}
