import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { z } from "zod";
import type { KeyProvider } from "../../crypto/key-provider.ts";
import { openStream } from "../../crypto/sealed-stream.ts";
import { SYSTEM_MERCHANT } from "../../domain/ids.ts";
import { EsekError } from "../../errors.ts";

/** The first bytes of every backup file; the digit is the format's version. */
export const MAGIC = Buffer.from("ESEKBAK1");
const HEADER_LIMIT = 1 << 20;

const headerSchema = z.strictObject({
  id: z.uuid(),
  madeAt: z.iso.datetime().transform((text) => new Date(text)),
  kekId: z.string(),
  /** The file's own key, wrapped under the master key. */
  wrappedKey: z.base64(),
  migrations: z.array(z.strictObject({ version: z.number().int(), name: z.string(), checksum: z.string() })),
  tables: z.array(z.strictObject({ name: z.string(), columns: z.array(z.string()), rows: z.number().int() })),
  sequences: z.array(z.strictObject({ name: z.string(), value: z.string() })),
});

/** What lies open at the head of a file: nothing of a customer. Every sealed piece is bound to it. */
export type Header = z.output<typeof headerSchema>;
export type HeaderInput = z.input<typeof headerSchema>;

/** In the sealed part: each table's rows as `COPY` writes them, between its name and its count. */
export type Frame =
  | { type: "table"; name: string }
  | { type: "data"; bytes: Buffer }
  | { type: "end"; rows: number; sha256: string }
  | { type: "done"; tables: number };

const KINDS = { table: 84, data: 68, end: 69, done: 90 } as const;

export function encodeFrame(frame: Frame): Buffer {
  const body =
    frame.type === "data"
      ? frame.bytes
      : Buffer.from(JSON.stringify(frame.type === "table" ? { name: frame.name } : { ...frame, type: undefined }));
  const head = Buffer.alloc(5);
  head[0] = KINDS[frame.type];
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

export async function* decodeFrames(source: AsyncIterable<Buffer>): AsyncGenerator<Frame, void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const bytes of source) {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= 5) {
      const end = 5 + rest.readUInt32BE(1);
      if (rest.length < end) break;
      yield frameOf(rest[0]!, rest.subarray(5, end));
      rest = rest.subarray(end);
    }
  }
}

function frameOf(kind: number, body: Buffer): Frame {
  if (kind === KINDS.data) return { type: "data", bytes: body };
  const type = kind === KINDS.table ? "table" : kind === KINDS.end ? "end" : "done";
  return { type, ...JSON.parse(body.toString("utf8")) } as Frame;
}

/** Where the file's own key is bound to: the backup it belongs to. */
export const keyPlace = (id: string) => ({
  merchantId: SYSTEM_MERCHANT,
  table: "backup",
  column: "key",
  rowId: id,
});

export type BackupFile = { header: Header; frames: () => AsyncGenerator<Frame, void> };

/**
 * Opens a backup as far as its key: says whose it is before a byte of it is believed. Throws `EsekError("backup/...")` for
 * a file that is none, and for one that was made with another master key.
 */
export async function openBackup(file: string, provider: KeyProvider): Promise<BackupFile> {
  const bytes = await readHeader(file);
  const parsed = headerSchema.safeParse(json(bytes));
  if (!parsed.success) throw notOurs(file);
  const header = parsed.data;
  if (header.kekId !== provider.kekId)
    throw new EsekError(
      "backup/key",
      `${file} was made with master key ${header.kekId}; this one is ${provider.kekId}. Give the key of that time (ESEK_MASTER_KEY, or master.key in ESEK_DATA_DIR). Nothing was changed.`,
    );
  const key = provider.unwrap(keyPlace(header.id), Buffer.from(header.wrappedKey, "base64"), header.kekId);
  const start = MAGIC.length + 4 + bytes.length;
  return { header, frames: () => framesOf(file, start, key, bytes) };
}

async function* framesOf(file: string, start: number, key: Buffer, header: Buffer): AsyncGenerator<Frame, void> {
  const plain = new PassThrough();
  const flow = pipeline(
    createReadStream(file, { start, highWaterMark: 1 << 20 }),
    (source: AsyncIterable<Buffer>) => openStream(key, header, source),
    createGunzip(),
    plain,
  );
  // Its failure also ends `plain`, which the reader below sees first; here it is only kept from being unhandled.
  flow.catch(() => {});
  yield* decodeFrames(plain);
  await flow;
}

async function readHeader(file: string): Promise<Buffer> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, "r");
  } catch (cause) {
    throw new EsekError("backup/file", `${file} cannot be read. Check the path and its permissions.`, { cause });
  }
  try {
    const head = Buffer.alloc(MAGIC.length + 4);
    await handle.read(head, 0, head.length, 0);
    const length = head.readUInt32BE(MAGIC.length);
    if (!head.subarray(0, MAGIC.length).equals(MAGIC) || length > HEADER_LIMIT) throw notOurs(file);
    const bytes = Buffer.alloc(length);
    await handle.read(bytes, 0, length, head.length);
    return bytes;
  } finally {
    await handle.close();
  }
}

function json(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString("utf8"));
  } catch {
    return undefined;
  }
}

function notOurs(file: string): EsekError {
  return new EsekError(
    "backup/format",
    `${file} is not a backup that this build reads: expected one that \`esek backup\` wrote. Nothing was changed.`,
  );
}
