import type { JsonObject } from "./json.ts";
import type { Person } from "./people.ts";

export type ChatItem = {
  wamid: string;
  /** `echo` is the business answering from the WhatsApp Business app. */
  direction: "in" | "out" | "echo";
  at: number;
  type: string;
  /** The Graph body of the type, as sent or received. */
  body: unknown;
  /** What a person reads, templates filled in. */
  text: string;
  /** Titles of what can be tapped. */
  buttons?: readonly { id: string; title: string }[];
  status?: "accepted" | "held" | "sent" | "delivered" | "read" | "failed";
  errorCode?: number;
  /** When each status came, in real milliseconds: what a page shows beside the ticks. */
  statusAt?: Record<string, number>;
};

export type ChatEvent =
  | { type: "message"; item: ChatItem }
  | { type: "status"; wamid: string; status: string; errorCode?: number }
  | { type: "read"; wamid: string }
  | { type: "typing"; wamid: string };

/** Everything between one business number and one person. */
export type Chat = {
  readonly phoneId: string;
  readonly person: Person;
  readonly items: ChatItem[];
  /** Timestamp of the last message that opens the service window; undefined when the person never wrote. */
  lastInboundAt?: number;
  /** Last inbound that came from an ad, and the end of the 72 h that are free of charge (reference 4.2). */
  referralAt?: number;
  freeEntryUntil?: number;
  /** Theoretical arrival time of the pair limit (reference 5.1: 1 per 6 s, burst 45). */
  pairDueAt: number;
  marketingSentAt: number[];
  readonly listeners: Set<(event: ChatEvent) => void>;
};

/** All chats, found by pair or by a message in them. */
export class Chats {
  readonly #byPair = new Map<string, Chat>();
  readonly #byWamid = new Map<string, { chat: Chat; item: ChatItem }>();

  of(phoneId: string, person: Person): Chat {
    const key = `${phoneId}|${person.key}`;
    let chat = this.#byPair.get(key);
    if (chat === undefined) {
      chat = { phoneId, person, items: [], pairDueAt: 0, marketingSentAt: [], listeners: new Set() };
      this.#byPair.set(key, chat);
    }
    return chat;
  }

  add(chat: Chat, item: ChatItem): void {
    chat.items.push(item);
    this.#byWamid.set(item.wamid, { chat, item });
    tell(chat, { type: "message", item });
  }

  find(wamid: string): { chat: Chat; item: ChatItem } | undefined {
    return this.#byWamid.get(wamid);
  }

  setStatus(chat: Chat, item: ChatItem, status: ChatItem["status"], errorCode?: number): void {
    item.status = status;
    item.statusAt = { ...item.statusAt, [status ?? "accepted"]: Date.now() };
    if (errorCode !== undefined) item.errorCode = errorCode;
    tell(chat, { type: "status", wamid: item.wamid, status: status ?? "accepted", errorCode });
  }
}

/** Passes an event to whoever watches the chat. */
export function tell(chat: Chat, event: ChatEvent): void {
  for (const listener of chat.listeners) listener(event);
}

/** Opens or extends the service window. A late message never shortens it. */
export function noteInbound(chat: Chat, timestampMs: number): void {
  chat.lastInboundAt = Math.max(chat.lastInboundAt ?? Number.NEGATIVE_INFINITY, timestampMs);
}

const WINDOW_MS = 24 * 60 * 60 * 1000;

/** The 24 h customer service window, counted from the timestamp of the person's last message (reference 4.1). */
export function isWindowOpen(chat: Chat, now: number): boolean {
  return chat.lastInboundAt !== undefined && now - chat.lastInboundAt < WINDOW_MS;
}

export function textOf(type: string, body: JsonObject): string {
  for (const key of ["body", "caption", "text", "title", "emoji", "filename", "name"]) {
    const value = body[key];
    if (typeof value === "string") return value;
  }
  return `[${type}]`;
}
