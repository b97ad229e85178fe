import { type MerchantId, newId } from "../domain/ids.ts";
import type { NoticeLine } from "../ports.ts";
import { type Tx, transaction } from "./database.ts";
import type { Store } from "./store.ts";

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

export type NoticeRow = { at: string; kind: string; count: number; conversation: string; detail: string };

/** What a merchant was told, the newest first. */
export function listNotices(
  store: Store,
  merchantId: MerchantId,
  kinds: readonly string[] | undefined,
  limit: number,
): Promise<NoticeRow[]> {
  return transaction(
    store.sql,
    [merchantId],
    (tx) => tx<NoticeRow[]>`
      select to_char(last_at, 'YYYY-MM-DD"T"HH24:MI:SSZ') as at, kind, count, coalesce(conversation_id::text, '') as conversation, detail::text as detail from notice
      where merchant_id = ${merchantId} and (${kinds === undefined} or kind = any(${[...(kinds ?? [])]})) order by last_at desc limit ${limit}`,
  );
}
