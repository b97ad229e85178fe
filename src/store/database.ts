import postgres from "postgres";
import { EsekError } from "../errors.ts";

export type Sql = postgres.Sql;
/** One open transaction. */
export type Tx = postgres.TransactionSql;
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
 * One transaction that sees exactly the given merchants; they travel with the first statement. Deadlocks and serialisation
 * failures are tried three times; `work` must therefore have no effect outside the database. Through the driver's own
 * `begin`, the only way of it that survives a connection lost in the middle.
 */
export async function transaction<T>(
  sql: Sql,
  merchantIds: readonly string[],
  work: (tx: Tx) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return (await sql.begin(async (tx) => {
        const scoped = tx`select set_config('app.merchant_ids', ${`{${merchantIds.join(",")}}`}, true)`.execute();
        scoped.catch(() => {});
        const result = await work(tx);
        await scoped;
        return result;
      })) as T;
    } catch (err) {
      if (!RETRYABLE.has((err as { code?: string }).code ?? "") || attempt === 3) throw wrapped(err);
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
  const below = (err.stack ?? "").replace(err.message, "").split("\n").slice(1);
  safe.stack = `${safe.message}\n${below.filter((line) => /^\s+at .*[(/:]/.test(line)).join("\n")}`;
  return safe;
}

/** Hashes as one `bytea[]` parameter: the driver guesses an array's type from its first element and guesses wrong for bytes. */
export function byteaArray(hex: readonly string[]): string {
  return `{${hex.map((value) => `"\\\\x${value}"`).join(",")}}`;
}
