import { createHmac } from "node:crypto";

/** The value of `X-Hub-Signature-256`: HMAC-SHA256 of the exact body bytes under the app secret (reference 1.2). */
export function signBody(appSecret: string, body: Buffer): string {
  return `sha256=${createHmac("sha256", appSecret).update(body).digest("hex")}`;
}

/**
 * JSON as Meta writes it: slashes and everything beyond ASCII escaped. A receiver that parses and serialises again
 * before it checks the signature fails here, as it would in production.
 */
export function metaJson(value: unknown): Buffer {
  const text = JSON.stringify(value)
    .replaceAll("/", "\\/")
    .replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return Buffer.from(text, "latin1");
}
