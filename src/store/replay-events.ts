import { type EventId, newId } from "../domain/ids.ts";
import type { Tx } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";

/**
 * Events come back as new ones, with new numbers and marked replayed, and their conversation is due: what they lead to is
 * decided as of now. The old rows stay as `revoked`, so that nothing is brought back twice. In the caller's transaction.
 */
export async function replayEvents(
  tx: Tx,
  keys: MerchantKeys,
  conversationId: string,
  events: readonly { id: EventId; body: Uint8Array }[],
): Promise<void> {
  if (events.length === 0) return;
  const [box] = await tx<
    { lastSeq: number }[]
  >`update mailbox set last_seq = last_seq + ${events.length}, due_at = clock_timestamp(), attempts = 0, backoff_until = null where id = ${conversationId}
    returning last_seq::float8 as "lastSeq"`;
  for (const [index, row] of events.entries()) {
    const id = newId<EventId>();
    const body = keys.seal("inbox", "body_ct", id, keys.open("inbox", "body_ct", row.id, row.body));
    await tx`insert into inbox (id, merchant_id, conversation_id, seq, kind, type, event_at, received_at, wamid_hash, target_hash, body_ct, replayed_from)
      select ${id}, merchant_id, conversation_id, ${box!.lastSeq - events.length + index + 1}, kind, type, event_at, clock_timestamp(), wamid_hash, target_hash, ${body}, id from inbox where id = ${row.id}`;
    await tx`update inbox set state = 'revoked' where id = ${row.id}`;
  }
}
