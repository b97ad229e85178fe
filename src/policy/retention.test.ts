import { describe, expect, it } from "vitest";
import { merchantSchema } from "../domain/merchant.ts";
import { MINIMUM_DAYS, RETENTION_CLASSES } from "../domain/retention.ts";
import { RETENTION, retentionDays } from "./retention.ts";

describe("how long things are kept", () => {
  it("every class has days that its minimum allows, a fate and a reason", () => {
    for (const name of RETENTION_CLASSES) {
      expect(RETENTION[name].days, name).toBeGreaterThanOrEqual(MINIMUM_DAYS[name]);
      expect(RETENTION[name].why, name).not.toBe("");
    }
    expect(Object.keys(RETENTION).sort()).toEqual([...RETENTION_CLASSES].sort());
  });

  it("a merchant's own days win, and the rest stays", () => {
    const days = retentionDays({ messages: 365 });
    expect(days).toEqual({ ...retentionDays(), messages: 365 });
    expect(days.rawPayloads).toBe(14);
  });

  it("a dead letter is a message: it is not kept longer than one", () => {
    expect(retentionDays({ messages: 10 }).deadLetters).toBe(10);
    expect(retentionDays({ messages: 10, deadLetters: 60 }).deadLetters).toBe(10);
  });

  it.each([
    ["messages", 6],
    ["eventKeys", 29],
    ["messages", 3651],
    ["consentLedger", 30],
  ])("a file that says %s: %i is refused", (name, days) => {
    expect(merchantSchema.shape.retention.safeParse({ [name]: days }).success).toBe(false);
    expect(merchantSchema.shape.retention.safeParse({ messages: 7, eventKeys: 30 }).success).toBe(true);
  });
});
