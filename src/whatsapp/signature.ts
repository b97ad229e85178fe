import { createHmac, timingSafeEqual } from "node:crypto";

/**
 * Whether `X-Hub-Signature-256` is the HMAC-SHA256 of exactly these bytes under one of the app secrets (two during
 * rotation). Constant time in the signature; never looks at the body's meaning.
 */
export function isAuthentic(secrets: readonly string[], body: Uint8Array, header: string | undefined): boolean {
  const match = /^sha256=([0-9a-f]{64})$/.exec(header ?? "");
  if (!match) return false;
  const given = Buffer.from(match[1]!, "hex");
  let isValid = false;
  for (const secret of secrets) {
    const expected = createHmac("sha256", secret).update(body).digest();
    if (timingSafeEqual(expected, given)) isValid = true;
  }
  return isValid;
}
