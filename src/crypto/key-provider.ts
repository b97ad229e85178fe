import { randomBytes } from "node:crypto";
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";
import { EsekError } from "../errors.ts";
import { keyFingerprint, open, type Place, seal } from "./envelope.ts";

/** Wraps and unwraps data keys. `local` holds its key-encryption key in memory; a KMS would keep it at home. */
export type KeyProvider = {
  kekId: string;
  wrap: (place: Place, key: Buffer) => Buffer;
  unwrap: (place: Place, wrapped: Uint8Array, kekId: string) => Buffer;
};

/** A key-encryption key given by the operator: environment, file, or the demo's own key file. */
export function localKeyProvider(masterKey: Buffer): KeyProvider {
  const kekId = keyFingerprint(masterKey);
  const key = { id: "00000000-0000-0000-0000-000000000000", version: 1, bytes: masterKey };
  return {
    kekId,
    wrap: (place, bytes) => seal(key, place, bytes),
    unwrap: (place, wrapped, wrappedBy) => {
      if (wrappedBy !== kekId)
        throw new EsekError(
          "crypto/master-key",
          `The data is encrypted under master key ${wrappedBy}, but ESEK_MASTER_KEY is ${kekId}. Give the key this database was made with.`,
        );
      return open(key, place, wrapped);
    },
  };
}

/**
 * Demo mode only: the master key in `<dataDir>/master.key`, made at the first start. Returns whether it is new, so that
 * the start can say where it lies and what losing it costs.
 */
export function demoMasterKey(dataDir: string): { key: Buffer; isNew: boolean; file: string } {
  const file = join(dataDir, "master.key");
  if (existsSync(file)) return { key: readKey(file), isNew: false, file };
  mkdirSync(dataDir, { recursive: true });
  writeKey(file, randomBytes(32));
  return { key: readKey(file), isNew: true, file };
}

/** Writes a key so that a crash leaves either no file or a whole one. */
export function writeKey(file: string, key: Buffer): void {
  mkdirSync(dirname(file), { recursive: true });
  const temporary = `${file}.tmp`;
  const fd = openSync(temporary, "w", 0o600);
  writeSync(fd, `${key.toString("base64")}\n`);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(temporary, file);
}

function readKey(file: string): Buffer {
  const key = Buffer.from(readFileSync(file, "utf8").trim(), "base64");
  if (key.length === 32) return key;
  throw new EsekError(
    "crypto/master-key",
    `${file} does not hold 32 bytes in base64. Restore it from a copy; without it nothing stored can be read.`,
  );
}
