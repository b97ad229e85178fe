import type { AccountEvent, TemplateEvent } from "../domain/event.ts";
import type { MerchantId } from "../domain/ids.ts";
import type { Tx } from "./database.ts";
import { raiseNotice } from "./notices.ts";

/** Template events change what the gate will find. An impending category change is announced, not yet in force. */
export async function applyTemplateEvent(
  tx: Tx,
  merchantId: MerchantId,
  wabaId: string | undefined,
  event: TemplateEvent,
): Promise<void> {
  if (!wabaId || !event.name) return;
  await tx`update template set status = coalesce(${event.change === "status" ? (normalStatus(event.status) ?? null) : null}, status),
      quality = coalesce(${event.quality ?? null}, quality), category = coalesce(${event.category ?? null}, category), updated_at = now()
    where merchant_id = ${merchantId} and waba_id = ${wabaId} and name = ${event.name} and language = ${event.language}`;
  const isTrouble =
    event.change === "category" ||
    event.change === "quality" ||
    (event.change === "status" && event.status !== "APPROVED");
  if (isTrouble)
    await raiseNotice(tx, merchantId, {
      kind: "template-trouble",
      dedupeKey: `template:${event.name}:${event.language}:${event.change}:${event.status ?? event.quality ?? event.impendingCategory ?? event.category}:${event.at.getTime()}`,
      detail: {
        template: event.name,
        language: event.language,
        change: event.change,
        ...(event.status ? { status: event.status } : {}),
        ...(event.reason ? { reason: event.reason } : {}),
        ...(event.impendingCategory ? { impending: event.impendingCategory } : {}),
      },
    });
}

/** REINSTATED and UNPAUSED templates are sendable again; everything else keeps Meta's word. */
function normalStatus(status: string | undefined): string | undefined {
  return status === "REINSTATED" || status === "UNARCHIVED" ? "APPROVED" : status;
}

const INDEFINITE = new Date("9999-12-31T00:00:00Z");
const LIMITS: Record<string, number | undefined> = {
  TIER_50: 50,
  TIER_250: 250,
  TIER_1K: 1000,
  TIER_2K: 2000,
  TIER_10K: 10_000,
  TIER_100K: 100_000,
};

/**
 * Account events become the restrictions that the gate weighs (platform reference 7.3): templates only, replies too, a
 * disabled account, a revoked app. Every one of them is a notice.
 */
export async function applyAccountEvent(
  tx: Tx,
  merchantId: MerchantId,
  wabaId: string | undefined,
  phoneId: string | undefined,
  event: AccountEvent,
): Promise<void> {
  for (const restriction of event.restrictions) {
    const until = restriction.until ?? INDEFINITE;
    if (restriction.type === "RESTRICTED_BIZ_INITIATED_MESSAGING")
      await tx`update waba set templates_blocked_until = ${until} where merchant_id = ${merchantId} and waba_id = ${wabaId ?? ""}`;
    if (restriction.type === "RESTRICTED_CUSTOMER_INITIATED_MESSAGING")
      await tx`update waba set replies_blocked_until = ${until} where merchant_id = ${merchantId} and waba_id = ${wabaId ?? ""}`;
  }
  const ban = event.detail.banState;
  if (ban === "DISABLE")
    await tx`update waba set replies_blocked_until = ${INDEFINITE}, disabled_reason = 'disabled-by-meta' where merchant_id = ${merchantId} and waba_id = ${wabaId ?? ""}`;
  if (ban === "REINSTATE")
    await tx`update waba set replies_blocked_until = null, templates_blocked_until = null, disabled_reason = null where merchant_id = ${merchantId} and waba_id = ${wabaId ?? ""}`;
  if (event.event === "ACCOUNT_DELETED")
    await tx`update waba set replies_blocked_until = ${INDEFINITE}, disabled_reason = 'account-deleted' where merchant_id = ${merchantId} and waba_id = ${wabaId ?? ""}`;
  if (event.event === "PARTNER_REMOVED" || event.event === "PARTNER_APP_UNINSTALLED")
    await tx`update waba set token_broken_at = ${event.at} where merchant_id = ${merchantId} and waba_id = ${wabaId ?? ""}`;
  if (event.event === "business_capability_update") {
    const limit = messagingLimit(event.detail.max_daily_conversations_per_business);
    if (limit !== undefined)
      await tx`update waba set messaging_limit = ${limit < 0 ? null : limit} where merchant_id = ${merchantId}`;
  }
  await raiseNotice(tx, merchantId, {
    kind: "account-event",
    dedupeKey: `account:${event.event}:${phoneId ?? wabaId ?? ""}:${event.at.getTime()}`,
    detail: { event: event.event, ...event.detail },
  });
}

/** A number, or Meta's tier word; -1 and TIER_UNLIMITED mean no limit. */
export function messagingLimit(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (value === "TIER_UNLIMITED") return -1;
  if (typeof value === "string") return LIMITS[value] ?? (/^-?\d+$/.test(value) ? Number(value) : undefined);
  return undefined;
}
