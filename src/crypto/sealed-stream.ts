import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { EsekError } from "../errors.ts";

const CHUNK = 1 << 20;
const TAG = 16;
const HEAD = 5;

/**
 * A stream sealed piece by piece (AES-256-GCM), for what is too long for memory: `isLast(1) | length(4) | ciphertext |
 * tag(16)`, again and again. Each piece is bound to `header`, to its place in the row and to whether it is the last, so
 * that nothing can be changed, moved, left out or cut off. `key` must be of this stream alone: the IV is the piece's number.
 */
export async function* sealStream(
  key: Buffer,
  header: Buffer,
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void> {
  const digest = createHash("sha256").update(header).digest();
  let index = 0;
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const bytes of source) {
    waiting.push(bytes);
    size += bytes.length;
    if (size < CHUNK) continue;
    const all = Buffer.concat(waiting);
    let at = 0;
    for (; all.length - at >= CHUNK; at += CHUNK)
      yield sealPiece(key, digest, index++, false, all.subarray(at, at + CHUNK));
    waiting = [all.subarray(at)];
    size = all.length - at;
  }
  yield sealPiece(key, digest, index, true, Buffer.concat(waiting));
}

/** The plain bytes again, each piece only after it was found whole. Throws `EsekError("backup/damaged")`. */
export async function* openStream(
  key: Buffer,
  header: Buffer,
  source: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void> {
  const digest = createHash("sha256").update(header).digest();
  let rest: Buffer = Buffer.alloc(0);
  let isDone = false;
  let index = 0;
  for await (const bytes of source) {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    for (;;) {
      if (isDone && rest.length > 0) throw damaged("there is something after its end");
      if (rest.length < HEAD) break;
      const length = rest.readUInt32BE(1);
      if (length > CHUNK) throw damaged(`piece ${index} has no sound length`);
      const end = HEAD + length + TAG;
      if (rest.length < end) break;
      isDone = rest[0] === 1;
      yield openPiece(key, digest, index++, rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  }
  if (!isDone) throw damaged(`it ends after piece ${index}, before its last`);
}

function sealPiece(key: Buffer, digest: Buffer, index: number, isLast: boolean, plain: Buffer): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, iv(index));
  const head = Buffer.alloc(HEAD);
  head[0] = isLast ? 1 : 0;
  head.writeUInt32BE(plain.length, 1);
  cipher.setAAD(Buffer.concat([digest, head]));
  return Buffer.concat([head, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

function openPiece(key: Buffer, digest: Buffer, index: number, piece: Buffer): Buffer {
  const decipher = createDecipheriv("aes-256-gcm", key, iv(index));
  decipher.setAAD(Buffer.concat([digest, piece.subarray(0, HEAD)]));
  decipher.setAuthTag(piece.subarray(piece.length - TAG));
  try {
    return Buffer.concat([decipher.update(piece.subarray(HEAD, piece.length - TAG)), decipher.final()]);
  } catch {
    throw damaged(`piece ${index} does not open`);
  }
}

function iv(index: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(index, 8);
  return bytes;
}

function damaged(what: string): EsekError {
  return new EsekError(
    "backup/damaged",
    `The file is damaged, or was made with another key: ${what}. Nothing was changed. Take another copy of it.`,
  );
}
