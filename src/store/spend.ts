import type { Usage } from "../domain/draft.ts";
import type { ContactId, MerchantId } from "../domain/ids.ts";
import type { MerchantConfig } from "../domain/merchant.ts";
import { type Spend, spendDay } from "../policy/budget.ts";
import type { Tx } from "./database.ts";

/** What a merchant spent today, over all people; read only where a limit of theirs asks for it. */
export async function readMerchantSpend(
  tx: Tx,
  merchantId: MerchantId,
  { budgets }: Pick<MerchantConfig, "budgets">,
  now: Date,
): Promise<Pick<Spend, "merchantUsd" | "whatsappUsd">> {
  if (budgets.merchantUsdPerDay === undefined && budgets.whatsappUsdPerDay === undefined)
    return { merchantUsd: 0, whatsappUsd: 0 };
  const [all] = await tx<{ model: number; whatsapp: number }[]>`
    select coalesce(sum(model_usd), 0)::float8 as model, coalesce(sum(whatsapp_usd), 0)::float8 as whatsapp from spend where merchant_id = ${merchantId} and day = ${spendDay(now).day}`;
  return { merchantUsd: all!.model, whatsappUsd: all!.whatsapp };
}

/** Adds a draft's use to the day; in the turn's own commit, so that a retaken turn counts once. */
export async function addModelSpend(
  tx: Tx,
  merchantId: MerchantId,
  contactId: ContactId,
  usage: Usage,
  now: Date,
): Promise<void> {
  await tx`insert into spend (merchant_id, day, contact_id, answers, tokens, model_usd) values (${merchantId}, ${spendDay(now).day}, ${contactId}, 1, ${usage.inputTokens + usage.outputTokens}, ${usage.costUsd ?? 0})
    on conflict (merchant_id, day, contact_id) do update set answers = spend.answers + 1, tokens = spend.tokens + excluded.tokens, model_usd = spend.model_usd + excluded.model_usd`;
}

/** Adds what Meta charges for a message, as the merchant's rate card says for its price category. */
export async function addWhatsappSpend(
  tx: Tx,
  merchantId: MerchantId,
  contactId: ContactId,
  usd: number,
  now: Date,
): Promise<void> {
  await tx`insert into spend (merchant_id, day, contact_id, whatsapp_usd) values (${merchantId}, ${spendDay(now).day}, ${contactId}, ${usd})
    on conflict (merchant_id, day, contact_id) do update set whatsapp_usd = spend.whatsapp_usd + excluded.whatsapp_usd`;
}
