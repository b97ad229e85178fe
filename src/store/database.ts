import postgres from "postgres";
import { EsekError } from "../errors.ts";

export type Sql = postgres.Sql;
/** One open transaction. */
export type Tx = Pick<postgres.ReservedSql, "unsafe" | "json"> & postgres.ReservedSql;
/** A value a statement may bind. */
export type Bound = postgres.ParameterOrJSON<never>;

export type DatabaseOptions = {
  /** postgres:// URL, or the embedded server's socket directory. */
  url?: string | undefined;
  socketDir?: string | undefined;
  user?: string;
  database?: string;
  max?: number;
  /** Connect as the runtime role, which owns nothing and is bound by row-level security. */
  runtimeRole?: boolean;
};

/** The driver with our conventions: UTC, the runtime role, no notices on the console, prepared statements. */
export function connect(options: DatabaseOptions): Sql {
  const connection = {
    application_name: "esek",
    // A node that stops with a lock in hand must not freeze the others for longer than a lease.
    idle_in_transaction_session_timeout: 5000,
    lock_timeout: 10_000,
    statement_timeout: options.runtimeRole ? 30_000 : 0,
    TimeZone: "UTC",
    ...(options.runtimeRole ? { role: "esek_app" } : {}),
  };
  const shared = {
    max: options.max ?? 10,
    onnotice: () => {},
    connection,
    connect_timeout: 10,
    idle_timeout: 0,
    max_lifetime: null,
    fetch_types: true,
  };
  if (options.url) return postgres(options.url, shared);
  return postgres({
    ...shared,
    host: `${options.socketDir}/.s.PGSQL.5432`,
    path: `${options.socketDir}/.s.PGSQL.5432`,
    user: options.user ?? "esek",
    database: options.database ?? "esek",
  } as postgres.Options<Record<string, postgres.PostgresType>>);
}

const RETRYABLE = new Set(["40P01", "40001"]);

/**
 * One transaction that sees exactly the given merchants. `begin` and the merchants travel with the first statement, so a
 * transaction costs one round trip for each wave of `work` and one for the commit. Deadlocks and serialisation failures
 * are tried three times; `work` must therefore have no effect outside the database.
 */
export async function transaction<T>(
  sql: Sql,
  merchantIds: readonly string[],
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const tx = await sql.reserve();
    try {
      const opened = Promise.all([
        tx.unsafe("begin"),
        tx`select set_config('app.merchant_ids', ${`{${merchantIds.join(",")}}`}, true)`,
      ]);
      opened.catch(() => {});
      const result = await work(tx);
      await opened;
      // A statement that failed and was not heard leaves the transaction aborted: its commit is a rollback.
      if ((await tx.unsafe("commit")).command === "ROLLBACK")
        throw new EsekError(
          "database/aborted",
          "A statement failed inside a transaction and the transaction went on. Nothing of it was kept.",
        );
      return result;
    } catch (err) {
      await tx.unsafe("rollback").catch(() => {});
      if (!RETRYABLE.has((err as { code?: string }).code ?? "") || attempt === 3) throw wrapped(err);
    } finally {
      tx.release();
    }
  }
}

/** Database errors leave this folder without the values they quote: class, SQLSTATE and constraint stay, `detail` and `parameters` go. */
export function wrapped(err: unknown): unknown {
  if (!(err instanceof postgres.PostgresError)) return err;
  const where = err.constraint_name ?? err.table_name ?? "";
  const safe = new EsekError(
    `database/${err.code}`,
    `Postgres refused a statement (SQLSTATE ${err.code}${where ? `, ${where}` : ""}).`,
  );
  safe.stack = `${safe.message}\n${(err.stack ?? "")
    .split("\n")
    .filter((line) => /^\s+at /.test(line))
    .join("\n")}`;
  return safe;
}

/** Hashes as one `bytea[]` parameter: the driver guesses an array's type from its first element and guesses wrong for bytes. */
export function byteaArray(hex: readonly string[]): string {
  return `{${hex.map((value) => `"\\\\x${value}"`).join(",")}}`;
}
