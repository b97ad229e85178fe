import { invalidParam } from "../graph-error.ts";
import { characters, isObject, type JsonObject } from "../json.ts";
import { atMost, invalid, missing, optionalText, requireObject, requireText } from "./checks.ts";
import { checkInteractive } from "./interactive-shape.ts";
import { checkContacts, checkLocation, checkMedia, type MediaLookup } from "./media-shape.ts";

export type Send = {
  type: string;
  /** The member that carries the type, e.g. `text`. */
  content: JsonObject;
  to?: string;
  recipient?: string;
  recipientType: "individual" | "group";
  attemptId?: string;
  contextId?: string;
  /** Direct Send (reference 3.9). */
  category?: string;
  body: JsonObject;
};

const TYPES = [
  "AUDIO",
  "CONTACTS",
  "DOCUMENT",
  "IMAGE",
  "INTERACTIVE",
  "LOCATION",
  "REACTION",
  "STICKER",
  "TEMPLATE",
  "TEXT",
  "VIDEO",
];
const MEDIA = new Set(["audio", "document", "image", "sticker", "video"]);

/** Reads the body of `POST /<phone>/messages` and refuses what Meta refuses before looking at the world. */
export function parseSend(body: JsonObject, lookup: MediaLookup): Send {
  const type = optionalText(body, "type")?.toLowerCase() ?? "text";
  if (!TYPES.includes(type.toUpperCase())) {
    throw invalidParam(`Param type must be one of {${TYPES.join(", ")}} - got "${String(body.type)}".`);
  }
  const send: Send = { ...addressOf(body), type, content: {}, body };
  if (type === "contacts") checkContacts(body.contacts);
  else send.content = requireObject(body, type);
  checkContent(type, send.content, lookup);
  if (body.context !== undefined) {
    const context = requireObject(body, "context");
    send.contextId = requireText(context, "message_id", "context['message_id']");
  }
  if (body.biz_opaque_callback_data !== undefined) {
    send.attemptId = optionalText(body, "biz_opaque_callback_data");
    atMost(send.attemptId, 512, "biz_opaque_callback_data");
  }
  send.category = optionalText(body, "category")?.toLowerCase();
  return send;
}

/** The parts of a body that the ledger keeps even when the rest is refused. */
export function addressOf(body: JsonObject): Pick<Send, "to" | "recipient" | "recipientType"> {
  const to = typeof body.to === "number" ? String(body.to) : body.to;
  return {
    to: typeof to === "string" && to !== "" ? to : undefined,
    recipient: typeof body.recipient === "string" && body.recipient !== "" ? body.recipient : undefined,
    recipientType: body.recipient_type === "group" ? "group" : "individual",
  };
}

/** `messaging_product` comes first in Meta's checks, whatever else is wrong. */
export function requireProduct(body: unknown): JsonObject {
  if (!isObject(body)) throw invalidParam("The request body must be a JSON object.");
  if (body.messaging_product === undefined) throw invalidParam("The parameter messaging_product is required.");
  if (body.messaging_product !== "whatsapp") throw invalidParam("Param messaging_product must be one of {WHATSAPP}");
  if (body.recipient_type !== undefined && body.recipient_type !== "individual" && body.recipient_type !== "group") {
    throw invalidParam("Param recipient_type must be one of {GROUP, INDIVIDUAL}");
  }
  return body;
}

function checkContent(type: string, content: JsonObject, lookup: MediaLookup): void {
  if (type === "text") checkText(content);
  else if (MEDIA.has(type)) checkMedia(content, type, lookup);
  else if (type === "location") checkLocation(content);
  else if (type === "reaction") checkReaction(content);
  else if (type === "interactive") checkInteractive(content, lookup);
  // A template is checked against its definition, in template-match.ts.
}

function checkText(text: JsonObject): void {
  const body = requireText(text, "body", "text['body']");
  if (body.trim() === "") throw missing("text['body']");
  atMost(body, 4096, "text['body']");
  if (text.preview_url !== undefined && !["boolean", "string"].includes(typeof text.preview_url)) {
    throw invalidParam("Param text['preview_url'] must be a boolean.");
  }
}

function checkReaction(reaction: JsonObject): void {
  requireText(reaction, "message_id", "reaction['message_id']");
  const emoji = optionalText(reaction, "emoji", "reaction['emoji']");
  if (emoji === undefined) throw missing("reaction['emoji']");
  if (emoji !== "" && (/[A-Za-z0-9]/.test(emoji) || characters(emoji) > 16)) {
    throw invalid("Reaction emoji is not a valid emoji");
  }
}
