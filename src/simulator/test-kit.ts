import http from "node:http";
import type { AddressInfo } from "node:net";
import { DEMO_PHONE_ID } from "./default-world.ts";
import { asObject, type JsonObject, objectsOf } from "./json.ts";
import { type Simulator, type SimulatorOptions, startSimulator } from "./server.ts";

export type Answer = { status: number; json: JsonObject; code: unknown; details: unknown };
export type Hook = { at: number; raw: Buffer; signature: string; json: JsonObject };

export type Kit = {
  sim: Simulator;
  hooks: Hook[];
  /** What the receiver answers next; 200 when empty, 0 cuts the connection. */
  answers: number[];
  graph(method: string, path: string, body?: unknown, token?: string | null): Promise<Answer>;
  /** A send to the demo number. */
  send(body: JsonObject): Promise<Answer>;
  text(to: string, body?: string, more?: JsonObject): Promise<Answer>;
  control(method: string, path: string, body?: unknown): Promise<JsonObject>;
  /** The person writes a text. */
  writes(from: string, body?: string, more?: JsonObject): Promise<JsonObject>;
  settled(): Promise<void>;
  messages(): JsonObject[];
  /** By message as they first came, then sent, delivered, read: deliveries are concurrent and overtake each other. */
  statuses(): JsonObject[];
  /** Moves the fixed clock. */
  advance(ms: number): void;
  stop(): Promise<void>;
};

export const APP_SECRET = "test-app-secret";
export const START = Date.UTC(2026, 10, 22, 12, 0, 0);

/** A simulator with a standing clock, and a receiver for its webhooks. For tests. */
export async function startKit(options: Partial<SimulatorOptions> = {}): Promise<Kit> {
  const hooks: Hook[] = [];
  const answers: number[] = [];
  const receiver = http.createServer((request, response) => receive(request, response, hooks, answers));
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  const sim = await startSimulator({
    appSecret: APP_SECRET,
    verifyToken: "verify-me",
    accessToken: "good-token",
    webhookUrl: `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/webhook`,
    seed: 7,
    now: () => START,
    settings: { sentDelayMs: 0, deliveredDelayMs: 2, readDelayMs: 2, usMarketingPaused: false },
    ...options,
  });
  const kit: Kit = {
    sim,
    hooks,
    answers,
    graph: (method, path, body, token = "good-token") => call(sim.url + path, method, body, token),
    send: (body) => kit.graph("POST", `/v25.0/${DEMO_PHONE_ID}/messages`, { messaging_product: "whatsapp", ...body }),
    text: (to, body = "Hello", more = {}) => kit.send({ to, type: "text", text: { body }, ...more }),
    control: async (method, path, body) => (await call(`${sim.url}/_sim${path}`, method, body, null)).json,
    writes: (from, body = "Hi", more = {}) =>
      kit.control("POST", "/inbound", { from, message: { type: "text", text: { body } }, ...more }),
    settled: async () => {
      while (sim.webhooks.pending > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    },
    messages: () => changes(hooks).flatMap((value) => objectsOf(value.messages)),
    statuses: () => inTurn(changes(hooks).flatMap((value) => objectsOf(value.statuses))),
    advance: (ms) => sim.clock.advance(ms),
    stop: async () => {
      await sim.stop();
      receiver.closeAllConnections();
      await new Promise<void>((resolve) => receiver.close(() => resolve()));
    },
  };
  return kit;
}

function inTurn(statuses: readonly JsonObject[]): JsonObject[] {
  const order = ["sent", "delivered", "read", "failed"];
  const byMessage = Map.groupBy(statuses, (status) => status.id);
  const rank = (status: JsonObject) => order.indexOf(String(status.status));
  return [...byMessage.values()].flatMap((list) => list.sort((a, b) => rank(a) - rank(b)));
}

function changes(hooks: readonly Hook[]): JsonObject[] {
  return hooks
    .flatMap((hook) => objectsOf(hook.json.entry))
    .flatMap((entry) => objectsOf(entry.changes))
    .map((change) => asObject(change.value));
}

function receive(request: http.IncomingMessage, response: http.ServerResponse, hooks: Hook[], answers: number[]): void {
  const url = new URL(request.url ?? "/", "http://receiver");
  if (request.method === "GET") {
    const isKnown = url.searchParams.get("hub.verify_token") === "verify-me";
    response.writeHead(isKnown ? 200 : 403).end(isKnown ? url.searchParams.get("hub.challenge") : "");
    return;
  }
  const parts: Buffer[] = [];
  request.on("data", (part: Buffer) => parts.push(part));
  request.on("end", () => {
    const answer = answers.shift() ?? 200;
    if (answer === 0) {
      request.socket.destroy();
      return;
    }
    const raw = Buffer.concat(parts);
    const signature = String(request.headers["x-hub-signature-256"]);
    if (answer === 200) hooks.push({ at: performance.now(), raw, signature, json: JSON.parse(raw.toString()) });
    response.writeHead(answer).end();
  });
}

async function call(url: string, method: string, body: unknown, token: string | null): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  let json: JsonObject = {};
  try {
    json = asObject(JSON.parse(text));
  } catch {
    json = { text };
  }
  const error = asObject(json.error);
  return { status: response.status, json, code: error.code, details: asObject(error.error_data).details };
}
