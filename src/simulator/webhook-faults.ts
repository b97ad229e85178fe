import type { Random } from "./random.ts";

/** How deliveries of one kind go wrong. Probabilities are 0 to 1; times are real milliseconds. */
export type WebhookFaults = {
  duplicate: number;
  drop: number;
  /** Held back until the next delivery of the kind is out, at most `reorderMs`. */
  reorder: number;
  reorderMs: number;
  delayMinMs: number;
  delayMaxMs: number;
  /** Up to this many changes in one POST, collected for `batchMs`. 1 is no batching. */
  batch: number;
  batchMs: number;
  /** How often a batch puts several messages or statuses into one `value` instead of one change each. */
  merge: number;
};

export const NO_FAULTS: WebhookFaults = {
  duplicate: 0,
  drop: 0,
  reorder: 0,
  reorderMs: 500,
  delayMinMs: 0,
  delayMaxMs: 0,
  batch: 1,
  batchMs: 20,
  merge: 0.5,
};

/** What happens to one event, decided by the seed. */
export type Fate = { copies: readonly { delayMs: number }[]; heldBack: boolean };

export function fateOf(faults: WebhookFaults, random: Random): Fate {
  if (faults === NO_FAULTS) return { copies: [{ delayMs: 0 }], heldBack: false };
  if (random.chance(faults.drop)) return { copies: [], heldBack: false };
  const delay = () => ({
    delayMs: faults.delayMaxMs > 0 ? random.between(faults.delayMinMs, faults.delayMaxMs) : 0,
  });
  const copies = random.chance(faults.duplicate) ? [delay(), delay()] : [delay()];
  return { copies, heldBack: random.chance(faults.reorder) };
}
