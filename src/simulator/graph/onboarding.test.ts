import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO_APP_ID, DEMO_PHONE_ID, DEMO_WABA_ID } from "../default-world.ts";
import { asObject, type JsonObject, objectsOf } from "../json.ts";
import { APP_SECRET, type Kit, START, startKit } from "../test-kit.ts";

const HOUR = 3_600_000;
const APP_TOKEN = `${DEMO_APP_ID}|${APP_SECRET}`;
const REGISTER = `/v25.0/${DEMO_PHONE_ID}/register`;

let kit: Kit;
beforeEach(async () => {
  kit = await startKit();
});
afterEach(() => kit.stop());

const tokens = (facts: Record<string, JsonObject>) => kit.control("POST", "/settings", { tokens: facts });
const debug = async (input: string, token = APP_TOKEN) =>
  asObject((await kit.graph("GET", `/v25.0/debug_token?input_token=${input}`, undefined, token)).json.data);
const register = (pin: unknown, more: JsonObject = {}) =>
  kit.graph("POST", REGISTER, { messaging_product: "whatsapp", pin, ...more });

describe("debug_token", () => {
  it("tells expiry, permissions and accounts, to the app and to the token itself", async () => {
    const expiresAt = START + 24 * HOUR;
    await tokens({ short: { expiresAt, scopes: ["whatsapp_business_management"], wabaIds: [DEMO_WABA_ID] } });
    const told = {
      app_id: DEMO_APP_ID,
      is_valid: true,
      expires_at: expiresAt / 1000,
      scopes: ["whatsapp_business_management"],
      granular_scopes: [{ scope: "whatsapp_business_management", target_ids: [DEMO_WABA_ID] }],
    };
    expect(await debug("short")).toMatchObject(told);
    expect(await debug("short", "short")).toMatchObject(told);
  });

  it("an expired token is described to the app with 190/463, and refused itself", async () => {
    await tokens({ short: { expiresAt: START + HOUR } });
    kit.advance(HOUR - 1);
    expect(await debug("short")).toMatchObject({ is_valid: true });
    kit.advance(1);
    expect(await debug("short")).toMatchObject({ is_valid: false, error: { code: 190, subcode: 463 } });
    const own = await kit.graph("GET", `/v25.0/${DEMO_WABA_ID}`, undefined, "short");
    expect([own.status, own.code, asObject(own.json.error).error_subcode]).toEqual([401, 190, 463]);
    expect((await kit.send({ to: "+972501234567", type: "text", text: { body: "x" } })).status).not.toBe(401);
  });

  it("a string that never was a token is not valid; the app token may ask nothing else", async () => {
    expect(await debug("nonsense")).toMatchObject({ is_valid: false, scopes: [], error: { code: 190 } });
    expect((await kit.graph("GET", `/v25.0/${DEMO_WABA_ID}`, undefined, APP_TOKEN)).code).toBe(200);
    expect((await kit.graph("GET", "/v25.0/debug_token?input_token=x", undefined, `${DEMO_APP_ID}|wrong`)).code).toBe(
      190,
    );
  });
});

describe("permissions", () => {
  it("the one to manage does not send, the one to send does not manage", async () => {
    await tokens({
      manager: { scopes: ["whatsapp_business_management"] },
      sender: { scopes: ["whatsapp_business_messaging"] },
    });
    const send = { messaging_product: "whatsapp", to: "+972501234567", type: "text", text: { body: "x" } };
    const path = `/v25.0/${DEMO_PHONE_ID}/messages`;
    expect((await kit.graph("POST", path, send, "manager")).code).toBe(200);
    expect((await kit.graph("POST", path, send, "sender")).status).toBe(200);
    expect((await kit.graph("GET", `/v25.0/${DEMO_WABA_ID}/phone_numbers`, undefined, "manager")).status).toBe(200);
    expect((await kit.graph("GET", `/v25.0/${DEMO_WABA_ID}/phone_numbers`, undefined, "sender")).code).toBe(200);
  });

  it("an account of somebody else does not exist for a token: 100 with subcode 33", async () => {
    await tokens({ other: { wabaIds: ["502"] } });
    const answer = await kit.graph("GET", `/v25.0/${DEMO_WABA_ID}`, undefined, "other");
    expect([answer.status, answer.code, asObject(answer.json.error).error_subcode]).toEqual([400, 100, 33]);
  });
});

describe("the code of Embedded Signup", () => {
  const issue = async (body: JsonObject = {}) => String((await kit.control("POST", "/signup-codes", body)).code);
  const exchange = (code: string, more: Record<string, string> = {}) => {
    const query = new URLSearchParams({ client_id: DEMO_APP_ID, client_secret: APP_SECRET, code, ...more });
    return kit.graph("GET", `/v25.0/oauth/access_token?${query}`, undefined, null);
  };

  it("is exchanged once, for a token that touches the shared account alone", async () => {
    await kit.control("POST", "/wabas", { id: "502" });
    const code = await issue({ token: { wabaIds: ["502"], expiresAt: START + 60 * 24 * HOUR } });
    const { status, json } = await exchange(code);
    expect([status, json.token_type, json.expires_in]).toEqual([200, "bearer", 60 * 24 * 3600]);
    const token = String(json.access_token);
    expect((await kit.graph("GET", "/v25.0/502", undefined, token)).status).toBe(200);
    expect((await kit.graph("GET", `/v25.0/${DEMO_WABA_ID}`, undefined, token)).code).toBe(100);
    const again = await exchange(code);
    expect([again.status, again.code, asObject(again.json.error).error_subcode]).toEqual([400, 100, 36009]);
  });

  it("is also taken as a form", async () => {
    const body = new URLSearchParams({ client_id: DEMO_APP_ID, client_secret: APP_SECRET, code: await issue() });
    const answer = await fetch(`${kit.sim.url}/v25.0/oauth/access_token`, { method: "POST", body });
    expect(await answer.json()).toEqual({ access_token: expect.stringMatching(/^EAA/), token_type: "bearer" });
  });

  it("ends after 30 seconds", async () => {
    const [early, late] = [await issue(), await issue()];
    kit.advance(29_999);
    expect((await exchange(early)).status).toBe(200);
    kit.advance(1);
    expect(asObject((await exchange(late)).json.error)).toMatchObject({ code: 100, error_subcode: 36007 });
  });

  it("of another app, with a wrong secret, of an unknown app, or made up is refused", async () => {
    expect(asObject((await exchange(await issue({ appId: "1" }))).json.error)).toMatchObject({
      code: 100,
      error_subcode: 36008,
    });
    expect((await exchange(await issue(), { client_secret: "wrong" })).code).toBe(1);
    expect((await exchange(await issue(), { client_id: "1" })).code).toBe(101);
    expect((await exchange("made-up")).code).toBe(100);
  });

  it("leaves neither code nor secret in the ledger", async () => {
    const code = await issue();
    await exchange(code);
    const told = JSON.stringify(await kit.control("GET", "/ledger"));
    expect(told).toContain("/oauth/access_token");
    expect(told.includes(code) || told.includes(APP_SECRET)).toBe(false);
  });
});

describe("register", () => {
  it("sets the first PIN, then wants the same", async () => {
    await kit.control("POST", "/phones", { id: DEMO_PHONE_ID, status: "PENDING" });
    expect((await register("123456")).json).toEqual({ success: true });
    expect((await kit.graph("GET", `/v25.0/${DEMO_PHONE_ID}?fields=status`)).json.status).toBe("CONNECTED");
    const wrong = await register("654321");
    expect([wrong.status, wrong.code, wrong.details]).toEqual([400, 133005, "Security PIN mismatch"]);
    expect((await register("123456")).status).toBe(200);
  });

  it("five wrong PINs lock the number for a while, even for the right one", async () => {
    await kit.control("POST", "/phones", { id: DEMO_PHONE_ID, pin: "123456" });
    for (let count = 0; count < 5; count++) expect((await register("000000")).code).toBe(133005);
    expect((await register("123456")).code).toBe(133008);
    kit.advance(12 * HOUR);
    expect((await register("123456")).status).toBe(200);
  });

  it("a PIN set anew through the number itself ends the lock", async () => {
    await kit.control("POST", "/phones", { id: DEMO_PHONE_ID, pin: "123456" });
    for (let count = 0; count < 5; count++) await register("000000");
    await kit.graph("POST", `/v25.0/${DEMO_PHONE_ID}`, { pin: "222222" });
    expect((await register("222222")).status).toBe(200);
  });

  it("refuses an unverified number, a PIN that is none, a missing product and an unknown region", async () => {
    expect((await register("12345")).code).toBe(100);
    expect((await kit.graph("POST", REGISTER, { pin: "123456" })).code).toBe(100);
    expect((await register("123456", { data_localization_region: "XX" })).code).toBe(100);
    await kit.control("POST", "/phones", { id: DEMO_PHONE_ID, codeVerification: "NOT_VERIFIED" });
    expect((await register("123456")).code).toBe(133006);
  });

  it("ten moves in 72 hours, then 133016", async () => {
    for (let count = 0; count < 10; count++) expect((await register("123456")).status).toBe(200);
    expect((await register("123456")).code).toBe(133016);
    kit.advance(72 * HOUR);
    expect((await register("123456")).status).toBe(200);
  });
});

describe("health, profile and number", () => {
  const health = async (id: string) =>
    asObject((await kit.graph("GET", `/v25.0/${id}?fields=health_status`)).json.health_status);

  it("health names every node on the way, and the worst of them", async () => {
    const well = await health(DEMO_PHONE_ID);
    expect(well.can_send_message).toBe("AVAILABLE");
    expect(objectsOf(well.entities).map((entity) => entity.entity_type)).toEqual([
      "PHONE_NUMBER",
      "WABA",
      "BUSINESS",
      "APP",
    ]);
    await kit.control("POST", "/wabas", { id: DEMO_WABA_ID, state: "payment" });
    expect((await health(DEMO_WABA_ID)).can_send_message).toBe("LIMITED");
    expect(objectsOf((await health(DEMO_WABA_ID)).entities)[0]).toMatchObject({ errors: [{ error_code: 141006 }] });
    await kit.control("POST", "/phones", { id: DEMO_PHONE_ID, status: "PENDING" });
    expect((await health(DEMO_PHONE_ID)).can_send_message).toBe("BLOCKED");
  });

  it("a number shows its portfolio's limit, its speed and where its webhooks go", async () => {
    await kit.control("POST", "/wabas", { id: DEMO_WABA_ID, messagingLimit: "TIER_10K" });
    await kit.control("POST", "/phones", { id: DEMO_PHONE_ID, throughputMps: 1000, qualityRating: "YELLOW" });
    const fields = "quality_rating,throughput,whatsapp_business_manager_messaging_limit,webhook_configuration";
    expect((await kit.graph("GET", `/v25.0/${DEMO_PHONE_ID}?fields=${fields}`)).json).toMatchObject({
      quality_rating: "YELLOW",
      throughput: { level: "HIGH" },
      whatsapp_business_manager_messaging_limit: "TIER_10K",
      webhook_configuration: { application: expect.stringContaining("/webhook") },
    });
  });

  it.each([
    ["three websites", { websites: ["https://a.example", "https://b.example", "https://c.example"] }],
    ["a website that is none", { websites: ["shop"] }],
    ["an email of 129 characters", { email: "x".repeat(129) }],
    ["a description of 513", { description: "x".repeat(513) }],
  ])("a profile with %s is refused", async (_what, profile) => {
    const path = `/v25.0/${DEMO_PHONE_ID}/whatsapp_business_profile`;
    expect((await kit.graph("POST", path, { messaging_product: "whatsapp", ...profile })).code).toBe(100);
  });

  it("an edge can be made to refuse, and no other", async () => {
    await kit.control("POST", "/settings", { edgeErrors: { subscribed_apps: 80008 } });
    expect((await kit.graph("GET", `/v25.0/${DEMO_WABA_ID}/subscribed_apps`)).code).toBe(80008);
    expect((await kit.graph("GET", `/v25.0/${DEMO_WABA_ID}/phone_numbers`)).status).toBe(200);
  });
});
