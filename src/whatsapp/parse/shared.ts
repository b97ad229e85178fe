import { z } from "zod";
import type { Route } from "../../domain/event.ts";
import { contactSchema } from "./person.ts";

const text = z.string().optional().catch(undefined);
const objects = z.array(z.looseObject({})).optional().catch(undefined);

export const valueSchema = z.looseObject({
  metadata: z.looseObject({ phone_number_id: text, display_phone_number: text }).optional().catch(undefined),
  display_phone_number: text,
  recipient: z.looseObject({ phone_number_id: text, display_phone_number: text }).optional().catch(undefined),
  contacts: z.array(contactSchema).optional().catch(undefined),
  messages: objects,
  statuses: objects,
  errors: objects,
  user_preferences: objects,
  message_echoes: objects,
  history: objects,
  calls: objects,
  user_actions: objects,
  automatic_events: objects,
  state_sync: objects,
});

export type Value = z.infer<typeof valueSchema>;
export type Raw = Record<string, unknown>;
export type Change = {
  field: string;
  value: Value;
  wabaId: string | undefined;
  at: Date;
  receivedAt: Date;
  hash: (value: unknown) => string;
};

/** Which business number or WABA an event names. */
export function routeOf({ value, wabaId }: Change): Route {
  const route: Route = {};
  if (wabaId) route.wabaId = wabaId;
  const business = value.metadata ?? value.recipient;
  if (business?.phone_number_id) route.phoneNumberId = business.phone_number_id;
  const display = (business?.display_phone_number ?? value.display_phone_number)?.replace(/\D/g, "");
  if (display) route.displayNumber = display;
  return route;
}

/** A non-empty string, or nothing. */
export function string(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value : undefined;
}

/** Meta's unix seconds, as a string or a number. */
export function seconds(value: unknown): Date | undefined {
  const number = typeof value === "string" || typeof value === "number" ? Number(value) : Number.NaN;
  return Number.isFinite(number) && number > 0 ? new Date(number * 1000) : undefined;
}
