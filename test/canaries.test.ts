import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EsekError } from "../src/errors.ts";
import { createLogger, type Logger, safeError } from "../src/logger.ts";
import type { Ports } from "../src/ports.ts";
import { createApiKey } from "../src/store/api-keys.ts";
import { SECRETS, startWorld, type TestWorld } from "./world.ts";

const TEXT = "canaryquokka seven lemons";
const NAME = "Canarynamira Featherstone";
const PHONE = "972547318246";
const MODEL_TEXT = "canarymodel answers";
const API_TEXT = "canaryapitext hello";
const RAW = "canaryraw{not-json";

type Poison = "none" | "draft" | "guard" | "send" | "commit";

const lines: string[] = [];
/** Every HTTP answer that Esek gave, with status and headers. */
const answers: string[] = [];
const canaries = new Map<string, string>();

let world: TestWorld;
let logger: Logger;
let key: string;
let poison: Poison = "none";

beforeAll(async () => {
  logger = createLogger("trace", { write: (line: string) => void lines.push(line) });
  world = await startWorld({ logger, wrap: poisoned });
  key = (await createApiKey(world.runtime.store, world.merchantId as never, "canary", ["messages:send"], "demo")).key;
  const { bsuid } = await world.control<{ bsuid: string }>("customers", { phone: PHONE, name: NAME });
  for (const [what, value] of Object.entries({
    text: "canaryquokka",
    name: "Canarynamira",
    phone: PHONE,
    bsuid: bsuid.slice(3),
    token: SECRETS.accessToken,
    "app secret": SECRETS.appSecret,
    "verify token": SECRETS.verifyToken,
    "api key": key.slice(-43),
    model: "canarymodel",
    "api text": "canaryapitext",
    raw: "canaryraw",
  }))
    canaries.set(what, value);
});
afterAll(() => world.stop());

/** Ports that fail with an error quoting everything they were given: the worst a library can do. */
function poisoned(ports: Ports): Ports {
  const quoting = (name: Poison, real: (...args: never[]) => unknown) =>
    (async (...args: never[]) => {
      if (poison !== name) return real(...args);
      const cause = new TypeError(`cause ${TEXT} of ${NAME} +${PHONE}`);
      throw Object.assign(new Error(`refused: ${JSON.stringify(args)} ${TEXT} ${NAME} ${PHONE}`, { cause }), {
        detail: `Key (phone)=(${PHONE})`,
        parameters: [TEXT, NAME],
        headers: { authorization: `Bearer ${SECRETS.accessToken}` },
      });
    }) as never;
  return {
    ...ports,
    agent: { ...ports.agent, draft: quoting("draft", ports.agent.draft) },
    guard: { ...ports.guard, check: quoting("guard", ports.guard.check) },
    graph: { ...ports.graph, send: quoting("send", ports.graph.send) },
    mailbox: { ...ports.mailbox, commitTurn: quoting("commit", ports.mailbox.commitTurn) },
  };
}

const base = () => `http://127.0.0.1:${world.runtime.port}`;

async function request(path: string, init?: RequestInit): Promise<{ status: number; body: string }> {
  const response = await fetch(`${base()}${path}`, init);
  const body = await response.text();
  answers.push(`${response.status} ${JSON.stringify([...response.headers])} ${body}`);
  return { status: response.status, body };
}

const webhook = (body: string, secret = SECRETS.appSecret) =>
  request("/webhooks/whatsapp", {
    method: "POST",
    headers: { "x-hub-signature-256": `sha256=${createHmac("sha256", secret).update(body).digest("hex")}` },
    body,
  });

const api = (body: unknown, headers: Record<string, string> = {}) =>
  request("/api/v1/messages", {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "idempotency-key": crypto.randomUUID(), ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

/** A signed text message that bypasses the simulator, so that its answer is ours to read. */
function inboundBody(text: string, id = `wamid.${Buffer.from(`${PHONE}${Math.random()}`).toString("base64")}`): string {
  canaries.set(`wamid ${id}`, id);
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [
      {
        id: "102290129340398",
        changes: [
          {
            field: "messages",
            value: {
              messaging_product: "whatsapp",
              metadata: { display_phone_number: "15550783881", phone_number_id: "106540352242922" },
              contacts: [{ profile: { name: NAME }, wa_id: PHONE }],
              messages: [
                {
                  from: PHONE,
                  id,
                  timestamp: String(Math.floor(world.sim.clock.now() / 1000)),
                  type: "text",
                  text: { body: text },
                },
              ],
            },
          },
        ],
      },
    ],
  });
}

async function say(text: string, from = PHONE): Promise<void> {
  canaries.set(`number ${from}`, from);
  const wamid = await world.say(from, text);
  canaries.set(`wamid ${wamid}`, wamid);
  canaries.set(`wamid bytes ${wamid}`, wamid.slice("wamid.".length));
}

async function lineWith(part: string, since: number): Promise<string> {
  const deadline = Date.now() + 8000;
  for (;;) {
    const line = lines.slice(since).find((candidate) => candidate.includes(part));
    if (line) return line;
    if (Date.now() > deadline) throw new Error(`no log line with ${part}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

function expectClean(): void {
  const leaks: string[] = [];
  for (const [what, value] of canaries) {
    for (const line of lines) if (line.includes(value)) leaks.push(`log, ${what}: ${line}`);
    for (const answer of answers) if (answer.includes(value)) leaks.push(`answer, ${what}: ${answer}`);
  }
  expect(leaks).toEqual([]);
}

describe("canaries at log level trace", () => {
  it("a whole conversation with receipts leaves none", async () => {
    await world.control("model", { rules: [{ when: "canaryquokka", reply: MODEL_TEXT }] });
    await say(TEXT);
    const [reply] = await world.replies(PHONE, 1);
    expect(reply!.text).toContain("canarymodel");
    canaries.set("wamid out", reply!.wamid);
    expect(Buffer.from(reply!.wamid.slice(6), "base64").toString("latin1")).toContain(PHONE);
    await say("STOP");
    await world.replies(PHONE, 2);
    expect(lines.length).toBeGreaterThan(0);
    expectClean();
  });

  it("a model error that quotes the prompt leaves none", async () => {
    await world.control("model", {
      rules: [{ status: 500, reply: `You said: ${TEXT} (${NAME}, ${PHONE}) with key ${SECRETS.accessToken}` }],
    });
    await say(`${TEXT} again`);
    const replies = await world.replies(PHONE, 3);
    expect(replies.at(-1)!.text).not.toContain("canary");
    await world.control("model", { rules: [] });
    expectClean();
  });

  it("Graph errors before, at and after acceptance leave none", async () => {
    for (const fault of [
      { kind: "error", code: 131000, details: `${TEXT} to ${PHONE}`, next: 1 },
      { kind: "error", code: 131026, details: `${TEXT} to ${PHONE}`, next: 1 },
      { kind: "fail", code: 131049, details: `${TEXT} to ${PHONE}`, next: 1 },
      { kind: "html", next: 1 },
    ]) {
      await world.control("faults", fault);
      await say(`${TEXT} ${fault.kind}`);
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    expectClean();
  });

  it.each([
    ["draft", "972547318301", undefined],
    ["guard", "972547318302", "turn failed"],
    ["commit", "972547318303", "turn failed"],
    ["send", "972547318304", "delivery failed"],
  ] as const)("a failing %s that quotes everything it was given leaves none", async (part, from, expected) => {
    const since = lines.length;
    poison = part;
    try {
      await say(`${TEXT} for ${part}`, from);
      if (expected) {
        const line = await lineWith(expected, since);
        expect(JSON.parse(line).err).toMatchObject({ type: "Error", code: "Error", cause: { type: "TypeError" } });
      } else await new Promise((resolve) => setTimeout(resolve, 500));
    } finally {
      poison = "none";
    }
    expectClean();
  });

  it("database errors leave none: a table that is gone, and a constraint that quotes the row", async () => {
    const { owner } = world.scratch;
    let since = lines.length;
    await owner`alter table inbox rename to inbox_gone`;
    try {
      expect((await webhook(inboundBody(TEXT))).status).toBe(503);
      expect(JSON.parse(await lineWith("webhook not kept", since)).err.code).toBe("database/42P01");
    } finally {
      await owner`alter table inbox_gone rename to inbox`;
    }
    since = lines.length;
    await owner`alter table inbox add constraint canary_refuses check (state = 'nothing') not valid`;
    try {
      expect((await webhook(inboundBody(TEXT))).status).toBe(503);
      expect(JSON.parse(await lineWith("webhook not kept", since)).err).toMatchObject({
        code: "database/23514",
        message: "Postgres refused a statement (SQLSTATE 23514, canary_refuses).",
      });
    } finally {
      await owner`alter table inbox drop constraint canary_refuses`;
    }
    since = lines.length;
    await owner`alter table outbox rename to outbox_gone`;
    try {
      const { status, body } = await api({ to: `+${PHONE}`, text: { body: API_TEXT } });
      expect([status, JSON.parse(body)]).toEqual([
        500,
        { type: "about:blank", title: "Internal error", status: 500, code: "internal" },
      ]);
      await lineWith("api request failed", since);
    } finally {
      await owner`alter table outbox_gone rename to outbox`;
    }
    expect((await webhook(inboundBody(TEXT))).status).toBe(200);
    expectClean();
  });

  it("webhooks nobody can read, with a wrong signature, or for nobody leave none", async () => {
    const since = lines.length;
    expect((await webhook(`${RAW} ${TEXT} ${PHONE}`)).status).toBe(200);
    await lineWith("event kept that belongs to nobody", since);
    expect((await webhook(inboundBody(TEXT), "another-secret")).status).toBe(401);
    expect((await webhook(inboundBody(TEXT).replace("106540352242922", "999999999999999"))).status).toBe(200);
    const handshake = `hub.mode=subscribe&hub.challenge=1&hub.verify_token=${encodeURIComponent(TEXT)}`;
    expect((await request(`/webhooks/whatsapp?${handshake}`)).status).toBe(403);
    expect((await request(`/${PHONE}/${encodeURIComponent(TEXT)}`)).status).toBe(404);
    expectClean();
  });

  it("API requests, answered and refused, leave none", async () => {
    const accepted = await api({ to: `+${PHONE}`, text: { body: API_TEXT } });
    expect(JSON.parse(accepted.body)).toHaveProperty("id");
    for (const body of [
      { to: `${PHONE} ${NAME}`, text: { body: API_TEXT } },
      { to: `+${PHONE}`, text: { body: API_TEXT }, template: { name: API_TEXT, language: API_TEXT } },
      { to: `+${PHONE}`, text: { body: [API_TEXT] } },
      { to: `+${PHONE}`, template: { name: "order_update", language: "en", body: [{ type: API_TEXT, text: TEXT }] } },
      { to: `+${PHONE}`, text: { body: API_TEXT }, expires_at: API_TEXT },
      { recipient: `US.${API_TEXT}!`, text: { body: API_TEXT } },
      `{"to": "+${PHONE}", "text": {"body": "${API_TEXT}"`,
    ])
      expect((await api(body)).status).toBe(400);
    expect((await api({}, { authorization: `Bearer ${key.slice(0, -1)}` })).status).toBe(401);
    expect((await api({ from: PHONE, to: `+${PHONE}`, text: { body: API_TEXT } })).status).toBe(422);
    const template = { name: "order_update", language: "en", body: [{ type: "text", text: API_TEXT }] };
    const blocked = await api({ to: `+${PHONE}`, template });
    expect(JSON.parse(blocked.body)).toHaveProperty("reason");
    expect((await api(`{"to":"${TEXT.repeat(5000)}"}`)).status).toBe(413);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expectClean();
  });

  it("an unhandled rejection is logged by type, code and place alone", () => {
    const since = lines.length;
    class ProviderError extends Error {}
    const cause = new EsekError("model/500", "The model endpoint failed (HTTP 500).", {
      cause: new Error(`${TEXT} ${PHONE}`),
    });
    logger.fatal({ err: new ProviderError(`prompt was: ${TEXT}\n${NAME}`, { cause }) }, "unhandled rejection");
    logger.fatal({ err: `${TEXT} thrown as a string` }, "unhandled rejection");
    logger.fatal({ err: { message: TEXT, phone: PHONE } }, "unhandled rejection");
    logger.fatal({ err: Object.assign(new Error(TEXT), { code: `${TEXT} as a code` }) }, "unhandled rejection");
    const [first, second, third, fourth] = lines.slice(since).map((line) => JSON.parse(line).err);
    expect(first).toMatchObject({
      type: "ProviderError",
      cause: { code: "model/500", message: "The model endpoint failed (HTTP 500).", cause: { type: "Error" } },
    });
    expect(second).toEqual({ type: "string" });
    expect(third).toEqual({ type: "object" });
    expect(fourth).toMatchObject({ type: "Error", code: "Error" });
    expectClean();
  });

  it("what is said of an error keeps the frames that find it, without the machine's folders", () => {
    const said = safeError(new Error(TEXT)) as { at: string[] };
    expect(said.at[0]).toContain("canaries.test.ts");
    expect(JSON.stringify(said)).not.toContain("canaryquokka");
  });

  it("the metrics count all of it and name none of it", async () => {
    const { status, body } = await request("/metrics");
    expect(status).toBe(200);
    for (const series of [
      'esek_webhook_ack_seconds_count{status="200"}',
      'esek_webhook_ack_seconds_count{status="401"}',
      'esek_webhook_events_total{result="kept"}',
      'esek_turns_total{result="committed"}',
      'esek_decisions_total{type="answer",reason="agent-answered"}',
      'esek_sends_total{outcome="accepted",code=""}',
      'esek_sends_total{outcome="refused",code="131026"}',
      'esek_model_seconds_count{result="drafted"}',
      "esek_mailbox_lag_seconds ",
      'esek_notices{kind="opt-out"}',
    ])
      expect(body.includes(`\n${series}`), series).toBe(true);
    expectClean();
  });

  it("were all in play", () => {
    expect([...canaries.keys()].filter((what) => what.startsWith("wamid")).length).toBeGreaterThan(10);
    expect(lines.length).toBeGreaterThan(10);
    expect(answers.length).toBeGreaterThan(15);
    expectClean();
  });
});
