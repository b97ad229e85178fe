import { type Config, readConfig } from "../config.ts";
import { localKeyProvider } from "../crypto/key-provider.ts";
import { createLogger, type Logger } from "../logger.ts";
import { type Prepared, prepare } from "../start.ts";
import { connect } from "../store/database.ts";
import { Keyring } from "../store/keyring.ts";
import { ensureSystem, MerchantDirectory } from "../store/merchants.ts";
import type { Store } from "../store/store.ts";

export type CliContext = { config: Config; logger: Logger; prepared: Prepared; store: Store };

/** Opens the database for one command, runs it, and closes everything, whatever happens. A running Esek is not disturbed. */
export async function withStore<T>(work: (context: CliContext) => Promise<T>): Promise<T> {
  const config = readConfig();
  const logger = createLogger(config.logLevel === "info" ? "warn" : config.logLevel, process.stderr as never);
  const prepared = await prepare(config, logger);
  const sql = connect({ ...prepared.database, max: 4, runtimeRole: true });
  try {
    const keyring = new Keyring(sql, localKeyProvider(prepared.masterKey));
    await ensureSystem(sql, keyring);
    const store: Store = {
      sql,
      keyring,
      merchants: new MerchantDirectory(sql),
      clock: { now: () => new Date() },
      logger,
      nudge: () => {},
    };
    return await work({ config, logger, prepared, store });
  } finally {
    await sql.end({ timeout: 5 });
    await prepared.close();
  }
}

/** One JSON line, for a person with jq and for a program. */
export function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Rows as aligned columns on a terminal, as JSON lines in a pipe. */
export function printRows(rows: readonly Record<string, unknown>[]): void {
  if (!process.stdout.isTTY) {
    for (const row of rows) print(row);
    return;
  }
  if (rows.length === 0) {
    process.stdout.write("(nothing)\n");
    return;
  }
  const names = Object.keys(rows[0]!);
  const widths = names.map((name) => Math.max(name.length, ...rows.map((row) => String(row[name] ?? "").length)));
  const line = (cells: string[]) =>
    `${cells
      .map((cell, index) => cell.padEnd(widths[index]!))
      .join("  ")
      .trimEnd()}\n`;
  process.stdout.write(line(names));
  for (const row of rows) process.stdout.write(line(names.map((name) => String(row[name] ?? ""))));
}
