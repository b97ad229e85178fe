/**
 * The 24-hour customer service window (Meta, section "Customer service windows", read 2026-03): opened by the customer's
 * own message, measured from the message's timestamp, not from its arrival. Free-form messages leave only inside it.
 */
export type WindowFacts = {
  /** `min(message timestamp, received at)` of the newest message that opens a window. */
  openedAt: Date | undefined;
  /** Meta answered 131047 for this chat at this time: its word counts over ours until the customer writes again. */
  closedByMetaAt: Date | undefined;
};

export const WINDOW_MS = 24 * 3_600_000;
/** A message must reach Meta before the window ends; the sender stops this much earlier. */
export const SEND_MARGIN_MS = 30_000;

/** When the window ends, or undefined when there is none. */
export function windowEnd(facts: WindowFacts): Date | undefined {
  if (!facts.openedAt) return undefined;
  if (facts.closedByMetaAt && facts.closedByMetaAt >= facts.openedAt) return undefined;
  return new Date(facts.openedAt.getTime() + WINDOW_MS);
}

/** Whether a free-form message may still leave now, margin included. */
export function isWindowOpen(facts: WindowFacts, now: Date, marginMs = SEND_MARGIN_MS): boolean {
  const end = windowEnd(facts);
  return end !== undefined && now.getTime() < end.getTime() - marginMs;
}
