import type { AccountEvent, TemplateEvent, WebhookEvent } from "../../domain/event.ts";
import { type Change, routeOf, seconds, string } from "./shared.ts";

export const TEMPLATE_FIELDS = new Set([
  "message_template_status_update",
  "message_template_quality_update",
  "message_template_components_update",
  "template_category_update",
]);

const ACCOUNT_FIELDS = new Set([
  "account_update",
  "account_review_update",
  "account_alerts",
  "business_capability_update",
  "phone_number_quality_update",
  "phone_number_name_update",
  "security",
  "flows",
  "partner_solutions",
  "payment_configuration_update",
  "business_username_update",
  "business_username_updates",
]);

/** The four template fields. Meta's own quality sample carries the status field's name: told apart by `new_quality_score`. */
export function readTemplate(change: Change): WebhookEvent {
  const value = change.value as Record<string, unknown>;
  const base: TemplateEvent = {
    kind: "template",
    change: "status",
    route: routeOf(change),
    key: `template:${change.hash([change.wabaId, change.at.getTime(), change.field, value])}`,
    at: change.at,
    raw: value,
    name: string(value.message_template_name) ?? "",
    language: string(value.message_template_language) ?? "",
  };
  if (value.new_quality_score !== undefined)
    return { ...base, change: "quality", quality: string(value.new_quality_score) };
  if (change.field === "message_template_components_update") return { ...base, change: "components" };
  if (change.field === "template_category_update") {
    const correct = string(value.correct_category);
    return {
      ...base,
      change: "category",
      category: string(value.new_category),
      ...(correct ? { impendingCategory: correct } : {}),
    };
  }
  return {
    ...base,
    status: string(value.event),
    reason: string(value.reason),
    category: string(value.message_template_category),
  };
}

/** Account, number and policy events. `event` keeps Meta's word; restrictions are read because the gate weighs them. */
export function readAccount(change: Change): WebhookEvent | undefined {
  if (!ACCOUNT_FIELDS.has(change.field)) return undefined;
  const value = change.value as Record<string, unknown>;
  const route = routeOf(change);
  const waba = value.waba_info as Record<string, unknown> | undefined;
  const wabaId = string(waba?.waba_id);
  const event: AccountEvent = {
    kind: "account",
    event: (change.field === "account_update" ? string(value.event) : undefined) ?? change.field,
    route: wabaId ? { ...route, wabaId } : route,
    key: `account:${change.hash([change.wabaId, change.at.getTime(), change.field, value])}`,
    at: change.at,
    raw: value,
    restrictions: restrictions(value.restriction_info),
    detail: {},
  };
  for (const name of [
    "event",
    "decision",
    "alert_type",
    "current_limit",
    "max_daily_conversations_per_business",
    "status",
    "requested_verified_name",
  ]) {
    const found = value[name];
    if (typeof found === "string" || typeof found === "number" || typeof found === "boolean")
      event.detail[name] = found;
  }
  const ban = value.ban_info as Record<string, unknown> | undefined;
  if (string(ban?.waba_ban_state)) event.detail.banState = string(ban?.waba_ban_state)!;
  const violation = value.violation_info as Record<string, unknown> | undefined;
  if (string(violation?.violation_type)) event.detail.violation = string(violation?.violation_type)!;
  const alert = value.alert_info as Record<string, unknown> | undefined;
  if (string(alert?.alert_type)) event.detail.alert = string(alert?.alert_type)!;
  return event;
}

function restrictions(value: unknown): { type: string; until?: Date }[] {
  if (!Array.isArray(value)) return [];
  return value.map((item: Record<string, unknown>) => ({
    type: string(item.restriction_type) ?? "unknown",
    until: seconds(item.expiration),
  }));
}
