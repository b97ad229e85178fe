import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import type { Sim } from "../context.ts";
import { verifyCallback } from "../webhook-post.ts";
import { faultRoutes } from "./fault-routes.ts";
import { inboundRoutes } from "./inbound.ts";
import { readBody } from "./input.ts";
import { signupRoutes, Token } from "./signup-routes.ts";
import { tapRoutes } from "./taps.ts";
import { threadRoutes } from "./thread.ts";
import { worldRoutes } from "./world-routes.ts";

const WebhookUrl = z.strictObject({ url: z.string().nullable(), verify: z.boolean().optional() });

/** Any webhook of an account, e.g. `account_update`, put into its envelope. */
const Event = z.strictObject({
  wabaId: z.string(),
  phoneId: z.string().optional(),
  field: z.string(),
  value: z.record(z.string(), z.unknown()),
});

const Settings = z.strictObject({
  accessTokens: z.array(z.string()).optional(),
  tokenScopes: z.record(z.string(), z.array(z.string())).optional(),
  tokens: z.record(z.string(), Token).optional(),
  edgeErrors: z.record(z.string(), z.number().int()).optional(),
  managementError: z.number().int().nullable().optional(),
  templateReviewMs: z.number().min(0).nullable().optional(),
  synchronousErrors: z.array(z.number().int()).optional(),
  receipts: z.array(z.enum(["sent", "delivered", "read"])).optional(),
  sentDelayMs: z.number().min(0).optional(),
  deliveredDelayMs: z.number().min(0).optional(),
  readDelayMs: z.number().min(0).optional(),
  pairRateLimit: z.boolean().optional(),
  throughputLimit: z.boolean().optional(),
  allowList: z.array(z.string()).nullable().optional(),
  marketingCapPerDay: z.number().int().min(0).nullable().optional(),
  usMarketingPaused: z.boolean().optional(),
  unknownUsers: z.enum(["undeliverable", "create"]).optional(),
  reactionsOpenWindow: z.boolean().optional(),
  directSend: z.boolean().optional(),
  marketingOnCloudApi: z.boolean().optional(),
});

/** The control API: everything a test, the demo or the console does to the simulated world. Loopback only, no token. */
export function controlRoutes(sim: Sim): Hono {
  const app = new Hono();
  app.route("/", inboundRoutes(sim));
  app.route("/", tapRoutes(sim));
  app.route("/", threadRoutes(sim));
  app.route("/", worldRoutes(sim));
  app.route("/", faultRoutes(sim));
  app.route("/", signupRoutes(sim));

  app.get("/ledger", (c) => {
    const { after, limit, kind, outcome, phoneId, attemptId } = c.req.query();
    const entries = sim.ledger.list({
      after: after === undefined ? 0 : Number(after),
      limit: limit === undefined ? undefined : Number(limit),
      kind: kind as "message" | undefined,
      outcome: outcome as "accepted" | undefined,
      phoneId,
      attemptId,
    });
    return c.json({ entries, size: sim.ledger.size });
  });

  app.get("/idle", (c) => {
    const pendingDeliveries = sim.webhooks.pending;
    return c.json({ pendingDeliveries, idle: pendingDeliveries === 0, counts: sim.webhooks.counts });
  });

  app.post("/clock", async (c) => {
    const { advanceMs } = await readBody(c, z.strictObject({ advanceMs: z.number().default(0) }));
    sim.clock.advance(advanceMs);
    return c.json({ now: sim.clock.now(), offsetMs: sim.clock.offsetMs });
  });
  app.get("/clock", (c) => c.json({ now: sim.clock.now(), offsetMs: sim.clock.offsetMs }));

  app.post("/settings", async (c) => {
    Object.assign(sim.settings, await readBody(c, Settings));
    return c.json(sim.settings);
  });
  app.get("/settings", (c) => c.json({ ...sim.settings, webhookUrl: sim.webhookUrl ?? null }));

  app.post("/webhook-url", async (c) => {
    const { url, verify } = await readBody(c, WebhookUrl);
    if (url !== null && verify && !(await verifyCallback(url, sim.verifyToken, sim.random.digits(10)))) {
      return c.json({ verified: false, url: sim.webhookUrl ?? null }, 422);
    }
    sim.webhookUrl = url ?? undefined;
    return c.json({ verified: verify ?? false, url });
  });

  app.post("/webhook", async (c) => {
    const { body } = await readBody(c, z.strictObject({ body: z.unknown() }));
    if (sim.webhookUrl === undefined) throw new HTTPException(409, { message: "No webhook url is set" });
    sim.webhooks.sendRaw(sim.webhookUrl, body);
    return c.json({ success: true });
  });

  app.post("/event", async (c) => {
    const { wabaId, phoneId, field, value } = await readBody(c, Event);
    const time = Math.floor(sim.clock.now() / 1000);
    sim.webhooks.emit({ kind: "other", wabaId, phoneId, field, value, time });
    return c.json({ success: true });
  });

  app.post("/pause-webhooks", (c) => {
    sim.webhooks.pause();
    return c.json({ paused: true });
  });
  app.post("/resume-webhooks", (c) => {
    sim.webhooks.resume();
    return c.json({ paused: false });
  });

  app.onError((error, c) => {
    if (error instanceof HTTPException) return c.json({ error: error.message }, error.status);
    return c.json({ error: String(error.stack ?? error) }, 500);
  });
  app.all("*", (c) => c.json({ error: `No control route ${c.req.method} ${c.req.path}` }, 404));
  return app;
}
