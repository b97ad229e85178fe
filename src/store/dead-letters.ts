import type { EventId, MerchantId } from "../domain/ids.ts";
import { transaction } from "./database.ts";
import { replayEvents } from "./replay-events.ts";
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
    await replayEvents(tx, keys, conversationId, dead);
    return dead.length;
  });
  store.nudge("turns");
  return count;
}
