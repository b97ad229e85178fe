import type { GraphError } from "./graph-error.ts";
import type { JsonObject } from "./json.ts";
import type { Person } from "./people.ts";
import type { PhoneNumber, World } from "./world.ts";

/** The part of every messaging webhook that names the business number. */
export function metadataOf(phone: PhoneNumber): JsonObject {
  return {
    messaging_product: "whatsapp",
    metadata: { display_phone_number: phone.digits, phone_number_id: phone.id },
  };
}

/** `contacts[]` of a webhook. Phone and username are left out, never empty, when the business may not see them. */
export function contactOf(world: World, phone: PhoneNumber, person: Person, showPhone: boolean): JsonObject {
  return {
    profile: {
      ...(person.name === undefined ? {} : { name: person.name }),
      ...(person.username === undefined ? {} : { username: person.username }),
    },
    ...(showPhone && person.phone !== undefined ? { wa_id: person.phone } : {}),
    user_id: world.people.bsuidOf(person, phone.waba.portfolioId),
    ...(person.parentBsuid === undefined ? {} : { parent_user_id: person.parentBsuid }),
  };
}

export type InboundMessage = {
  wamid: string;
  timestampMs: number;
  type: string;
  body: unknown;
  context?: unknown;
  referral?: unknown;
  /** Further members at message level, e.g. `origin`, `errors`. */
  extra?: JsonObject;
  showPhone: boolean;
};

/** The `messages` value for one inbound message (reference 1.6). System messages carry no contacts. */
export function inboundValue(world: World, phone: PhoneNumber, person: Person, message: InboundMessage): JsonObject {
  const showPhone = message.showPhone && person.phone !== undefined;
  return {
    ...metadataOf(phone),
    ...(message.type === "system" ? {} : { contacts: [contactOf(world, phone, person, showPhone)] }),
    messages: [
      {
        ...(message.context === undefined ? {} : { context: message.context }),
        ...(message.referral === undefined ? {} : { referral: message.referral }),
        ...(showPhone ? { from: person.phone } : {}),
        from_user_id: world.people.bsuidOf(person, phone.waba.portfolioId),
        ...(person.parentBsuid === undefined ? {} : { from_parent_user_id: person.parentBsuid }),
        id: message.wamid,
        timestamp: seconds(message.timestampMs),
        type: message.type,
        ...(message.body === undefined ? {} : { [message.type]: message.body }),
        ...message.extra,
      },
    ],
  };
}

export type StatusUpdate = {
  wamid: string;
  status: "sent" | "delivered" | "read" | "failed";
  atMs: number;
  /** The send was addressed by phone, so the phone may be shown. */
  byPhone: boolean;
  attemptId?: string;
  pricing?: JsonObject;
  conversation?: JsonObject;
  error?: GraphError;
};

/** The `messages` value for one status (reference 1.7). `contacts` are omitted for `failed`. */
export function statusValue(world: World, phone: PhoneNumber, person: Person, update: StatusUpdate): JsonObject {
  const showPhone = person.phone !== undefined && (update.byPhone || !person.hidesPhone);
  const failed = update.status === "failed";
  return {
    ...metadataOf(phone),
    ...(failed ? {} : { contacts: [contactOf(world, phone, person, showPhone)] }),
    statuses: [
      {
        id: update.wamid,
        status: update.status,
        timestamp: seconds(update.atMs),
        ...(showPhone ? { recipient_id: person.phone } : {}),
        ...(failed ? {} : { recipient_user_id: world.people.bsuidOf(person, phone.waba.portfolioId) }),
        ...(person.parentBsuid === undefined || failed ? {} : { parent_recipient_user_id: person.parentBsuid }),
        ...(update.attemptId === undefined ? {} : { biz_opaque_callback_data: update.attemptId }),
        ...(update.conversation === undefined ? {} : { conversation: update.conversation }),
        ...(update.pricing === undefined ? {} : { pricing: update.pricing }),
        ...(update.error === undefined ? {} : { errors: [update.error.toStatusError()] }),
      },
    ],
  };
}

const PREFERENCE_DETAILS: Readonly<Record<string, string>> = {
  stop: "User requested to stop marketing messages",
  resume: "User requested to resume marketing messages",
  signup: "User signed up via signup link",
};

/** The `user_preferences` value (reference 1.9). Its timestamp is a number, unlike those of messages. */
export function preferenceValue(
  world: World,
  phone: PhoneNumber,
  person: Person,
  preference: { value: string; atMs: number; showPhone: boolean; signupId?: string },
): JsonObject {
  const showPhone = preference.showPhone && person.phone !== undefined;
  return {
    ...metadataOf(phone),
    contacts: [contactOf(world, phone, person, showPhone)],
    user_preferences: [
      {
        ...(showPhone ? { wa_id: person.phone } : {}),
        user_id: world.people.bsuidOf(person, phone.waba.portfolioId),
        detail: PREFERENCE_DETAILS[preference.value] ?? "User changed a preference",
        category: "marketing_messages",
        value: preference.value,
        ...(preference.signupId === undefined ? {} : { signup_id: preference.signupId }),
        timestamp: Math.floor(preference.atMs / 1000),
      },
    ],
  };
}

/** The `smb_message_echoes` value: a person at the business answered from the WhatsApp Business app (reference 1.9). */
export function echoValue(
  world: World,
  phone: PhoneNumber,
  person: Person,
  echo: { wamid: string; atMs: number; type: string; body: unknown; showPhone: boolean },
): JsonObject {
  const showPhone = echo.showPhone && person.phone !== undefined;
  return {
    ...metadataOf(phone),
    contacts: [contactOf(world, phone, person, showPhone)],
    message_echoes: [
      {
        from: phone.digits,
        ...(showPhone ? { to: person.phone } : {}),
        to_user_id: world.people.bsuidOf(person, phone.waba.portfolioId),
        id: echo.wamid,
        timestamp: seconds(echo.atMs),
        type: echo.type,
        [echo.type]: echo.body,
      },
    ],
  };
}

function seconds(ms: number): string {
  return String(Math.floor(ms / 1000));
}
