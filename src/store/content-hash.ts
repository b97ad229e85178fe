import { createHash } from "node:crypto";

/** Binds what the gate cleared to what the sender posts. */
export function contentHash(json: string): Buffer {
  return createHash("sha256").update(json).digest();
}
