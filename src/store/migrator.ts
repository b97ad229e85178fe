import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EsekError } from "../errors.ts";
import type { Sql, Tx } from "./database.ts";

const LOCK = 5_370_717_011;
const DIRECTORY = join(import.meta.dirname, "../../migrations");

export type Migration = { version: number; name: string; text: string; checksum: string; isBreaking: boolean };

/**
 * Brings the schema up to this build, one file one transaction, under an advisory lock: any number of processes
 * may start at once. Dies anywhere: the running file is rolled back and the next start does it again.
 * Throws `EsekError("migrate/...")` for an edited file and for a database that a newer build changed incompatibly.
 * @returns the names of the migrations applied now.
 */
export async function migrate(sql: Sql, migrations = readMigrations()): Promise<string[]> {
  const [server] = await sql`select current_setting('server_version_num')::int as version`;
  if ((server?.version ?? 0) < 150_000)
    throw new EsekError(
      "migrate/server",
      `Postgres 15 or newer is needed; this server is ${server?.version}. Upgrade it or unset DATABASE_URL to use the embedded one.`,
    );
  const applied: string[] = [];
  for (;;) {
    const name = await sql.begin((tx) => applyNext(tx, migrations));
    if (!name) return applied;
    applied.push(name);
  }
}

type Done = { version: number; name: string; checksum: string; isBreaking: boolean };

/** The next file that is not applied yet, under the lock; nothing when the schema is up to date. */
async function applyNext(tx: Tx, migrations: Migration[]): Promise<string | undefined> {
  await tx`select pg_advisory_xact_lock(${LOCK})`;
  await tx`create table if not exists schema_migration (
    version int primary key, name text not null, checksum text not null, is_breaking boolean not null, applied_at timestamptz not null default now())`;
  const rows = await tx<
    Done[]
  >`select version, name, checksum, is_breaking as "isBreaking" from schema_migration order by version`;
  const done = new Map(rows.map((row) => [row.version, row]));
  refuseNewer(rows, migrations);
  const edited = migrations.find(
    (migration) => done.has(migration.version) && done.get(migration.version)!.checksum !== migration.checksum,
  );
  if (edited)
    throw new EsekError(
      "migrate/edited",
      `Migration ${edited.name} was edited after it had been applied. Restore the file; a change goes into a new one.`,
    );
  const next = migrations.find((migration) => !done.has(migration.version));
  if (!next) return undefined;
  try {
    await tx.unsafe(next.text);
  } catch (err) {
    throw new EsekError(
      "migrate/failed",
      `Migration ${next.name} failed (SQLSTATE ${(err as { code?: string }).code}); nothing of it was kept.`,
      { cause: err },
    );
  }
  await tx`insert into schema_migration (version, name, checksum, is_breaking) values (${next.version}, ${next.name}, ${next.checksum}, ${next.isBreaking})`;
  return next.name;
}

/** An older build may run beside a newer schema unless the newer one says it breaks older builds. */
function refuseNewer(rows: { version: number; name: string; isBreaking: boolean }[], migrations: Migration[]): void {
  const newest = migrations.at(-1)?.version ?? 0;
  const breaking = rows.find((row) => row.version > newest && row.isBreaking);
  if (breaking)
    throw new EsekError(
      "migrate/newer",
      `The database was changed by a newer Esek (${breaking.name}) in a way this build does not understand. Start the newer build, or restore a backup from before it.`,
    );
}

/** The files of `migrations/`, in order. The first line says `-- breaking: true|false`. */
export function readMigrations(directory = DIRECTORY): Migration[] {
  return readdirSync(directory)
    .filter((name) => /^\d{4}_[\w-]+\.sql$/.test(name))
    .sort()
    .map((name) => {
      const text = readFileSync(join(directory, name), "utf8");
      return {
        version: Number(name.slice(0, 4)),
        name,
        text,
        checksum: createHash("sha256").update(text).digest("hex"),
        isBreaking: /^-- breaking: true/.test(text),
      };
    });
}
