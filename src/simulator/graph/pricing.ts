import { type Chat, isWindowOpen } from "../chats.ts";
import type { JsonObject } from "../json.ts";
import type { Template } from "../templates.ts";

const SERVICE_CHARGED_FROM = Date.UTC(2026, 9, 1);
const HOUR_MS = 60 * 60 * 1000;

export type Pricing = { pricing: JsonObject; conversation?: JsonObject };

/**
 * The `pricing` of a delivered message (reference 4.3): per message, service charged since 2026-10-01, everything free in
 * the 72 h after a reply to an ad click. Since v24 `conversation` appears only there.
 */
export function pricingOf(
  chat: Chat,
  now: number,
  send: { template?: Template; viaMarketingApi: boolean; wamid: string; category?: string },
): Pricing {
  openFreeEntry(chat, now);
  if (chat.freeEntryUntil !== undefined && now < chat.freeEntryUntil) {
    return {
      pricing: { billable: false, pricing_model: "PMP", type: "free_entry_point", category: "referral_conversion" },
      conversation: {
        id: Buffer.from(`${chat.phoneId}${chat.freeEntryUntil}`).toString("hex").slice(0, 32),
        expiration_timestamp: String(Math.floor(chat.freeEntryUntil / 1000)),
        origin: { type: "referral_conversion" },
      },
    };
  }
  const category = categoryOf(send);
  const inWindow = isWindowOpen(chat, now) && (category === "service" || category === "utility");
  const isFree = inWindow && now < SERVICE_CHARGED_FROM;
  return {
    pricing: {
      billable: !isFree,
      pricing_model: "PMP",
      type: isFree ? "free_customer_service" : "regular",
      category,
    },
  };
}

function categoryOf(send: { template?: Template; viaMarketingApi: boolean; category?: string }): string {
  if (send.viaMarketingApi) return "marketing_lite";
  return send.template?.category.toLowerCase() ?? send.category ?? "service";
}

/** The first reply within 24 h of a message that came from an ad starts the 72 h (reference 4.2). */
function openFreeEntry(chat: Chat, now: number): void {
  if (chat.referralAt === undefined) return;
  if (now - chat.referralAt < 24 * HOUR_MS) chat.freeEntryUntil = now + 72 * HOUR_MS;
  chat.referralAt = undefined;
}
