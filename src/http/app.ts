import { createHash, timingSafeEqual } from "node:crypto";
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { errorCode } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Receipt } from "../pipeline.ts";

export type AppOptions = {
  receive: (body: Uint8Array, signature: string | undefined) => Promise<Receipt>;
  verifyToken: () => string | undefined;
  isReady: () => Promise<{ ok: boolean; checks: Record<string, string> }>;
  api?: Hono;
  logger: Logger;
  observeAck?: (ms: number, status: number) => void;
};

/** Meta sends up to 3 MB (platform reference 1.3). */
const WEBHOOK_LIMIT = 4 * 1024 * 1024;

/** The doors: Meta's webhook, the business API, health. Bodies and query strings never reach a log. */
export function createApp(options: AppOptions): Hono {
  const app = new Hono();
  app.route("/webhooks/whatsapp", webhook(options));
  if (options.api) app.route("/api/v1", options.api);
  app.get("/healthz", (c) => c.json({ ok: true }));
  app.get("/readyz", async (c) => {
    const state = await options.isReady();
    return c.json(state, state.ok ? 200 : 503);
  });
  app.notFound((c) => c.json({ type: "about:blank", title: "Not found", status: 404 }, 404));
  app.onError((err, c) => {
    options.logger.error({ err }, "request failed");
    return c.json({ type: "about:blank", title: "Internal error", status: 500, code: errorCode(err) }, 500);
  });
  return app;
}

function webhook(options: AppOptions): Hono {
  const app = new Hono();
  app.get("/", (c) => {
    const token = options.verifyToken();
    const { "hub.mode": mode, "hub.verify_token": given, "hub.challenge": challenge } = c.req.query();
    if (mode === "subscribe" && token !== undefined && given !== undefined && sameText(given, token))
      return c.text(challenge ?? "");
    return c.text("Forbidden", 403);
  });
  app.post("/", bodyLimit({ maxSize: WEBHOOK_LIMIT, onError: (c) => c.text("Payload too large", 413) }), async (c) => {
    const started = performance.now();
    const body = new Uint8Array(await c.req.arrayBuffer());
    try {
      const receipt = await options.receive(body, c.req.header("x-hub-signature-256"));
      options.observeAck?.(performance.now() - started, receipt.status);
      return c.text(receipt.status === 200 ? "OK" : "Unauthorized", receipt.status);
    } catch (err) {
      // Not durable, so not acknowledged: Meta delivers it again.
      options.logger.error({ err }, "webhook not kept");
      options.observeAck?.(performance.now() - started, 503);
      return c.text("Try again", 503);
    }
  });
  return app;
}

function sameText(a: string, b: string): boolean {
  const [x, y] = [createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest()];
  return timingSafeEqual(x, y);
}
