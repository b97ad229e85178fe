import { createHash, randomBytes } from "node:crypto";
import { closeSync, createWriteStream, existsSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import type { KeyProvider } from "../../crypto/key-provider.ts";
import { sealStream } from "../../crypto/sealed-stream.ts";
import { newId } from "../../domain/ids.ts";
import { EsekError } from "../../errors.ts";
import type { Sql, Tx } from "../database.ts";
import { encodeFrame, type Frame, type HeaderInput, keyPlace, MAGIC } from "./format.ts";

/** Called as rows go by. */
export type Progress = (what: { table: string; rows: number; done: number; total: number }) => void;

/** What a restore makes anew instead of taking it from the file. */
const NOT_KEPT = ["schema_migration", "restore_hold"];

/**
 * The whole database in one file: every table at one instant (repeatable read; a running Esek is not disturbed), rows as
 * `COPY` writes them, compressed, then sealed under a key of its own that the master key wraps. `sql` must see through
 * row-level security. The file appears whole or not at all, and never over another. Throws `EsekError("backup/...")`.
 */
export async function writeBackup(
  sql: Sql,
  provider: KeyProvider,
  file: string,
  progress: Progress,
): Promise<{ rows: number; tables: number; madeAt: Date }> {
  if (existsSync(file))
    throw new EsekError("backup/exists", `${file} is there already. Name a new file, or move the old one away.`);
  const partial = `${file}.partial`;
  try {
    const header = (await sql.begin("isolation level repeatable read read only", (tx) =>
      writeSnapshot(tx, provider, partial, progress),
    )) as HeaderInput;
    const fd = openSync(partial, "r+");
    fsyncSync(fd);
    closeSync(fd);
    renameSync(partial, file);
    return { rows: totalOf(header), tables: header.tables.length, madeAt: new Date(header.madeAt) };
  } catch (err) {
    rmSync(partial, { force: true });
    throw err;
  }
}

async function writeSnapshot(tx: Tx, provider: KeyProvider, partial: string, progress: Progress): Promise<HeaderInput> {
  const id = newId();
  const key = randomBytes(32);
  const header: HeaderInput = {
    id,
    madeAt: await instantOf(tx),
    kekId: provider.kekId,
    wrappedKey: provider.wrap(keyPlace(id), key).toString("base64"),
    migrations: await tx<
      HeaderInput["migrations"]
    >`select version, name, checksum from schema_migration order by version`,
    tables: await describeTables(tx),
    sequences: await tx<
      HeaderInput["sequences"]
    >`select sequencename as name, last_value::text as value from pg_sequences where schemaname = 'public' and last_value is not null`,
  };
  const bytes = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  const target = createWriteStream(partial, { mode: 0o600, flags: "w" });
  target.write(Buffer.concat([MAGIC, length, bytes]));
  await pipeline(
    () => framesOf(tx, header, progress),
    createGzip({ level: 6 }),
    (source: AsyncIterable<Buffer>) => sealStream(key, bytes, source),
    target,
  );
  return header;
}

async function* framesOf(tx: Tx, header: HeaderInput, progress: Progress): AsyncGenerator<Buffer, void> {
  const total = totalOf(header);
  let done = 0;
  const encoded = (frame: Frame) => encodeFrame(frame);
  for (const { name, columns } of header.tables) {
    yield encoded({ type: "table", name });
    const hash = createHash("sha256");
    let rows = 0;
    const source = (await tx
      .unsafe(`copy ${quoted(name)} (${columns.map(quoted).join(", ")}) to stdout`)
      .readable()) as Readable;
    for await (const bytes of source as AsyncIterable<Buffer>) {
      hash.update(bytes);
      const lines = countLines(bytes);
      rows += lines;
      done += lines;
      progress({ table: name, rows, done, total });
      yield encoded({ type: "data", bytes });
    }
    // The driver pauses its socket when this stream is full, and only a read resumes it: a stream that ended full would
    // leave the connection standing (postgres 3.4.9).
    source._read(0);
    yield encoded({ type: "end", rows, sha256: hash.digest("hex") });
  }
  yield encoded({ type: "done", tables: header.tables.length });
}

async function instantOf(tx: Tx): Promise<string> {
  const [row] = await tx<{ at: Date }[]>`select transaction_timestamp() as at`;
  return row!.at.toISOString();
}

/** Every table of ours with its rows as of now, referenced ones before those that refer to them. */
async function describeTables(tx: Tx): Promise<HeaderInput["tables"]> {
  const rows = await tx<{ name: string; columns: string[]; needs: string[] }[]>`
    select c.relname as name,
      array(select a.attname::text from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' order by a.attnum) as columns,
      array(select distinct r.relname::text from pg_constraint k join pg_class r on r.oid = k.confrelid where k.conrelid = c.oid and k.contype = 'f' and k.confrelid <> c.oid) as needs
    from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind = 'r' and c.relname <> all(${NOT_KEPT}) order by 1`;
  const ordered: typeof rows extends readonly (infer Row)[] ? Row[] : never = [];
  const waiting = [...rows];
  while (waiting.length > 0) {
    const index = waiting.findIndex((row) => row.needs.every((name) => !waiting.some((other) => other.name === name)));
    // A circle of references has no order; the restore does not check them while it loads.
    ordered.push(...waiting.splice(Math.max(index, 0), 1));
  }
  const tables: HeaderInput["tables"] = [];
  for (const { name, columns } of ordered) {
    const [count] = await tx.unsafe<{ n: string }[]>(`select count(*)::text as n from ${quoted(name)}`);
    tables.push({ name, columns, rows: Number(count!.n) });
  }
  return tables;
}

/** Rows of `COPY` text: a line break inside a value is written as two characters. */
export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}

export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function totalOf(header: Pick<HeaderInput, "tables">): number {
  return header.tables.reduce((sum, table) => sum + table.rows, 0);
}
