import type { Summary } from "../domain/draft.ts";
import type { MerchantId } from "../domain/ids.ts";
import type { Tx } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";

/** What was said before the history that a turn reads, in a few lines; the customer's words, so encrypted like them. */
export function openSummary(
  keys: MerchantKeys,
  conversationId: string,
  row: { summary: Uint8Array | null; summaryUntil: Date | null },
): Summary | undefined {
  if (!row.summary || !row.summaryUntil) return undefined;
  return {
    text: keys.open("conversation_summary", "text_ct", conversationId, row.summary),
    until: row.summaryUntil,
  };
}

export async function saveSummary(
  tx: Tx,
  keys: MerchantKeys,
  merchantId: MerchantId,
  conversationId: string,
  summary: Summary,
): Promise<void> {
  await tx`insert into conversation_summary (conversation_id, merchant_id, text_ct, until_at)
    values (${conversationId}, ${merchantId}, ${keys.seal("conversation_summary", "text_ct", conversationId, summary.text)}, ${summary.until})
    on conflict (conversation_id) do update set text_ct = excluded.text_ct, until_at = excluded.until_at, updated_at = clock_timestamp()
    where conversation_summary.until_at < excluded.until_at`;
}
