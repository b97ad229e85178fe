import { createHash } from "node:crypto";
import type { Random } from "./random.ts";

const BUSINESS_SENT = 0x11;
const CUSTOMER_SENT = 0x12;

/**
 * A wamid laid out as Meta's are: `wamid.` + base64 of (length, the other person's phone digits, direction, hex id).
 * That a wamid gives the phone number away is on purpose: code that logs one leaks personal data here as well.
 */
export function makeWamid(direction: "in" | "out", person: string, random: Random): string {
  const text = direction === "out" ? random.hex(18) : `3A${random.hex(18)}`;
  const bytes = Buffer.concat([
    Buffer.from([0x1c, 0x18, person.length]),
    Buffer.from(person, "latin1"),
    Buffer.from([0x15, 0x02, 0x00, direction === "out" ? BUSINESS_SENT : CUSTOMER_SENT, 0x18, text.length]),
    Buffer.from(`${text}\0`, "latin1"),
  ]);
  return `wamid.${bytes.toString("base64")}`;
}

/** The support id that Meta adds to every error. */
export function makeTraceId(random: Random): string {
  return `A${Buffer.from(random.hex(22), "latin1").toString("base64url").slice(0, 22)}`;
}

/** Graph object ids: 16 digits, small enough to be exact where a webhook carries one as a number. */
export function makeObjectId(random: Random): string {
  return `${random.between(1, 8)}${random.digits(15)}`;
}

/** A business-scoped user id: stable for one person and one portfolio, unrelated between portfolios (reference 2.1). */
export function makeBsuid(country: string, portfolioId: string, person: string): string {
  const hash = createHash("sha256").update(`${portfolioId}/${person}`).digest();
  const digits = hash.readBigUInt64BE(0).toString().padStart(20, "1").slice(0, 20);
  return `${country}.${digits}`;
}
