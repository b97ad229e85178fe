import type { MessageType, WebhookEvent } from "../domain/event.ts";

/**
 * What an event does to its conversation. `seq`: it is numbered, so it invalidates drafts that did not see it.
 * `fence`: not even the third overtaken draft may leave past it. `due`: whether it wakes the agent, and how fast.
 * `window`: it opens the 24-hour window (user messages and calls do; reactions, system events, edits do not: platform reference 4.1).
 */
export type Behaviour = { seq: boolean; fence: boolean; due: "burst" | "now" | "never"; window: boolean };

const SAID: Behaviour = { seq: true, fence: false, due: "burst", window: true };
const TAPPED: Behaviour = { seq: true, fence: false, due: "now", window: true };
const CHANGED: Behaviour = { seq: true, fence: true, due: "never", window: false };
const NOTED: Behaviour = { seq: false, fence: false, due: "never", window: false };

/** One row a message type. Kinds that the agent cannot read are due too: they get a sentence that says so. */
export const MESSAGE_BEHAVIOUR: Record<MessageType, Behaviour> = {
  text: SAID,
  image: SAID,
  video: SAID,
  audio: SAID,
  document: SAID,
  sticker: SAID,
  location: SAID,
  contacts: SAID,
  order: SAID,
  "flow-reply": SAID,
  "call-permission": { ...SAID, due: "never" },
  button: TAPPED,
  "button-reply": TAPPED,
  "list-reply": TAPPED,
  unsupported: SAID,
  edit: { ...CHANGED, fence: false },
  revoke: CHANGED,
  reaction: NOTED,
  system: NOTED,
  "request-welcome": NOTED,
};

/** The behaviour of any event; everything that is not a one-to-one message only ever fences, never wakes. */
export function behaviourOf(event: WebhookEvent): Behaviour {
  if (event.kind === "message") return event.groupId ? NOTED : MESSAGE_BEHAVIOUR[event.content.type];
  if (event.kind === "echo") return CHANGED;
  if (event.kind === "handover") return isHandedToUs(event.newOwner) ? NOTED : CHANGED;
  if (event.kind === "preference") return { seq: true, fence: true, due: "now", window: false };
  if (event.kind === "call" && event.opensWindow) return { ...NOTED, window: true };
  return NOTED;
}

/** Control that comes to our app takes nothing out of the agent's hands. */
export function isHandedToUs(newOwner: string | undefined): boolean {
  return newOwner === "primary" || newOwner === "app" || newOwner === "partner" || newOwner === "business_app_api";
}
