import type { Chat, ChatItem } from "../chats.ts";
import type { Sim } from "../context.ts";
import { GraphError } from "../graph-error.ts";
import { statusValue } from "../payloads.ts";
import type { PhoneNumber } from "../world.ts";
import type { Pricing } from "./pricing.ts";

export type Accepted = {
  phone: PhoneNumber;
  chat: Chat;
  item: ChatItem;
  byPhone: boolean;
  attemptId?: string;
  price: Pricing;
  failure?: GraphError;
  /** Held for quality: released or dropped after the delay of `delivered`. */
  held?: "release" | "drop";
};

const ORDER = ["sent", "delivered", "read"] as const;

/** Writes the statuses that follow an accepted send: sent, delivered, read, or failed alone (reference 1.7). */
export function scheduleReceipts(sim: Sim, accepted: Accepted): void {
  const { settings, webhooks } = sim;
  if (accepted.held !== undefined) {
    const failure =
      accepted.held === "drop" ? new GraphError(132015, "Template was paused while the message was held.") : undefined;
    webhooks.later(settings.deliveredDelayMs, () =>
      scheduleReceipts(sim, { ...accepted, held: undefined, failure: failure ?? accepted.failure }),
    );
    return;
  }
  if (accepted.failure !== undefined) {
    webhooks.later(settings.sentDelayMs, () => emitStatus(sim, accepted, "failed"));
    return;
  }
  const last = accepted.item.type === "reaction" ? "sent" : accepted.chat.person.receipts;
  const steps = last === "none" ? [] : ORDER.slice(0, ORDER.indexOf(last) + 1);
  next(sim, accepted, steps, 0);
}

function next(sim: Sim, accepted: Accepted, steps: readonly ("sent" | "delivered" | "read")[], position: number): void {
  const step = steps[position];
  if (step === undefined) return;
  const { settings, webhooks } = sim;
  const delayMs = { sent: settings.sentDelayMs, delivered: settings.deliveredDelayMs, read: settings.readDelayMs }[
    step
  ];
  webhooks.later(delayMs, () => {
    if (settings.receipts.includes(step)) emitStatus(sim, accepted, step);
    next(sim, accepted, steps, position + 1);
  });
}

function emitStatus(sim: Sim, accepted: Accepted, status: "sent" | "delivered" | "read" | "failed"): void {
  const { phone, chat, item, price, failure } = accepted;
  sim.world.chats.setStatus(chat, item, status, status === "failed" ? failure?.code : undefined);
  const priced = status === "sent" || status === "delivered";
  sim.webhooks.emit({
    kind: "statuses",
    wabaId: phone.waba.id,
    phoneId: phone.id,
    field: "messages",
    value: statusValue(sim.world, phone, chat.person, {
      wamid: item.wamid,
      status,
      atMs: sim.clock.now(),
      byPhone: accepted.byPhone,
      attemptId: accepted.attemptId,
      ...(priced ? { pricing: price.pricing, conversation: price.conversation } : {}),
      ...(status === "failed" ? { error: failure } : {}),
    }),
  });
}
