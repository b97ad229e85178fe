import { z } from "zod";
import type { MessageContent } from "../../domain/event.ts";
import type { Wamid } from "../../domain/ids.ts";
import { person } from "./person.ts";

const text = z.string().optional().catch(undefined);
const media = z.looseObject({
  id: z.string(),
  mime_type: text,
  caption: text,
  filename: text,
  voice: z.boolean().optional().catch(undefined),
});

type Read = (value: unknown) => MessageContent | undefined;

/** How each `messages[].type` is read; what does not fit its schema becomes `unsupported`, never an exception. */
const READERS: Record<string, Read> = {
  text: read(z.looseObject({ body: z.string() }), (value) => ({ type: "text", text: value.body })),
  image: readMedia("image"),
  video: readMedia("video"),
  audio: readMedia("audio"),
  document: readMedia("document"),
  sticker: readMedia("sticker"),
  location: read(
    z.looseObject({ latitude: z.coerce.number(), longitude: z.coerce.number(), name: text, address: text }),
    (value) => ({
      type: "location",
      latitude: value.latitude,
      longitude: value.longitude,
      name: value.name,
      address: value.address,
    }),
  ),
  button: read(z.looseObject({ text: text, payload: text }), (value) => ({
    type: "button",
    text: value.text ?? "",
    payload: value.payload ?? value.text ?? "",
  })),
  reaction: read(z.looseObject({ message_id: z.string(), emoji: text }), (value) => ({
    type: "reaction",
    target: value.message_id as Wamid,
    emoji: value.emoji ?? "",
  })),
  order: read(
    z.looseObject({
      catalog_id: text,
      text,
      product_items: z.array(
        z.looseObject({
          product_retailer_id: z.string(),
          quantity: z.coerce.number(),
          item_price: z.coerce.number().optional().catch(undefined),
          currency: text,
        }),
      ),
    }),
    (value) => ({
      type: "order",
      catalogId: value.catalog_id,
      text: value.text,
      items: value.product_items.map((item) => ({
        id: item.product_retailer_id,
        quantity: item.quantity,
        price: item.item_price,
        currency: item.currency,
      })),
    }),
  ),
  interactive: read(z.looseObject({ type: z.string() }), (value) => readInteractive(value)),
  revoke: read(z.looseObject({ original_message_id: z.string() }), (value) => ({
    type: "revoke",
    target: value.original_message_id as Wamid,
  })),
  edit: read(
    z.looseObject({ original_message_id: z.string(), message: z.looseObject({ type: z.string() }) }),
    (value) => ({
      type: "edit",
      target: value.original_message_id as Wamid,
      content: readContent(value.message),
    }),
  ),
};

/** The content of one inbound message, echo or edit, by its `type`. */
export function readContent(message: Record<string, unknown>): MessageContent {
  const type = typeof message.type === "string" ? message.type : "unknown";
  if (type === "contacts") return readContacts(message) ?? { type: "unsupported", name: type };
  if (type === "system") return readSystem(message) ?? { type: "unsupported", name: type };
  if (type === "request_welcome") return { type: "request-welcome" };
  return READERS[type]?.(message[type]) ?? { type: "unsupported", name: type };
}

function read<Schema extends z.ZodType>(
  schema: Schema,
  build: (value: z.infer<Schema>) => MessageContent | undefined,
): Read {
  return (value) => {
    const parsed = schema.safeParse(value);
    return parsed.success ? build(parsed.data) : undefined;
  };
}

function readMedia(type: "image" | "video" | "audio" | "document" | "sticker"): Read {
  return read(media, (value) => ({
    type,
    mediaId: value.id,
    mimeType: value.mime_type,
    caption: value.caption,
    filename: value.filename,
    isVoice: value.voice,
  }));
}

const replySchema = z.looseObject({ id: z.string(), title: z.string(), description: text });

function readInteractive(value: Record<string, unknown> & { type: string }): MessageContent | undefined {
  const part = value[value.type];
  if (value.type === "button_reply")
    return read(replySchema, ({ id, title }) => ({ type: "button-reply", id, title }))(part);
  if (value.type === "list_reply")
    return read(replySchema, ({ id, title, description }) => ({ type: "list-reply", id, title, description }))(part);
  if (value.type === "nfm_reply")
    return read(z.looseObject({ name: text, response_json: z.string() }), (reply) => ({
      type: "flow-reply",
      name: reply.name,
      response: parseJson(reply.response_json),
    }))(part);
  if (value.type === "call_permission_reply")
    return read(z.looseObject({ response: z.string() }), (reply) => ({
      type: "call-permission",
      isAccepted: reply.response === "accept",
    }))(part);
  return { type: "unsupported", name: `interactive.${value.type}` };
}

function readContacts(message: Record<string, unknown>): MessageContent | undefined {
  const schema = z.array(
    z.looseObject({
      name: z.looseObject({ formatted_name: text }).optional().catch(undefined),
      phones: z
        .array(z.looseObject({ phone: text, wa_id: text }))
        .optional()
        .catch(undefined),
    }),
  );
  const parsed = schema.safeParse(message.contacts);
  if (!parsed.success) return undefined;
  return {
    type: "contacts",
    names: parsed.data.map((contact) => contact.name?.formatted_name).filter((name) => name !== undefined),
    phones: parsed.data
      .flatMap((contact) => (contact.phones ?? []).map((phone) => phone.phone ?? phone.wa_id))
      .filter((phone) => phone !== undefined),
    isAnswerToRequest: message.origin === "contact_request",
  };
}

const systemSchema = z.looseObject({
  type: text,
  wa_id: text,
  new_wa_id: text,
  customer: text,
  user_id: text,
  parent_user_id: text,
  previous_user_id: text,
  previous_parent_user_id: text,
});

/** Identity changes: number, BSUID or both (platform reference 2.5, legacy forms included). */
function readSystem(message: Record<string, unknown>): MessageContent | undefined {
  const parsed = systemSchema.safeParse(message.system);
  if (!parsed.success) return undefined;
  const system = parsed.data;
  const from = typeof message.from === "string" ? message.from : undefined;
  const fromUserId = typeof message.from_user_id === "string" ? message.from_user_id : undefined;
  return {
    type: "system",
    change: system.type ?? "unknown",
    previous: person({
      waId: from ?? system.customer,
      bsuid: system.previous_user_id,
      parentBsuid: system.previous_parent_user_id,
    }),
    current: person({
      waId: system.wa_id ?? system.new_wa_id,
      bsuid: system.user_id ?? fromUserId,
      parentBsuid: system.parent_user_id,
    }),
  };
}

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return json;
  }
}
