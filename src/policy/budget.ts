/** What was spent today, by the merchant's own limits. Money counts only where the merchant's file gives prices. */
export type Spend = {
  contactAnswers: number;
  contactUsd: number;
  merchantUsd: number;
  whatsappUsd: number;
};

export type Budgets = {
  contactAnswersPerDay: number;
  contactUsdPerDay?: number | undefined;
  merchantUsdPerDay?: number | undefined;
  whatsappUsdPerDay?: number | undefined;
};

export type OverBudget = "contact-answers" | "contact-usd" | "merchant-usd";

/** Which daily limit of the model's use is reached, if any; the merchant's documents answer until the next day (UTC). */
export function overBudget(spend: Spend, budgets: Budgets): OverBudget | undefined {
  if (spend.contactAnswers >= budgets.contactAnswersPerDay) return "contact-answers";
  if (isReached(spend.contactUsd, budgets.contactUsdPerDay)) return "contact-usd";
  if (isReached(spend.merchantUsd, budgets.merchantUsdPerDay)) return "merchant-usd";
  return undefined;
}

/** Whether what the business starts waits for tomorrow; answers inside the window are not held back for money. */
export function isWhatsappSpent(spend: Pick<Spend, "whatsappUsd">, budgets: Budgets): boolean {
  return isReached(spend.whatsappUsd, budgets.whatsappUsdPerDay);
}

/** The day that a limit counts, and when the next begins. */
export function spendDay(now: Date): { day: string; next: Date } {
  const day = now.toISOString().slice(0, 10);
  return { day, next: new Date(Date.parse(`${day}T00:00:00Z`) + 86_400_000) };
}

function isReached(spent: number, limit: number | undefined): boolean {
  return limit !== undefined && spent >= limit;
}
