import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomFillSync,
} from "node:crypto";
import { EsekError } from "../errors.ts";

/** 32 bytes of key and the name under which ciphertexts and hashes refer to it. */
export type Key = { id: string; version: number; bytes: Buffer };

/** Where a value lives: bound into the ciphertext, so that a value copied to another row or column does not decrypt. */
export type Place = { merchantId: string; table: string; column: string; rowId: string };

const FORMAT = 1;
const HEADER = 1 + 16 + 12;
const TAG = 16;

/** AES-256-GCM: `format(1) | key id(16) | iv(12) | ciphertext | tag(16)`; the place is the additional data. */
export function seal(key: Key, place: Place, plain: Buffer | string): Buffer {
  const iv = nextIv();
  const cipher = createCipheriv("aes-256-gcm", keyObject(key.bytes), iv);
  cipher.setAAD(placeBytes(place));
  const body = cipher.update(typeof plain === "string" ? Buffer.from(plain, "utf8") : plain);
  const rest = cipher.final();
  return Buffer.concat([Buffer.of(FORMAT), idBytes(key.id), iv, body, rest, cipher.getAuthTag()]);
}

/** The id of the key that a ciphertext was sealed with. */
export function sealedWith(sealed: Uint8Array): string {
  if (sealed[0] !== FORMAT || sealed.length < HEADER + TAG)
    throw new EsekError(
      "crypto/format",
      "A stored value is not in the format this build writes. Was the column changed by hand?",
    );
  const hex = Buffer.from(sealed.subarray(1, 17)).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** Throws `EsekError("crypto/sealed")` when the key, the place or the bytes are not those it was sealed with. */
export function open(key: Key, place: Place, sealed: Uint8Array): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const decipher = createDecipheriv("aes-256-gcm", keyObject(key.bytes), bytes.subarray(17, HEADER));
  decipher.setAAD(placeBytes(place));
  decipher.setAuthTag(bytes.subarray(bytes.length - TAG));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(HEADER, bytes.length - TAG)), decipher.final()]);
  } catch {
    throw new EsekError(
      "crypto/sealed",
      `A value of ${place.table}.${place.column} does not open with its key: moved to another row, or damaged.`,
    );
  }
}

/** Blind index: a keyed hash by which an id is found without being stored readable. */
export function blind(key: Key, value: string): Buffer {
  return createHmac("sha256", keyObject(key.bytes)).update(value, "utf8").digest();
}

/** Short public name of a key-encryption key, stored beside what it wrapped. */
export function keyFingerprint(key: Buffer): string {
  return createHash("sha256").update("esek-kek").update(key).digest("hex").slice(0, 16);
}

const POOL = Buffer.alloc(12 * 512);
let used = POOL.length;

/** A fresh random IV, cut from a pool that is filled 512 at a time; no byte is used twice. */
function nextIv(): Buffer {
  if (used === POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  used += 12;
  return Buffer.from(POOL.subarray(used - 12, used));
}

const objects = new WeakMap<Buffer, KeyObject>();

/** Importing a raw key costs more than using it, so each is imported once. */
function keyObject(bytes: Buffer): KeyObject {
  let object = objects.get(bytes);
  if (!object) {
    object = createSecretKey(bytes);
    objects.set(bytes, object);
  }
  return object;
}

function placeBytes(place: Place): Buffer {
  return Buffer.from(`${place.merchantId}|${place.table}|${place.column}|${place.rowId}`, "utf8");
}

function idBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll("-", ""), "hex");
}
