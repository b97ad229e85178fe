import type { Outbound, OutboundFacts } from "../policy/outbound-gate.ts";

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/**
 * Stored facts as the gate takes them: times are times again. A free-form message's text is not stored with the facts
 * (only its kind is, which is all the gate looks at); a template's own words are in its row, so it is not replayed from here.
 */
export function reviveFacts(stored: unknown): { message: Outbound; outbound: OutboundFacts } | undefined {
  const value = revive(stored) as {
    message?: Omit<Outbound, "content"> & { contentType: string };
    outbound?: OutboundFacts;
  } | null;
  if (!value?.message || !value.outbound || value.message.contentType === "template") return undefined;
  const { contentType: _kind, ...message } = value.message;
  return { message: { ...message, content: { type: "text", text: "" } }, outbound: value.outbound };
}

function revive(value: unknown): unknown {
  if (typeof value === "string") return TIME.test(value) ? new Date(value) : value;
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, revive(inner)]));
}
