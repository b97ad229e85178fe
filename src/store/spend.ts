import type { Usage } from "../domain/draft.ts";
import type { ContactId, MerchantId } from "../domain/ids.ts";
import type { MerchantConfig } from "../domain/merchant.ts";
import { type Spend, spendDay } from "../policy/budget.ts";
import type { Tx } from "./database.ts";

/** Today's spending of a person and their merchant. The merchant's sum is read only where a limit asks for it. */
export async function readSpend(
  tx: Tx,
  merchantId: MerchantId,
  contactId: ContactId,
  config: MerchantConfig,
  now: Date,
): Promise<Spend> {
  const { day } = spendDay(now);
  const { merchantUsdPerDay, whatsappUsdPerDay } = config.budgets;
  const isSummed = merchantUsdPerDay !== undefined || whatsappUsdPerDay !== undefined;
  const [[own], [all]] = await Promise.all([
    tx<
      { answers: number; usd: number }[]
    >`select answers, model_usd as usd from spend where merchant_id = ${merchantId} and day = ${day} and contact_id = ${contactId}`,
    isSummed
      ? tx<
          { model: number; whatsapp: number }[]
        >`select coalesce(sum(model_usd), 0)::float8 as model, coalesce(sum(whatsapp_usd), 0)::float8 as whatsapp from spend where merchant_id = ${merchantId} and day = ${day}`
      : [],
  ]);
  return {
    contactAnswers: own?.answers ?? 0,
    contactUsd: own?.usd ?? 0,
    merchantUsd: all?.model ?? 0,
    whatsappUsd: all?.whatsapp ?? 0,
  };
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
