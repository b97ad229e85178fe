import { type Chat, noteInbound, textOf } from "../chats.ts";
import type { Sim } from "../context.ts";
import { noteInboundThroughput } from "../graph/limits.ts";
import { makeWamid } from "../ids.ts";
import { asObject, type JsonObject } from "../json.ts";
import { inboundValue } from "../payloads.ts";
import { meet, type Person } from "../people.ts";
import type { PhoneNumber } from "../world.ts";
import { storeInboundMedia } from "./inbound-media.ts";

export type Inbound = {
  from: string;
  message: { type: string; [member: string]: unknown };
  context?: unknown;
  referral?: unknown;
  /** Unix seconds; now when absent. */
  timestamp?: number;
  wamid?: string;
  phoneless?: boolean;
};

/** These are not messages of the person and open no window (reference 4.1). */
const OPENS_NO_WINDOW = new Set(["system", "edit", "revoke", "request_welcome"]);

/** A person's message: into the chat, the window and a webhook. Nothing happens while the business blocks the person. */
export function receiveMessage(
  sim: Sim,
  phone: PhoneNumber,
  person: Person,
  input: Inbound,
): { wamid: string; delivered: boolean } {
  const timestampMs = input.timestamp === undefined ? sim.clock.now() : input.timestamp * 1000;
  const { type, [input.message.type]: given, ...extra } = input.message;
  const showPhone = !(input.phoneless ?? person.hidesPhone);
  const bsuid = sim.world.people.bsuidOf(person, phone.waba.portfolioId);
  const wamid = input.wamid ?? makeWamid("in", (showPhone ? person.phone : undefined) ?? bsuid, sim.random);
  meet(person);
  // While a person is blocked neither side can message (reference 3.7).
  if (phone.blockedPeople.has(person.key)) return { wamid, delivered: false };
  const body = storeInboundMedia(sim, type, type === "text" && typeof given === "string" ? { body: given } : given);
  const referral = input.referral ?? extra.referral;
  const message = {
    wamid,
    timestampMs,
    type,
    body,
    context: contextOf(phone, input.context ?? extra.context),
    referral,
    extra: withoutKeys(extra, ["context", "referral"]),
    showPhone,
  };
  receive(sim, phone, sim.world.chats.of(phone.id, person), {
    wamid,
    type,
    atMs: timestampMs,
    body,
    hasReferral: referral !== undefined,
  });
  emit(sim, phone, "messages", "messages", inboundValue(sim.world, phone, person, message));
  return { wamid, delivered: true };
}

/** Sends one messaging webhook about a number. */
export function emit(
  sim: Sim,
  phone: PhoneNumber,
  kind: "messages" | "statuses" | "other",
  field: string,
  value: unknown,
): void {
  sim.webhooks.emit({ kind, wabaId: phone.waba.id, phoneId: phone.id, field, value });
}

function receive(
  sim: Sim,
  phone: PhoneNumber,
  chat: Chat,
  message: { wamid: string; type: string; atMs: number; body: unknown; hasReferral: boolean },
): void {
  const { wamid, type, atMs, body } = message;
  noteInboundThroughput(phone, sim.clock.now());
  const opens = !OPENS_NO_WINDOW.has(type) && (type !== "reaction" || sim.settings.reactionsOpenWindow);
  if (opens) noteInbound(chat, Math.floor(atMs / 1000) * 1000);
  if (message.hasReferral) chat.referralAt = atMs;
  sim.world.chats.add(chat, { wamid, direction: "in", at: atMs, type, body, text: readable(type, asObject(body)) });
}

function readable(type: string, body: JsonObject): string {
  const reply = body.button_reply ?? body.list_reply;
  return textOf(type, reply === undefined ? body : asObject(reply));
}

/** A bare `{id}` gets the `from` that Meta adds. */
function contextOf(phone: PhoneNumber, context: unknown): unknown {
  const given = asObject(context);
  if (context === undefined) return undefined;
  return given.id === undefined || given.from !== undefined ? given : { from: phone.digits, ...given };
}

function withoutKeys(object: JsonObject, keys: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([key]) => !keys.includes(key)));
}
