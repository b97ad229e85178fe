import type { ConsentEvent, ConsentSource } from "../domain/consent.ts";

/** What a person allows at a WABA, derived from the ledger and nothing else. */
export type Standing = {
  marketing: { isSuppressed: boolean; hasOptIn: boolean };
  utility: { isSuppressed: boolean; hasOptIn: boolean };
  /** Meta's own stop is active: only the person can end it, in WhatsApp's settings. */
  isStoppedAtMeta: boolean;
  /** The person's own stop (or a staff, API or objection stop) is active. */
  isStoppedHere: boolean;
  hasPendingOptIn: boolean;
};

/** Acts of the person that Esek itself received: these lift a stop, in order of event time, when they say so of everything (START does). */
export const LIFTS: readonly ConsentSource[] = ["keyword", "button", "double-opt-in"];
const METAS: readonly ConsentSource[] = ["meta-preference", "error-131050"];

/**
 * Folds the ledger, oldest event first; at the same instant an opt-out counts last, so a tie is an opt-out.
 * An opt-in that the merchant declares (API, import, staff) never lifts a stop: it stays pending until the person acts.
 * Meta's resume lifts Meta's stop only (WhatsApp platform reference, section 6).
 */
export function standing(ledger: readonly ConsentEvent[]): Standing {
  let isStoppedAtMeta = false;
  let stopped = "no" as "no" | "marketing" | "all";
  let marketing = false;
  let utility = false;
  let hasPendingOptIn = false;
  for (const event of inOrder(ledger)) {
    const isMeta = METAS.includes(event.source);
    if (event.act === "opt-out") {
      if (isMeta) isStoppedAtMeta = true;
      else stopped = event.scope === "marketing" && stopped !== "all" ? "marketing" : "all";
      if (!isMeta) {
        marketing = false;
        if (event.scope !== "marketing") utility = false;
      }
    } else if (event.act === "opt-in" || event.act === "pending-opt-in") {
      const isLift = event.act === "opt-in" && LIFTS.includes(event.source) && event.scope === "all";
      if (isMeta && event.act === "opt-in") isStoppedAtMeta = false;
      if (isLift) stopped = "no";
      const counts = isLift || (stopped === "no" && !isStoppedAtMeta && event.act === "opt-in");
      if (!counts && !isMeta) {
        // A stop of marketing leaves orders alone: that half of a declared opt-in counts, the other half waits for the person.
        if (event.scope !== "marketing" && stopped !== "all" && event.act === "opt-in") utility = true;
        if (event.scope !== "utility" || !utility) hasPendingOptIn = true;
        continue;
      }
      if (isMeta) continue;
      if (event.scope !== "utility") marketing = true;
      if (event.scope !== "marketing") utility = true;
      hasPendingOptIn = false;
    }
  }
  return {
    marketing: {
      isSuppressed: stopped !== "no" || isStoppedAtMeta,
      hasOptIn: marketing && stopped === "no" && !isStoppedAtMeta,
    },
    utility: { isSuppressed: stopped === "all", hasOptIn: utility && stopped !== "all" },
    isStoppedAtMeta,
    isStoppedHere: stopped !== "no",
    hasPendingOptIn,
  };
}

/** The question whether to stop is open, so marketing is held: asked, and neither answered nor overtaken by 24 h. */
export function isAskOpen(ledger: readonly ConsentEvent[], now: Date): boolean {
  const closes = (event: ConsentEvent) =>
    event.act === "ask" ||
    event.act === "ask-answered" ||
    event.act === "opt-out" ||
    (event.act === "opt-in" && LIFTS.includes(event.source));
  const last = inOrder(ledger.filter(closes)).at(-1);
  return last?.act === "ask" && now.getTime() - last.at.getTime() < 24 * 3_600_000;
}

function inOrder(ledger: readonly ConsentEvent[]): ConsentEvent[] {
  return [...ledger].sort((a, b) => a.at.getTime() - b.at.getTime() || rank(a) - rank(b));
}

function rank(event: ConsentEvent): number {
  return event.act === "opt-out" ? 1 : 0;
}
