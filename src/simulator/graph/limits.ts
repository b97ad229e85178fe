import type { Chat } from "../chats.ts";
import { GraphError } from "../graph-error.ts";
import type { PhoneNumber } from "../world.ts";

const PAIR_EVERY_MS = 6000;
const PAIR_BURST = 45;

/**
 * The pair limit: one message in 6 s to one person, up to 45 at once that are then paid back (reference 5.1). Kept as the
 * time at which the pair would be even again, so it costs the same however long the history.
 */
export function takePairSlot(chat: Chat, now: number): void {
  const dueAt = Math.max(chat.pairDueAt, now) + PAIR_EVERY_MS;
  if (dueAt - now > PAIR_BURST * PAIR_EVERY_MS) {
    throw new GraphError(
      131056,
      "Message failed to send because there were too many messages sent from this phone number to the same phone number in a short period of time.",
    );
  }
  chat.pairDueAt = dueAt;
}

/** The throughput of a number: 80 messages per second unless upgraded, in and out together (reference 5.1). */
export function takeThroughput(phone: PhoneNumber, now: number): void {
  const every = 1000 / phone.throughputMps;
  const dueAt = Math.max(phone.throughputDueAt, now) + every;
  if (dueAt - now > 1000 + every / 2) {
    throw new GraphError(
      130429,
      "Message failed to send because there were too many messages sent from this phone number in a short period of time.",
    );
  }
  phone.throughputDueAt = dueAt;
}

/** An inbound message uses throughput as well, and is never refused for it. */
export function noteInboundThroughput(phone: PhoneNumber, now: number): void {
  const dueAt = Math.max(phone.throughputDueAt, now) + 1000 / phone.throughputMps;
  phone.throughputDueAt = Math.max(phone.throughputDueAt, Math.min(dueAt, now + 1000));
}

const DAY_MS = 24 * 60 * 60 * 1000;

/** True when one more marketing message to this person is within the cap; counts it if so. */
export function takeMarketingSlot(chat: Chat, cap: number | null, now: number): boolean {
  if (cap === null) return true;
  chat.marketingSentAt = chat.marketingSentAt.filter((at) => now - at < DAY_MS);
  if (chat.marketingSentAt.length >= cap) return false;
  chat.marketingSentAt.push(now);
  return true;
}
