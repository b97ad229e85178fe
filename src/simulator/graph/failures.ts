import { type Chat, isWindowOpen } from "../chats.ts";
import type { Sim } from "../context.ts";
import { countryOf } from "../dial-codes.ts";
import { GraphError } from "../graph-error.ts";
import type { Template } from "../templates.ts";
import type { PhoneNumber } from "../world.ts";
import { takeMarketingSlot } from "./limits.ts";
import type { Send } from "./message-shape.ts";

/**
 * Why a well-formed send will not reach the person. Meta mostly accepts such a send and reports this by a failed status;
 * `settings.synchronousErrors` makes it the answer to the POST instead.
 */
export function failureOf(
  sim: Sim,
  phone: PhoneNumber,
  chat: Chat,
  send: Send,
  template: Template | undefined,
): GraphError | undefined {
  const { person } = chat;
  const now = sim.clock.now();
  if (phone.state === "payment" || phone.waba.state === "payment") {
    return new GraphError(
      131042,
      "Message failed to send because there were one or more errors related to your payment method.",
    );
  }
  if (phone.state === "spam" || phone.waba.state === "spam") {
    return new GraphError(
      131048,
      "Message failed to send because there are restrictions on how many messages can be sent from this phone number.",
    );
  }
  if (!person.onWhatsApp || person.blocksBusiness || phone.blockedPeople.has(person.key)) {
    return new GraphError(131026, "Message Undeliverable.");
  }
  const isOpen = isWindowOpen(chat, now);
  const isDirectSend = sim.settings.directSend && send.category !== undefined;
  if (template === undefined && !isOpen && !isDirectSend) {
    return new GraphError(
      131047,
      "Message failed to send because more than 24 hours have passed since the customer last replied to this number.",
    );
  }
  if (template?.category === "MARKETING") return marketingFailure(sim, phone, chat, isOpen, now);
  return undefined;
}

function marketingFailure(
  sim: Sim,
  phone: PhoneNumber,
  chat: Chat,
  isOpen: boolean,
  now: number,
): GraphError | undefined {
  const { person } = chat;
  if (person.marketingStopped.has("*") || person.marketingStopped.has(phone.id)) {
    return new GraphError(
      131050,
      "This recipient has chosen to stop receiving marketing messages on WhatsApp from your business.",
    );
  }
  if (person.inExperiment) {
    return new GraphError(130472, "Failed to send message because this user's phone number is part of an experiment.");
  }
  const isUs =
    person.phone === undefined
      ? person.country === "US"
      : countryOf(person.phone) === "US" && person.phone.startsWith("1");
  if (isUs && sim.settings.usMarketingPaused) return unhealthy();
  // What is sent inside a window that the person opened does not count towards the cap (reference 5.1).
  const cap = person.marketingCapPerDay ?? sim.settings.marketingCapPerDay;
  if (!isOpen && !takeMarketingSlot(chat, cap, now)) return unhealthy();
  return undefined;
}

function unhealthy(): GraphError {
  return new GraphError(
    131049,
    "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
  );
}
