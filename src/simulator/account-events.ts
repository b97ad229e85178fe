import type { Sim } from "./context.ts";
import type { Waba } from "./world.ts";

/** Sends `account_update` for what changed since `before`: a ban, its end, or restrictions (reference 1.9). */
export function announceAccount(sim: Sim, waba: Waba, before: Pick<Waba, "state" | "restrictions">): void {
  const now = sim.clock.now();
  const emit = (value: object) =>
    sim.webhooks.emit({
      kind: "other",
      wabaId: waba.id,
      field: "account_update",
      value,
      time: Math.floor(now / 1000),
    });
  const wasBanned = before.state === "blocked";
  const isBanned = waba.state === "blocked";
  if (wasBanned !== isBanned) {
    const date = new Date(now).toLocaleDateString("en-US", {
      month: "long",
      day: "numeric",
      year: "numeric",
      timeZone: "UTC",
    });
    emit({
      event: "DISABLED_UPDATE",
      ban_info: { waba_ban_state: isBanned ? "DISABLE" : "REINSTATE", waba_ban_date: date },
    });
  }
  const added = waba.restrictions.filter((restriction) => !before.restrictions.includes(restriction));
  if (added.length > 0) {
    const expiration = Math.floor(now / 1000) + 3 * 24 * 60 * 60;
    emit({
      event: "ACCOUNT_RESTRICTION",
      restriction_info: added.map((restriction_type) => ({ restriction_type, expiration })),
    });
  }
}
