import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Hono } from "hono";
import { errorCode } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Receipt } from "../pipeline.ts";
import { problem } from "./problem.ts";

export type AppOptions = {
  receive: (body: Uint8Array, signature: string | undefined) => Promise<Receipt>;
  verifyToken: () => string | undefined;
  isReady: () => Promise<{ ok: boolean; checks: Record<string, string> }>;
  api?: Hono;
  tryIt?: Hono;
  logger: Logger;
  observeAck?: (ms: number, status: number) => void;
  metrics?: { contentType: string; render: () => Promise<string> };
};

/** Meta sends up to 3 MB (platform reference 1.3). */
const WEBHOOK_LIMIT = 4 * 1024 * 1024;
const WEBHOOK_PATH = "/webhooks/whatsapp";

/** The doors: Meta's webhook, the business API, health. Bodies and query strings never reach a log. */
export function createApp(options: AppOptions): Hono {
  const app = createHealthApp(options);
  app.route(WEBHOOK_PATH, handshake(options));
  if (options.api) app.route("/api/v1", options.api);
  if (options.tryIt) app.route("/try", options.tryIt);
  return app;
}

/** What every process shows of itself: that it lives, that it is ready, its metrics. All that a worker shows. */
export function createHealthApp(options: Pick<AppOptions, "isReady" | "metrics" | "logger">): Hono {
  const app = new Hono();
  app.get("/healthz", (c) => c.json({ ok: true }));
  app.get("/readyz", async (c) => {
    const state = await options.isReady();
    return c.json(state, state.ok ? 200 : 503);
  });
  const { metrics } = options;
  if (metrics)
    app.get("/metrics", async (c) => c.body(await metrics.render(), 200, { "content-type": metrics.contentType }));
  app.notFound((c) => problem(c, { status: 404, title: "Not found" }));
  app.onError((err, c) => {
    options.logger.error({ err }, "request failed");
    return problem(c, { status: 500, title: "Internal error", code: errorCode(err) });
  });
  return app;
}

/** Meta's handshake when the callback URL is set: the challenge for our token, 403 for anybody else's. */
function handshake(options: AppOptions): Hono {
  const app = new Hono();
  app.get("/", (c) => {
    const token = options.verifyToken();
    const { "hub.mode": mode, "hub.verify_token": given, "hub.challenge": challenge } = c.req.query();
    if (mode === "subscribe" && token !== undefined && given !== undefined && sameText(given, token))
      return c.text(challenge ?? "");
    return c.text("Forbidden", 403);
  });
  return app;
}

/**
 * The webhook's POST, on Node's own request: the signature is over raw bytes, and this is the one door whose cost counts.
 * @returns whether the request was one.
 */
export function handleWebhook(options: AppOptions, request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method !== "POST" || request.url?.split("?")[0]?.replace(/\/$/, "") !== WEBHOOK_PATH) return false;
  const started = performance.now();
  const answer = (status: number, text: string) => {
    options.observeAck?.(performance.now() - started, status);
    response.writeHead(status, { "content-type": "text/plain" }).end(text);
  };
  const chunks: Buffer[] = [];
  let size = 0;
  request.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size <= WEBHOOK_LIMIT) chunks.push(chunk);
  });
  request.on("error", () => response.destroy());
  request.on("end", () => {
    if (size > WEBHOOK_LIMIT) return answer(413, "Payload too large");
    options
      .receive(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks), header(request, "x-hub-signature-256"))
      .then(
        ({ status }) => answer(status, status === 200 ? "OK" : "Unauthorized"),
        (err) => {
          // Not durable, so not acknowledged: Meta delivers it again.
          options.logger.error({ err }, "webhook not kept");
          answer(503, "Try again");
        },
      );
  });
  return true;
}

function header(request: IncomingMessage, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === "string" ? value : undefined;
}

function sameText(a: string, b: string): boolean {
  const [x, y] = [createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest()];
  return timingSafeEqual(x, y);
}
