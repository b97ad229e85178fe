import { type MerchantId, newId } from "../domain/ids.ts";
import type { NoticeLine } from "../ports.ts";
import type { Tx } from "./database.ts";

/** "The merchant is told" is a row here; the same cause counts up instead of telling twice. */
export async function raiseNotice(
  tx: Tx,
  merchantId: MerchantId,
  notice: NoticeLine,
  conversationId?: string,
): Promise<void> {
  await tx`insert into notice (id, merchant_id, kind, dedupe_key, conversation_id, detail) values (${newId()}, ${merchantId}, ${notice.kind}, ${notice.dedupeKey}, ${conversationId ?? null}, ${tx.json(notice.detail)})
    on conflict (merchant_id, dedupe_key) do update set count = notice.count + 1, last_at = clock_timestamp()`;
}
