import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { deref, misfits } from "../../test/json-schema.ts";
import { businessApi, clockFrom, known, offer, optIn, orderUpdate } from "../../test/scene.ts";
import { startWorld, type TestWorld } from "../../test/world.ts";
import { createLogger } from "../logger.ts";
import { createApiKey } from "../store/api-keys.ts";
import { type ApiDoors, createApi } from "./api.ts";
import { operations } from "./docs-page.ts";
import { createEmbeddedSignup, type SignupDoors } from "./embedded-signup.ts";
import type { ApiDocument } from "./openapi.ts";

type Json = Record<string, unknown>;
type Examples = Record<string, { value: Json }>;
type Media = Record<string, { schema?: Json; examples?: Examples }>;
type Answer = { status: number; type: string; body: Json };

const VARIABLES = [
  { type: "text", text: "A-1" },
  { type: "currency", fallback: "$1", code: "USD", amount1000: 1000 },
  { type: "date-time", fallback: "Monday" },
  { type: "image", link: "https://shop.example/a.jpg" },
  { type: "location", latitude: 32, longitude: 34 },
];

let world: TestWorld;
let key: string;
let document: ApiDocument;
let root: Json;

beforeAll(async () => {
  // A Monday noon in Jerusalem: quiet nowhere in it.
  world = await startWorld({ now: clockFrom("2026-11-23T10:00:00Z").now });
  key = (await createApiKey(world.runtime.store, world.merchantId as never, "docs", ["messages:send"], "demo")).key;
  document = (await (await fetch(`${base()}/openapi.json`)).json()) as ApiDocument;
  root = document as unknown as Json;
  await known(world, "972520000001", "972520000002", "972520000003");
  await optIn(world, "972520000001", "utility");
  await optIn(world, "972520000002");
  await (await businessApi(world))(offer("972520000002"), "the first offer");
  await world.settle(); // The cap counts what was sent.
});
afterAll(() => world.stop());

const base = () => `http://127.0.0.1:${world.runtime.port}/api/v1`;
const send = () => operations(document).find(([, path]) => path === "/messages")![2];
const requestMedia = () => (send().requestBody!.content as Media)["application/json"]!;
const answerMedia = (status: number) => (send().responses[status]?.content ?? {}) as Media;

async function post(body: string, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(`${base()}/messages`, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "idempotency-key": crypto.randomUUID(), ...headers },
    body,
  });
  const type = response.headers.get("content-type")!.split(";")[0]!;
  return { status: response.status, type, body: (await response.json()) as Json };
}

/** The documented answer of this name, wherever it stands. */
function documented(name: string): Answer {
  for (const [status, response] of Object.entries(send().responses))
    for (const [type, { examples }] of Object.entries((response.content ?? {}) as Media))
      if (examples?.[name]) return { status: Number(status), type, body: examples[name].value };
  throw new Error(`no answer is documented for the example ${name}`);
}

/** As documented, but for what every answer has of its own. */
function expectDocumented(answer: Answer, name: string): void {
  const { id, until, ...rest } = documented(name).body;
  const own = { ...(id ? { id: expect.any(String) } : {}), ...(until ? { until: expect.any(String) } : {}) };
  expect(answer).toEqual({ ...documented(name), body: { ...rest, ...own } });
  expect(misfits(answerMedia(answer.status)[answer.type]!.schema!, answer.body, root)).toEqual([]);
}

describe("the OpenAPI document", () => {
  it("is OpenAPI 3.1: every operation has an id of its own, a summary, and answers with words; every reference leads somewhere", () => {
    expect(document.openapi).toMatch(/^3\.1\.\d+$/);
    expect(document.info).toMatchObject({ title: expect.any(String), version: expect.any(String) });
    expect(document.servers).toEqual([{ url: "/api/v1" }]);
    const ids = operations(document).map(([, , operation]) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const [method, path, operation] of operations(document)) {
      expect(method, path).toMatch(/^(GET|PUT|POST|DELETE|PATCH)$/);
      expect(operation.summary, path).toBeTruthy();
      expect(Object.keys(operation.responses).length, path).toBeGreaterThan(0);
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status).toMatch(/^[2-5]\d\d$/);
        expect(response.description, `${path} ${status}`).toBeTruthy();
      }
      const names = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      const given = operation.parameters?.filter((parameter) => parameter.in === "path").map(({ name }) => name) ?? [];
      expect(given.sort()).toEqual(names.sort());
      for (const scheme of operation.security?.flatMap((need) => Object.keys(need)) ?? [])
        expect(document.components.securitySchemes).toHaveProperty(scheme);
    }
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!);
    expect(references.length).toBeGreaterThan(3);
    for (const reference of references) expect(() => deref(reference, root)).not.toThrow();
  });

  it("describes every route of the API, and no other", () => {
    const logger = createLogger("silent");
    const api = createApi({} as ApiDoors, logger, [createEmbeddedSignup({} as SignupDoors, logger)]);
    const routes = api.routes.map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, "{$1}")}`);
    expect([...new Set(operations(document).map(([method, path]) => `${method} ${path}`))].sort()).toEqual(
      [...new Set(routes)].sort(),
    );
  });

  it("nowhere describes the library's own 400, which echoes what was submitted", () => {
    for (const [, , { responses }] of operations(document))
      for (const [status, { content = {} }] of Object.entries(responses))
        if (Number(status) === 400) expect(Object.keys(content)).toEqual(["application/problem+json"]);
  });

  it("has examples that fit the shapes they stand beside", () => {
    const media = Object.values(send().responses).flatMap((response) =>
      Object.values((response.content ?? {}) as Media),
    );
    for (const { schema, examples } of media)
      for (const [name, { value }] of Object.entries(examples ?? {}))
        expect(misfits(schema!, value, root), name).toEqual([]);
  });
});

describe("what the document says of POST /messages, the server does", () => {
  it("every request example is answered as its answer's example says", async () => {
    const examples = Object.entries(requestMedia().examples!);
    expect(examples.length).toBeGreaterThan(5);
    for (const [name, { value }] of examples) expectDocumented(await post(JSON.stringify(value)), name);
  });

  it("the answers that no body of its own leads to are given too", async () => {
    const body = JSON.stringify(orderUpdate("972520000001"));
    const other = await createApiKey(world.runtime.store, world.merchantId as never, "other", ["other"], "demo");
    expectDocumented(await post(body, { authorization: "Bearer esek_demo_0" }), "unauthorized");
    expectDocumented(await post(body, { authorization: `Bearer ${other.key}` }), "scope");
    expectDocumented(await post(body, { "idempotency-key": "" }), "idempotency-key");
    expectDocumented(await post(body, { "idempotency-key": "x".repeat(201) }), "idempotency-key");
    expectDocumented(await post(`{"to":"${"x".repeat(70_000)}"}`), "body-too-large");
    expect((await post(body, { "idempotency-key": "twice" })).status).toBe(202);
    expectDocumented(await post(`${body} `, { "idempotency-key": "twice" }), "idempotency-conflict");
  });

  it("a failure of ours is the documented 500 and quotes nothing", async () => {
    const doors: ApiDoors = {
      authenticate: async () => ({ merchantId: world.merchantId, scopes: ["messages:send"] }),
      send: async (_merchant, request) => Promise.reject(new Error(JSON.stringify(request))),
    };
    const api = new Hono().route("/api/v1", createApi(doors, createLogger("silent")));
    const response = await api.request("/api/v1/messages", {
      method: "POST",
      headers: { "idempotency-key": "k" },
      body: JSON.stringify(orderUpdate("972520000001")),
    });
    const type = response.headers.get("content-type")!;
    expectDocumented({ status: response.status, type, body: (await response.json()) as Json }, "internal");
  });

  it("every documented answer was asked for above", () => {
    const provoked = ["unauthorized", "scope", "idempotency-key", "body-too-large", "idempotency-conflict", "internal"];
    const asked = [...Object.keys(requestMedia().examples!), ...provoked];
    const written = Object.values(send().responses).flatMap((response) =>
      Object.values((response.content ?? {}) as Media).flatMap(({ examples }) => Object.keys(examples ?? {})),
    );
    expect([...new Set(written)].sort()).toEqual(asked.sort());
  });

  const person = { to: "+972520000001" };
  const hello = { text: { body: "hello" } };
  const template = (more: Json) => ({ ...person, template: { name: "order_update", language: "en", ...more } });
  const bodies: [string, unknown][] = [
    ["text", { ...person, ...hello }],
    ["a business-scoped user id", { recipient: "IL.abc123", ...hello }],
    ["both ways to a person", { ...person, recipient: "IL.abc123", ...hello }],
    ["nobody", hello],
    ["nothing", person],
    ["text and template", { ...template({}), ...hello }],
    ["an unknown member", { ...person, ...hello, canary: 1 }],
    ["an empty text", { ...person, text: { body: "" } }],
    ["a long text", { ...person, text: { body: "x".repeat(4096) } }],
    ["a text too long", { ...person, text: { body: "x".repeat(4097) } }],
    ["a number without +", { to: "972520000001", ...hello }],
    ["a lower-case user id", { recipient: "il.abc", ...hello }],
    ["an expiry", { ...person, ...hello, expires_at: "2026-12-01T10:00:00Z" }],
    ["an expiry of a day that is none", { ...person, ...hello, expires_at: "2026-02-30T10:00:00Z" }],
    ["an expiry in words", { ...person, ...hello, expires_at: "tomorrow" }],
    ["every kind of variable", template({ body: VARIABLES })],
    ["a variable of an unknown kind", template({ body: [{ type: "canary" }] })],
    ["a currency code of two letters", template({ body: [{ ...VARIABLES[1], code: "US" }] })],
    ["an amount in halves", template({ body: [{ ...VARIABLES[1], amount1000: 0.5 }] })],
    ["a button", template({ buttons: [{ type: "quick-reply", index: 9, payload: "yes" }] })],
    ["a tenth button", template({ buttons: [{ type: "quick-reply", index: 10, payload: "yes" }] })],
    ["a flow button with any data", template({ buttons: [{ type: "flow", index: 0, data: { a: [null] } }] })],
    ["ten cards", template({ cards: Array.from({ length: 10 }, () => ({})) })],
    ["eleven cards", template({ cards: Array.from({ length: 11 }, () => ({})) })],
    ["a template name in capitals", { ...person, template: { name: "Order", language: "en" } }],
    ["a number", 7],
    ["a list", []],
    ["null", null],
  ];

  it.each(bodies)("%s: the shape and the server agree", async (name, body) => {
    const answer = await post(JSON.stringify(body));
    const isRefused = answer.status === 400;
    expect([name, misfits(requestMedia().schema!, body, root).length > 0]).toEqual([name, isRefused]);
    if (!isRefused) return;
    expect(answer.type).toBe("application/problem+json");
    expect(misfits(answerMedia(400)[answer.type]!.schema!, answer.body, root)).toEqual([]);
    // The name of an unknown member is the one thing that is said back; no value ever is.
    if (name !== "an unknown member") expect(JSON.stringify(answer.body)).not.toContain("canary");
  });

  it("both verdicts occur among them", () => {
    const refused = bodies.filter(([, body]) => misfits(requestMedia().schema!, body, root).length > 0);
    expect([refused.length > 8, bodies.length - refused.length > 8]).toEqual([true, true]);
  });
});

describe("the page for people", () => {
  it("names every operation, answer and shape, runs no script and asks no other host", async () => {
    const response = await fetch(`${base()}/docs`);
    const page = await response.text();
    for (const [method, path, { responses }] of operations(document)) {
      expect(page).toContain(`<code>${method} /api/v1${path}</code>`);
      for (const status of Object.keys(responses)) expect(page).toContain(`<dt>${status}</dt>`);
    }
    for (const name of Object.keys(document.components.schemas!)) expect(page).toContain(`<h3 id="${name}">`);
    expect(page).toContain("Idempotency-Key");
    for (const [, anchor] of page.matchAll(/href="#(\w+)"/g)) expect(page).toContain(`<h3 id="${anchor}">`);
    expect(page).toContain('<a href="#SendRequest">');
    expect(page).toContain("<code>deferred</code>");
    expect(page).not.toMatch(/<script|\son\w+=|https?:|url\(|@import|undefined/i);
    const style = page.match(/<style>([\s\S]*?)<\/style>/)![1]!;
    const digest = Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(style))).toString("base64");
    expect(response.headers.get("content-security-policy")).toContain(`style-src 'sha256-${digest}'`);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  it("needs no key, and an address below it that is none is a problem", async () => {
    expect((await fetch(`${base()}/openapi.json`)).status).toBe(200);
    const nothing = await fetch(`${base()}/docs/nothing`);
    expect([nothing.status, nothing.headers.get("content-type")]).toEqual([404, "application/problem+json"]);
  });
});
