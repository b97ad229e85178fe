import { type EventId, type MerchantId, newId } from "../domain/ids.ts";
import { transaction } from "./database.ts";
import type { Store } from "./store.ts";

export type DeadLetter = { conversation: string; events: number; since: string };

export function listDead(store: Store, merchantId: MerchantId): Promise<DeadLetter[]> {
  return transaction(
    store.sql,
    [merchantId],
    (tx) => tx<
      DeadLetter[]
    >`select conversation_id as conversation, count(*)::int as events, to_char(min(received_at), 'YYYY-MM-DD"T"HH24:MI:SSZ') as since from inbox
      where merchant_id = ${merchantId} and state = 'dead' group by 1 order by 3`,
  );
}

/** Dead events come back as new ones, with new numbers and marked replayed; what they lead to passes the gate as of now. */
export async function replayDead(store: Store, merchantId: MerchantId, conversationId: string): Promise<number> {
  const keys = await store.keyring.of(merchantId);
  const count = await transaction(store.sql, [merchantId], async (tx) => {
    const dead = await tx<
      { id: EventId; body: Uint8Array }[]
    >`select id, body_ct as body from inbox where conversation_id = ${conversationId} and state = 'dead' and body_ct <> '' order by seq for update`;
    if (dead.length === 0) return 0;
    const [box] = await tx<
      { lastSeq: number }[]
    >`update mailbox set last_seq = last_seq + ${dead.length}, due_at = clock_timestamp(), attempts = 0, backoff_until = null where id = ${conversationId} and merchant_id = ${merchantId}
      returning last_seq::float8 as "lastSeq"`;
    for (const [index, row] of dead.entries()) {
      const id = newId<EventId>();
      const body = keys.seal("inbox", "body_ct", id, keys.open("inbox", "body_ct", row.id, row.body));
      await tx`insert into inbox (id, merchant_id, conversation_id, seq, kind, type, event_at, received_at, wamid_hash, target_hash, body_ct, replayed_from)
        select ${id}, merchant_id, conversation_id, ${box!.lastSeq - dead.length + index + 1}, kind, type, event_at, clock_timestamp(), wamid_hash, target_hash, ${body}, id from inbox where id = ${row.id}`;
      await tx`update inbox set state = 'revoked' where id = ${row.id}`;
    }
    return dead.length;
  });
  store.nudge("turns");
  return count;
}
