import { Writable } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { StepResult } from "../src/connect/checklist.ts";
import type { MerchantId } from "../src/domain/ids.ts";
import { createLogger } from "../src/logger.ts";
import { createApiKey } from "../src/store/api-keys.ts";
import { keptToken } from "../src/store/merchant-secrets.ts";
import { applyMerchant } from "../src/store/merchants.ts";
import { asMerchant } from "./crash.ts";
import { apply, demoMerchant, PHONE_ID, SECRETS, startWorld, type TestWorld, WABA_ID } from "./world.ts";

type Answer = { status: number; type: string | null; text: string; body: Body };
type Body = {
  code?: string;
  detail?: string;
  merchant?: string;
  connected?: boolean;
  steps?: StepResult[];
  errors?: unknown;
};

const PIN = "314159";
const lines: string[] = [];
const said: string[] = [];
let world: TestWorld;
let key: string;

beforeAll(async () => {
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      lines.push(chunk.toString());
      done();
    },
  });
  world = await startWorld({ logger: createLogger("trace", sink as never) });
  key = await keyWith(["merchants:connect"]);
  await apply(
    world.scratch,
    demoMerchant((config) => {
      config.slug = "other";
      config.wabas = [
        { id: "502000000", numbers: [{ id: "702000000", display: "+1 555-000-0702", coexistence: false }] },
      ];
    }),
  );
});
afterAll(() => world.stop());
beforeEach(async () => {
  const { store } = world.runtime;
  await world.control("settings", { edgeErrors: {} });
  await world.control("phones", { id: PHONE_ID, status: "PENDING", pin: PIN });
  await applyMerchant(store.sql, store.keyring, demoMerchant());
  await asMerchant(world.scratch, world.merchantId, (tx) => tx`delete from merchant_secret`);
});

const keyWith = async (scopes: string[]) =>
  (await createApiKey(world.runtime.store, world.merchantId as MerchantId, "signup", scopes, "demo")).key;
const issue = async (body: object = {}) => (await world.control<{ code: string }>("signup-codes", body)).code;
const kept = () => keptToken(world.runtime.store, world.merchantId as MerchantId);

async function signUp(body: unknown, bearer = key): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${world.runtime.port}/api/v1/embedded-signup`, {
    method: "POST",
    headers: { authorization: `Bearer ${bearer}` },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  said.push(text);
  return { status: response.status, type: response.headers.get("content-type"), text, body: JSON.parse(text) as Body };
}
const request = (code: string, more: object = {}) => ({
  code,
  waba_id: WABA_ID,
  phone_number_id: PHONE_ID,
  pin: PIN,
  ...more,
});

describe("POST /api/v1/embedded-signup", () => {
  it("turns the code into a kept token and answers the whole checklist", async () => {
    const code = await issue({ token: { wabaIds: [WABA_ID], expiresAt: world.sim.clock.now() + 60 * 86_400_000 } });
    const { status, body } = await signUp(request(code, { slug: "demo" }));
    expect(body.steps!.filter((step) => step.state === "failed")).toEqual([]);
    expect([status, body.merchant, body.connected]).toEqual([200, "demo", true]);
    expect(body.steps!.map((step) => `${step.step} ${step.state}`)).toEqual([
      "token done",
      "waba done",
      "number done",
      // The environment of these tests has a token for every merchant, and it goes first.
      "merchant warning",
      "register done",
      "subscribe already",
      "webhook done",
      "templates done",
      "state done",
      "profile warning",
      "health done",
    ]);
    expect(await kept()).toMatch(/^EAA/);
    expect(world.sim.settings.tokens[(await kept())!]).toMatchObject({ wabaIds: [WABA_ID] });
  });

  it("a code used twice, too old, of another app or made up is 422 and keeps nothing", async () => {
    const used = await issue({ token: { wabaIds: [WABA_ID] } });
    expect((await signUp(request(used))).status).toBe(200);
    await asMerchant(world.scratch, world.merchantId, (tx) => tx`delete from merchant_secret`);
    for (const code of [used, await issue({ lifeMs: 0 }), await issue({ appId: "111111111" }), "AQmade-up"]) {
      const { status, type, body } = await signUp(request(code));
      expect([status, type, body.code]).toEqual([422, "application/problem+json", "signup/code"]);
      expect(body.detail).toContain("30 seconds");
    }
    expect(await kept()).toBeUndefined();
  });

  it("a code for somebody else's WABA keeps nothing and says so", async () => {
    const { status, body } = await signUp(request(await issue({ token: { wabaIds: ["502000000"] } })));
    expect([status, body.code, body.connected]).toEqual([422, "not-connected", false]);
    expect(body.steps![0]).toMatchObject({ step: "token", state: "failed", code: "token/waba" });
    expect(await kept()).toBeUndefined();
  });

  it("a WABA or number of another merchant is refused before the code is spent", async () => {
    const code = await issue();
    for (const ids of [{ waba_id: "502000000" }, { phone_number_id: "702000000" }])
      expect(await signUp(request(code, ids))).toMatchObject({ status: 409, body: { code: "signup/taken" } });
    expect(await signUp(request(code, { slug: "other" }))).toMatchObject({
      status: 403,
      body: { code: "signup/merchant" },
    });
    expect((await signUp(request(code))).status).toBe(200);
  });

  it("a wrong PIN is 422 with the list: what was done stays done", async () => {
    const { status, body } = await signUp(request(await issue(), { pin: "000000" }));
    expect([status, body.connected]).toEqual([422, false]);
    expect(body.steps!.find((step) => step.step === "register")).toMatchObject({
      state: "failed",
      code: "graph/133005",
    });
    expect(await kept()).toMatch(/^EAA/);
  });

  it("a key without the scope, no key, and a body that is none are refused without echo", async () => {
    const secret = "AQcanary-code";
    expect((await signUp(request(secret), await keyWith(["messages:send"]))).status).toBe(403);
    expect((await signUp(request(secret), "nothing")).status).toBe(401);
    for (const body of [
      request(secret, { waba_id: "canary-waba" }),
      request(secret, { pin: "canary" }),
      request(secret, { "canary-field": 1 }),
      { code: secret },
      `{"code": "${secret}"`,
    ]) {
      const { status, text } = await signUp(body);
      expect(status).toBe(400);
      expect(text).not.toContain("canary");
    }
    expect((await signUp(request("x".repeat(20_000)))).status).toBe(413);
  });

  it("Meta unreachable is 502", async () => {
    const { fetch } = globalThis;
    const { url } = world.sim;
    globalThis.fetch = (input, init) =>
      String(input).startsWith(`${url}/v`) ? Promise.reject(new TypeError("fetch failed")) : fetch(input, init);
    try {
      expect(await signUp(request(await issue()))).toMatchObject({ status: 502, body: { code: "graph/unreachable" } });
    } finally {
      globalThis.fetch = fetch;
    }
  });

  it("no code, token, PIN or app secret in any answer or log line", async () => {
    const issued = await issue();
    await signUp(request(issued));
    const token = await kept();
    expect(lines.length).toBeGreaterThan(0);
    for (const secret of [issued, token!, PIN, SECRETS.appSecret, SECRETS.accessToken, "AQmade-up"])
      expect([...lines, ...said].filter((line) => line.includes(secret))).toEqual([]);
  });
});
