import { type ChatItem, textOf } from "../chats.ts";
import type { Sim } from "../context.ts";
import { GraphError } from "../graph-error.ts";
import { makeWamid } from "../ids.ts";
import { asObject, type JsonObject, objectsOf } from "../json.ts";
import type { Person } from "../people.ts";
import type { PhoneNumber } from "../world.ts";
import { missing } from "./checks.ts";
import { failureOf } from "./failures.ts";
import { takePairSlot, takeThroughput } from "./limits.ts";
import type { Send } from "./message-shape.ts";
import { pricingOf } from "./pricing.ts";
import type { Accepted } from "./receipts.ts";
import { resolveRecipient } from "./recipient.ts";
import { type MatchedTemplate, matchTemplate } from "./template-match.ts";

export type Acceptance = { accepted: Accepted; answer: JsonObject };

/**
 * Decides about one well-formed send: throws what Meta answers at once, or accepts it with what will become of it.
 * Nothing is written to a webhook here, and a refusal leaves no trace in the chat.
 */
export function acceptSend(sim: Sim, phone: PhoneNumber, send: Send, viaMarketingApi: boolean): Acceptance {
  requireActive(phone);
  if (send.to === undefined && send.recipient === undefined) throw missing("to");
  const matched = send.type === "template" ? template(sim, phone, send, viaMarketingApi) : undefined;
  if (viaMarketingApi && matched === undefined) {
    throw new GraphError(100, "Only template messages are supported on this endpoint.");
  }
  requireDirectSend(sim, send);
  requireUnrestricted(phone, matched !== undefined);
  requireRecentTarget(sim, send);
  const { person, byPhone, input } = resolveRecipient(sim, phone, send);
  if (!byPhone && matched?.template.category === "AUTHENTICATION") {
    throw new GraphError(131062, "Authentication templates cannot be sent to a business-scoped user ID.");
  }
  const chat = sim.world.chats.of(phone.id, person);
  const now = sim.clock.now();
  if (sim.settings.throughputLimit) takeThroughput(phone, now);
  if (sim.settings.pairRateLimit) takePairSlot(chat, now);
  const failure = failureOf(sim, phone, chat, send, matched?.template);
  if (failure !== undefined && sim.settings.synchronousErrors.includes(failure.code)) throw failure;

  const item: ChatItem = {
    wamid: makeWamid("out", wamidPerson(sim, phone, person, byPhone), sim.random),
    direction: "out",
    at: now,
    type: send.type,
    body: send.type === "contacts" ? send.body.contacts : send.content,
    text: matched?.text ?? textOf(send.type, readable(send)),
    buttons: matched?.buttons ?? tappable(send),
    status: "accepted",
  };
  const held = matched?.template.held;
  const price = pricingOf(chat, now, {
    template: matched?.template,
    viaMarketingApi,
    wamid: item.wamid,
    category: send.category,
  });
  sim.world.chats.add(chat, item);
  const status = held !== undefined ? "held_for_quality_assessment" : matched !== undefined ? "accepted" : undefined;
  return {
    accepted: { phone, chat, item, byPhone, attemptId: send.attemptId, price, failure, held },
    answer: {
      messaging_product: "whatsapp",
      contacts: [byPhone ? { input, wa_id: person.phone } : { input, user_id: input }],
      messages: [{ id: item.wamid, ...(status === undefined ? {} : { message_status: status }) }],
    },
  };
}

/** Account and number states that stop every send at once. */
export function requireActive(phone: PhoneNumber): void {
  const states = [phone.waba.state, phone.state];
  if (states.includes("blocked")) {
    throw new GraphError(
      368,
      "The WhatsApp Business Account associated with the app has been restricted or disabled for violating a platform policy.",
    );
  }
  if (states.includes("locked")) {
    throw new GraphError(131031, "Account has been locked.");
  }
  if (phone.status !== "CONNECTED") throw new GraphError(133010, "Account not registered");
}

/** Restrictions of the account: no templates, or no replies either. Meta names no code for it; 368 is our guess. */
function requireUnrestricted(phone: PhoneNumber, isTemplate: boolean): void {
  const restriction = isTemplate ? "RESTRICTED_BIZ_INITIATED_MESSAGING" : "RESTRICTED_CUSTOMER_INITIATED_MESSAGING";
  if (phone.waba.restrictions.includes(restriction)) {
    throw new GraphError(368, `The account is restricted from sending this kind of message (${restriction}).`);
  }
}

const REACTION_TARGET_MS = 30 * 24 * 60 * 60 * 1000;

/** A reaction to a message older than 30 days is 131009 (reference 3.2). */
function requireRecentTarget(sim: Sim, send: Send): void {
  if (send.type !== "reaction") return;
  const target = sim.world.chats.find(String(send.content.message_id));
  if (target !== undefined && sim.clock.now() - target.item.at > REACTION_TARGET_MS) {
    throw new GraphError(131009, "The message to react to is older than 30 days.");
  }
}

function template(sim: Sim, phone: PhoneNumber, send: Send, viaMarketingApi: boolean): MatchedTemplate {
  const matched = matchTemplate(
    send.content,
    phone.waba.templates,
    (id) => sim.media.find(id, sim.clock.now()) !== undefined,
  );
  const isMarketing = matched.template.category === "MARKETING";
  if (viaMarketingApi && !isMarketing) {
    throw new GraphError(131055, "Only marketing templates can be sent with the Marketing Messages API.");
  }
  if (!viaMarketingApi && isMarketing && !sim.settings.marketingOnCloudApi) {
    throw new GraphError(131063, "Marketing templates must be sent with the Marketing Messages API.");
  }
  return matched;
}

function requireDirectSend(sim: Sim, send: Send): void {
  if (send.category === undefined) return;
  const fits = (send.type === "text" || send.type === "interactive") && send.category === "utility";
  if (!sim.settings.directSend || !fits) throw new GraphError(100, "Direct Send isn't enabled for this account.");
}

function readable(send: Send): JsonObject {
  return send.type === "interactive" ? { body: asObject(send.content.body).text } : send.content;
}

function tappable(send: Send): { id: string; title: string }[] | undefined {
  if (send.type !== "interactive") return undefined;
  const action = asObject(send.content.action);
  const rows = objectsOf(action.sections).flatMap((section) => objectsOf(section.rows));
  const replies = objectsOf(action.buttons).map((button) => asObject(button.reply));
  return [...replies, ...rows].map((choice) => ({ id: String(choice.id), title: String(choice.title) }));
}

/** A wamid holds the phone number only where the business may know it. */
function wamidPerson(sim: Sim, phone: PhoneNumber, person: Person, byPhone: boolean): string {
  const isVisible = byPhone || !person.hidesPhone;
  return (isVisible ? person.phone : undefined) ?? sim.world.people.bsuidOf(person, phone.waba.portfolioId);
}
