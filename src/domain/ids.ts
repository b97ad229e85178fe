import { v7 } from "uuid";

/** A string that the compiler keeps apart from other strings: a `ContactId` is never passed where a `MerchantId` is due. */
type Brand<Name extends string> = string & { readonly __brand: Name };

export type MerchantId = Brand<"MerchantId">;
export type PhoneId = Brand<"PhoneId">;
export type ContactId = Brand<"ContactId">;
/** A conversation is (business number, contact); its id is the id of its mailbox row. */
export type ConversationId = Brand<"ConversationId">;
export type EventId = Brand<"EventId">;
export type TurnId = Brand<"TurnId">;
export type OutboxId = Brand<"OutboxId">;
export type AttemptId = Brand<"AttemptId">;
export type DecisionId = Brand<"DecisionId">;
/** Fencing token of a lease: who holds it may commit. */
export type LeaseToken = Brand<"LeaseToken">;

/** Meta's message id. Contains the customer's phone number (base64): personal data, never logged, stored encrypted. */
export type Wamid = Brand<"Wamid">;
export type WabaId = Brand<"WabaId">;
/** Meta's id of a business phone number. */
export type PhoneNumberId = Brand<"PhoneNumberId">;

/** The merchant under which things that belong to nobody are kept (unrouted events): the all-zero uuid. */
export const SYSTEM_MERCHANT = "00000000-0000-0000-0000-000000000000" as MerchantId;

/** A new time-ordered uuid (v7), so that rows written together lie together; within a process each is larger than the one before. */
export function newId<Id extends string>(): Id {
  const random = sixteenRandomBytes();
  const now = Date.now();
  if (now > clock.ms)
    Object.assign(clock, { ms: now, seq: ((random[6]! & 0x7f) << 24) | (random[7]! << 16) | (random[8]! << 8) });
  else clock.seq++;
  return v7({ random, msecs: clock.ms, seq: clock.seq }) as Id;
}

const clock = { ms: 0, seq: 0 };
const pool = new Uint8Array(16 * 256);
let used = pool.length;

/** Asking the system for randomness costs more than the rest of an id, so it is asked for 256 at once. */
function sixteenRandomBytes(): Uint8Array {
  if (used === pool.length) {
    crypto.getRandomValues(pool);
    used = 0;
  }
  used += 16;
  return pool.subarray(used - 16, used);
}

/** The smallest id that could have been made at a time: ids above it are younger (ms since the epoch). */
export function firstIdAt(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8)}-7000-8000-000000000000`;
}
