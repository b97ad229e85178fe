import type { DeliveryStatus, WebhookEvent } from "../../domain/event.ts";
import type { Wamid } from "../../domain/ids.ts";
import { readAccount, readTemplate, TEMPLATE_FIELDS } from "./management.ts";
import { readContent } from "./message.ts";
import { type Contact, person, withProfile } from "./person.ts";
import { type Change, type Raw, routeOf, seconds, string, valueSchema } from "./shared.ts";

/** Every event of one `changes[]` entry, in our words. Routed by `field`; tolerant of Meta's misplaced and unknown ones. */
export function readChange(change: Change): WebhookEvent[] {
  const { field, value } = change;
  if (field === "standby") return readStandby(change);
  if (field === "messages" || field === "calls")
    return [...readMessages(change), ...readCalls(change), ...readErrors(change)];
  if (field === "user_preferences") return (value.user_preferences ?? []).map((item) => readPreference(change, item));
  if (field === "smb_message_echoes") return (value.message_echoes ?? []).map((item) => readEcho(change, item));
  if (field === "history") return (value.history ?? [value]).map((item) => other(change, "history", field, item));
  if (field === "messaging_handovers") return [readHandover(change)];
  if (field === "user_id_update") return readUserIdUpdate(change);
  if (field === "smb_app_state_sync")
    return (value.state_sync ?? [value]).map((item) => other(change, "contact-sync", field, item));
  if (field === "automatic_events")
    return (value.automatic_events ?? [value]).map((item) => other(change, "automatic", field, item));
  if (field.startsWith("group_")) return [other(change, "group", field, value)];
  if (TEMPLATE_FIELDS.has(field)) return [readTemplate(change)];
  return [readAccount(change) ?? other(change, "unsupported", field, value)];
}

function readMessages(change: Change): WebhookEvent[] {
  const { value } = change;
  const contacts = value.contacts ?? [];
  const events: WebhookEvent[] = [
    ...(value.messages ?? []).map((item) => readMessage(change, item, contacts)),
    ...(change.field === "messages" ? (value.statuses ?? []).map((item) => readStatus(change, item)) : []),
    ...(value.user_actions ?? []).map((item) =>
      other(change, "user-action", String(item.action_type ?? "unknown"), item),
    ),
  ];
  if (events.length === 0 && (value.errors ?? []).length === 0 && change.field === "messages")
    return [other(change, "unsupported", change.field, value)];
  return events;
}

/** Errors of the account or the app as a whole, beside whatever else the value holds. */
function readErrors(change: Change): WebhookEvent[] {
  return (change.value.errors ?? []).length > 0 ? [other(change, "value-errors", "errors", change.value.errors)] : [];
}

function readMessage(change: Change, item: Raw, contacts: Contact[]): WebhookEvent {
  const wamid = string(item.id);
  const content = readContent(item);
  const ids = person({
    waId: string(item.from),
    bsuid: string(item.from_user_id),
    parentBsuid: string(item.from_parent_user_id),
  });
  const from = content.type === "system" ? content.current : withProfile(ids, contacts);
  if (!wamid || (!from.waId && !from.bsuid && content.type !== "system"))
    return other(change, "unsupported", "messages.without-id-or-sender", item);
  const context = item.context as Raw | undefined;
  const product = context?.referred_product as Raw | undefined;
  const referral = item.referral as Raw | undefined;
  return {
    kind: "message",
    route: routeOf(change),
    key: `message:${wamid}`,
    at: seconds(item.timestamp) ?? change.at,
    raw: item,
    wamid: wamid as Wamid,
    from,
    content,
    groupId: string(item.group_id),
    replyTo: string(context?.id) as Wamid | undefined,
    isForwarded: context?.forwarded === true || context?.frequently_forwarded === true || undefined,
    product: product && { catalogId: string(product.catalog_id), retailerId: string(product.product_retailer_id) },
    referral: referral && {
      sourceId: string(referral.source_id),
      sourceType: string(referral.source_type),
      clickId: string(referral.ctwa_clid),
      headline: string(referral.headline),
      body: string(referral.body),
    },
  };
}

const STATUSES = new Set<string>(["sent", "delivered", "read", "played", "failed"]);

function readStatus(change: Change, item: Raw): WebhookEvent {
  const wamid = string(item.id);
  if (!wamid) return other(change, "unsupported", "statuses.without-id", item);
  const statusName = string(item.status) ?? "unknown";
  const recipient = person({
    waId: string(item.recipient_id),
    bsuid: string(item.recipient_user_id),
    parentBsuid: string(item.parent_recipient_user_id) ?? string(item.parent_user_id),
  });
  const pricing = item.pricing as Raw | undefined;
  const errors = Array.isArray(item.errors) ? (item.errors as Raw[]) : [];
  return {
    kind: "status",
    route: routeOf(change),
    key: `status:${wamid}:${statusName}:${recipient.waId ?? recipient.bsuid ?? ""}:${string(item.recipient_participant_id) ?? ""}`,
    at: seconds(item.timestamp) ?? change.at,
    raw: item,
    wamid: wamid as Wamid,
    status: (STATUSES.has(statusName) ? statusName : "unsupported") as DeliveryStatus,
    statusName,
    recipient,
    isGroup: item.recipient_type === "group",
    callbackData: string(item.biz_opaque_callback_data),
    errorCodes: errors.map((error) => Number(error.code)).filter((code) => Number.isInteger(code)),
    pricing: pricing && { category: string(pricing.category), type: string(pricing.type) },
  };
}

function readPreference(change: Change, item: Raw): WebhookEvent {
  const from = withProfile(
    person({ waId: string(item.wa_id), bsuid: string(item.user_id), parentBsuid: string(item.parent_user_id) }),
    change.value.contacts ?? [],
  );
  if (!from.waId && !from.bsuid) return other(change, "unsupported", "user_preferences.without-sender", item);
  const value = string(item.value);
  return {
    kind: "preference",
    route: routeOf(change),
    key: `preference:${change.value.metadata?.phone_number_id ?? ""}:${from.bsuid ?? from.waId}:${value}:${String(item.timestamp)}`,
    at: seconds(item.timestamp) ?? change.at,
    raw: item,
    from,
    category: string(item.category) ?? "unknown",
    value: value === "stop" || value === "resume" || value === "signup" ? value : "unsupported",
    signupId: string(item.signup_id),
  };
}

function readEcho(change: Change, item: Raw): WebhookEvent {
  const wamid = string(item.id);
  const to = withProfile(
    person({ waId: string(item.to), bsuid: string(item.to_user_id), parentBsuid: string(item.to_parent_user_id) }),
    change.value.contacts ?? [],
  );
  if (!wamid || (!to.waId && !to.bsuid))
    return other(change, "unsupported", "smb_message_echoes.without-id-or-recipient", item);
  return {
    kind: "echo",
    route: routeOf(change),
    key: `echo:${wamid}`,
    at: seconds(item.timestamp) ?? change.at,
    raw: item,
    wamid: wamid as Wamid,
    to,
    content: readContent(item),
  };
}

/** Copies of messages, echoes and receipts while Meta's own agent holds the chat: context only, one event each. */
function readStandby(change: Change): WebhookEvent[] {
  const inner = valueSchema.safeParse(change.value.standby);
  const value = inner.success ? inner.data : change.value;
  const contacts = value.contacts ?? [];
  const copies: ["message" | "echo" | "status", Raw][] = [
    ...(value.messages ?? []).map((item): ["message", Raw] => ["message", item]),
    ...(value.message_echoes ?? []).map((item): ["echo", Raw] => ["echo", item]),
    ...(value.statuses ?? []).map((item): ["status", Raw] => ["status", item]),
  ];
  if (copies.length === 0) return [other(change, "unsupported", "standby", value)];
  return copies.map(([of, item]) => {
    const echoed = (item.message ?? item) as Raw;
    const ids =
      of === "echo"
        ? person({ waId: string(echoed.to), bsuid: string(echoed.to_user_id) })
        : person({
            waId: string(item.from) ?? string(item.recipient_id),
            bsuid: string(item.from_user_id) ?? string(item.recipient_user_id),
          });
    const who = of === "message" ? withProfile(ids, contacts) : ids;
    return {
      kind: "standby",
      route: routeOf(change),
      key: `standby:${of}:${change.hash(item)}`,
      at: seconds(item.timestamp) ?? change.at,
      raw: item,
      of,
      with: who,
    };
  });
}

/** Control moved. Only "to us" gives the chat back; to anybody else it is out of the agent's hands. */
function readHandover(change: Change): WebhookEvent {
  const { value } = change;
  const first =
    (Array.isArray(value.messaging_handovers) ? (value.messaging_handovers as Raw[])[0] : undefined) ?? (value as Raw);
  const sender = (first.sender ?? {}) as Raw;
  const ids = person({
    waId: string(sender.phone_number) ?? string(sender.wa_id) ?? string(first.wa_id) ?? string(first.from),
    bsuid: string(sender.user_id) ?? string(first.user_id) ?? string(first.from_user_id),
  });
  const passed = first.control_passed as Raw | undefined;
  return {
    kind: "handover",
    route: routeOf(change),
    key: `handover:${change.hash(value)}`,
    at: seconds(first.timestamp) ?? change.at,
    raw: value,
    with: withProfile(ids, value.contacts ?? []),
    newOwner: string(passed?.new_owner_role),
  };
}

/** The rotation in its older form: Meta took the field back on 2026-08-11, but one may still arrive. */
function readUserIdUpdate(change: Change): WebhookEvent[] {
  const updates = Array.isArray(change.value.user_id_update) ? (change.value.user_id_update as Raw[]) : [];
  if (updates.length === 0) return [other(change, "unsupported", change.field, change.value)];
  return updates.map((item) => {
    const ids = (item.user_id ?? {}) as Raw;
    const parents = (item.parent_user_id ?? {}) as Raw;
    const current = person({
      waId: string(item.wa_id),
      bsuid: string(ids.current),
      parentBsuid: string(parents.current),
    });
    const previous = person({
      waId: string(item.wa_id),
      bsuid: string(ids.previous),
      parentBsuid: string(parents.previous),
    });
    const key = `rotation:${change.hash(item)}`;
    return {
      kind: "message",
      route: routeOf(change),
      key,
      at: seconds(item.timestamp) ?? change.at,
      raw: item,
      wamid: key as Wamid,
      from: current,
      content: { type: "system", change: "user_id_update", previous, current },
    };
  });
}

/** An inbound user call opens the window, as a message does (platform reference 4.1). */
function readCalls(change: Change): WebhookEvent[] {
  if (change.field !== "calls") return [];
  const contacts = change.value.contacts ?? [];
  const calls = (change.value.calls ?? []).map((item): WebhookEvent => {
    const isInbound = item.direction === "USER_INITIATED" && item.event === "connect";
    const caller = withProfile(person({ waId: string(item.from), bsuid: string(item.from_user_id) }), contacts);
    const event = other(change, "call", String(item.event ?? "call"), item);
    return isInbound && (caller.waId || caller.bsuid) ? { ...event, from: caller, opensWindow: true } : event;
  });
  return [
    ...calls,
    ...(change.value.statuses ?? []).map((item) => other(change, "call", `status.${String(item.status)}`, item)),
  ];
}

type OtherKind =
  | "history"
  | "call"
  | "contact-sync"
  | "user-action"
  | "value-errors"
  | "automatic"
  | "group"
  | "unsupported";

function other(
  change: Change,
  kind: OtherKind,
  name: string,
  raw: unknown,
): Extract<WebhookEvent, { kind: OtherKind }> {
  return {
    kind,
    name,
    route: routeOf(change),
    key: `${kind}:${change.hash([change.wabaId, change.at.getTime(), change.field, raw])}`,
    at: seconds((raw as Raw)?.timestamp) ?? change.at,
    raw,
  };
}
