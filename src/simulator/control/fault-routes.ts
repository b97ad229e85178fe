import { Hono } from "hono";
import { z } from "zod";
import type { Sim } from "../context.ts";
import { readBody } from "./input.ts";

const SendFault = z.strictObject({
  kind: z.enum(["error", "html", "fail", "accept-stall", "accept-drop", "stall", "drop", "slow"]),
  code: z.number().int().optional(),
  details: z.string().optional(),
  ms: z.number().min(0).optional(),
  phoneId: z.string().optional(),
  user: z.string().optional(),
  type: z.string().optional(),
  next: z.number().int().min(1).optional(),
  skip: z.number().int().min(0).optional(),
});

const chance = z.number().min(0).max(1).optional();

const WebhookFaults = z
  .strictObject({
    duplicate: chance,
    drop: chance,
    reorder: chance,
    reorderMs: z.number().min(0).optional(),
    delayMinMs: z.number().min(0).optional(),
    delayMaxMs: z.number().min(0).optional(),
    batch: z.number().int().min(1).max(1000).optional(),
    batchMs: z.number().min(0).optional(),
    merge: chance,
  })
  .nullable();

const Faults = z.strictObject({
  /** One fault or several, added to those in force. */
  sends: z.union([SendFault, z.array(SendFault)]).optional(),
  /** Replaces the faults of a kind; null ends them. */
  webhooks: z
    .object({ messages: WebhookFaults.optional(), statuses: WebhookFaults.optional(), other: WebhookFaults.optional() })
    .optional(),
});

/** `POST /_sim/faults` sets, `GET` lists, `DELETE` clears. A bare send fault (with `kind`) is taken as `sends`. */
export function faultRoutes(sim: Sim): Hono {
  const app = new Hono();
  app.post("/faults", async (c) => {
    const input = await readBody(c, z.union([SendFault, Faults]));
    const { sends, webhooks } = "kind" in input ? { sends: input, webhooks: undefined } : input;
    for (const fault of sends === undefined ? [] : [sends].flat()) sim.sendFaults.add(fault);
    for (const kind of ["messages", "statuses", "other"] as const) {
      const faults = webhooks?.[kind];
      if (faults !== undefined) sim.webhooks.setFaults(kind, faults);
    }
    return c.json(inForce(sim));
  });
  app.get("/faults", (c) => c.json(inForce(sim)));
  app.delete("/faults", (c) => {
    sim.sendFaults.clear();
    for (const kind of ["messages", "statuses", "other"] as const) sim.webhooks.setFaults(kind, null);
    return c.json(inForce(sim));
  });
  return app;
}

function inForce(sim: Sim) {
  return { sends: sim.sendFaults.list(), webhooks: sim.webhooks.faults() };
}
