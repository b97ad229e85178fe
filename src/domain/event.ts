import type { Wamid } from "./ids.ts";
import type { Person } from "./person.ts";

/** Which merchant an event belongs to, as Meta names it. `displayNumber` is used by events that carry no id. */
export type Route = { wabaId?: string; phoneNumberId?: string; displayNumber?: string };

type Base = {
  route: Route;
  /** Natural key for de-duplication; hashed before it is stored. */
  key: string;
  /** When it happened, by Meta's clock; for events without a time, when it arrived. */
  at: Date;
  /** The event's own part of the payload, kept encrypted. */
  raw: unknown;
};

/** What a customer can send, in our words. `unsupported` keeps the name Meta gave it. */
export type MessageContent =
  | { type: "text"; text: string }
  | {
      type: "image" | "video" | "audio" | "document" | "sticker";
      mediaId: string;
      mimeType?: string;
      caption?: string;
      filename?: string;
      isVoice?: boolean;
    }
  | { type: "location"; latitude: number; longitude: number; name?: string; address?: string }
  | { type: "contacts"; names: string[]; phones: string[]; isAnswerToRequest: boolean }
  | { type: "button"; text: string; payload: string }
  | { type: "button-reply"; id: string; title: string }
  | { type: "list-reply"; id: string; title: string; description?: string }
  | { type: "flow-reply"; name?: string; response: unknown }
  | { type: "call-permission"; isAccepted: boolean }
  | { type: "reaction"; target: Wamid; emoji: string }
  | {
      type: "order";
      catalogId?: string;
      text?: string;
      items: { id: string; quantity: number; price?: number; currency?: string }[];
    }
  | { type: "system"; change: string; previous: Person; current: Person }
  | { type: "edit"; target: Wamid; content: MessageContent }
  | { type: "revoke"; target: Wamid }
  | { type: "request-welcome" }
  | { type: "unsupported"; name: string };

export type MessageType = MessageContent["type"];

export type MessageEvent = Base & {
  kind: "message";
  wamid: Wamid;
  from: Person;
  content: MessageContent;
  groupId?: string;
  replyTo?: Wamid;
  isForwarded?: boolean;
  product?: { catalogId?: string; retailerId?: string };
  referral?: { sourceId?: string; sourceType?: string; clickId?: string; headline?: string; body?: string };
};

/** `unsupported` keeps Meta's word; the lattice ignores it. */
export type DeliveryStatus = "sent" | "delivered" | "read" | "played" | "failed" | "unsupported";

export type StatusEvent = Base & {
  kind: "status";
  wamid: Wamid;
  status: DeliveryStatus;
  statusName: string;
  recipient: Person;
  isGroup: boolean;
  /** Our attempt id, echoed by Meta. */
  callbackData?: string;
  errorCodes: number[];
  pricing?: { category?: string; type?: string };
};

export type PreferenceEvent = Base & {
  kind: "preference";
  from: Person;
  category: string;
  value: "stop" | "resume" | "signup" | "unsupported";
  signupId?: string;
};

/** A person answered from the WhatsApp Business app: the chat is in human hands. */
export type EchoEvent = Base & { kind: "echo"; wamid: Wamid; to: Person; content: MessageContent };

/** Control moved between Meta's agent, a person and us. */
export type HandoverEvent = Base & { kind: "handover"; with: Person; newOwner: string | undefined };

/** A copy of what happens while Meta's own agent holds the chat: context, never answered. */
export type StandbyEvent = Base & { kind: "standby"; of: "message" | "echo" | "status"; with: Person };

export type TemplateEvent = Base & {
  kind: "template";
  change: "status" | "quality" | "category" | "components";
  name: string;
  language: string;
  status?: string;
  reason?: string;
  quality?: string;
  /** Current category; an impending change is announced in `impendingCategory`. */
  category?: string;
  impendingCategory?: string;
};

export type AccountEvent = Base & {
  kind: "account";
  /** Field or `account_update` event, in Meta's word (open set). */
  event: string;
  restrictions: { type: string; until?: Date }[];
  detail: Record<string, string | number | boolean>;
};

/** Kept for the record and acted on by nobody here: calls, history, synced contacts, clicks, value-level errors, unknown fields. */
export type OtherEvent = Base & {
  kind: "history" | "call" | "contact-sync" | "user-action" | "value-errors" | "automatic" | "group" | "unsupported";
  name: string;
  from?: Person;
  opensWindow?: boolean;
};

export type WebhookEvent =
  | MessageEvent
  | StatusEvent
  | PreferenceEvent
  | EchoEvent
  | HandoverEvent
  | StandbyEvent
  | TemplateEvent
  | AccountEvent
  | OtherEvent;
