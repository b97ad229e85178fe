import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { StepResult } from "../src/connect/checklist.ts";
import { connectMerchant, isConnected } from "../src/connect/connect.ts";
import type { ConnectJob, ConnectWorld } from "../src/connect/run.ts";
import { fileTarget, numberTarget } from "../src/connect/targets.ts";
import type { MerchantId } from "../src/domain/ids.ts";
import { SYSTEM_MERCHANT } from "../src/domain/ids.ts";
import { keptToken, tokenLookup } from "../src/store/merchant-secrets.ts";
import { applyMerchant } from "../src/store/merchants.ts";
import { asMerchant } from "./crash.ts";
import { demoMerchant, PHONE_ID, SECRETS, startWorld, type TestWorld, WABA_ID } from "./world.ts";

const PIN = "271828";
const DAY = 86_400_000;

let world: TestWorld;
let connecting: ConnectWorld;
let callback: string;
let ledgerMark: number;
beforeAll(async () => {
  world = await startWorld();
  callback = `http://127.0.0.1:${world.runtime.port}/webhooks/whatsapp`;
});
afterAll(() => world.stop());

/** One world for all of them; before each, Meta and the store are as if nothing had been connected yet. */
beforeEach(async () => {
  const { store } = world.runtime;
  const { appId: id, appSecret: secret, verifyToken } = SECRETS;
  connecting = { store, graph: { url: world.sim.url, version: "v26.0" }, app: { id, secret, verifyToken } };
  await world.control("settings", { tokens: {}, edgeErrors: {} });
  await world.control("webhook-url", { url: callback });
  await world.control("phones", {
    id: PHONE_ID,
    status: "PENDING",
    pin: PIN,
    throughputMps: 80,
    qualityRating: "GREEN",
  });
  await world.control("wabas", { id: WABA_ID, subscribed: false, messagingLimit: "TIER_2K", notify: false });
  const phone = world.sim.world.phones.get(PHONE_ID)!;
  Object.assign(phone, {
    profile: { email: "help@shop.example" },
    moves: [],
    pinTries: 0,
    callbackOverride: undefined,
  });
  phone.waba.callbackOverride = undefined;
  await applyMerchant(store.sql, store.keyring, demoMerchant());
  store.merchants.forget();
  await asMerchant(world.scratch, world.merchantId, async (tx) => {
    await tx`delete from merchant_secret`;
    await tx`update phone set throughput_mps = 80, status = 'CONNECTED'`;
  });
  ledgerMark = world.sim.ledger.size;
});

const connect = (job: Partial<ConnectJob> = {}, file = demoMerchant()) => {
  const token = "token" in job ? job.token : SECRETS.accessToken;
  const target = fileTarget(world.runtime.store, file, { token, fromEnvironment: token });
  return connectMerchant(connecting, { ...target, pin: PIN, webhookUrl: callback, ...job });
};
const states = (results: StepResult[]) => Object.fromEntries(results.map((result) => [result.step, result.state]));
const stepOf = (results: StepResult[], step: string) => results.find((result) => result.step === step)!;
const tokens = (facts: Record<string, object>) => world.control("settings", { tokens: facts });
const row = async () =>
  (
    await asMerchant(
      world.scratch,
      world.merchantId,
      (
        tx,
      ) => tx`select p.status, p.quality, p.throughput_mps as mps, p.checked_at is not null as checked, w.messaging_limit as limit, w.token_broken_at as broken
        from phone p join waba w on w.waba_id = p.waba_id where p.phone_number_id = ${PHONE_ID}`,
    )
  )[0];
const unrouted = async () =>
  (await asMerchant(world.scratch, SYSTEM_MERCHANT, (tx) => tx`select 1 from inbox_unrouted`)).length;
/** Posts that changed something at Graph, by their path. */
const posted = () =>
  world.sim.ledger
    .list({ kind: "other", after: ledgerMark })
    .filter((entry) => entry.type.startsWith("POST"))
    .map((entry) => `${entry.type.replace(/\d{5,}/, "ID")} ${entry.outcome}`);

describe("connecting a merchant", () => {
  it("registers, subscribes, tries the webhook, and keeps templates, state and limit", async () => {
    await world.control("phones", { id: PHONE_ID, throughputMps: 1000, qualityRating: "YELLOW" });
    await world.control("wabas", { id: WABA_ID, messagingLimit: "TIER_10K", notify: false });
    const results = await connect();
    expect(states(results)).toEqual({
      token: "done",
      waba: "done",
      number: "done",
      merchant: expect.stringMatching(/done|already/),
      register: "done",
      subscribe: "done",
      webhook: "done",
      templates: "done",
      state: "done",
      profile: "done",
      health: "done",
    });
    expect(posted()).toEqual(["POST /ID/register accepted", "POST /ID/subscribed_apps accepted"]);
    expect(await row()).toEqual({
      status: "CONNECTED",
      quality: "YELLOW",
      mps: 1000,
      checked: true,
      limit: 10_000,
      broken: null,
    });
    expect(await unrouted()).toBe(0);
  });

  it("twice is as once: what is done is found done, and Graph is asked to change nothing", async () => {
    await connect();
    const before = posted();
    const again = await connect();
    expect(posted()).toEqual(before);
    expect(states(again)).toMatchObject({
      merchant: "already",
      register: "already",
      subscribe: "already",
      webhook: "done",
    });
    expect(isConnected(again)).toBe(true);
  });

  it("a merchant that was never applied is applied once Meta has said yes, and not before", async () => {
    const file = demoMerchant((config) => {
      config.slug = "fresh";
      config.wabas = [
        { id: "502000000", numbers: [{ id: "702000000", display: "+1 555-000-0000", coexistence: true }] },
      ];
      config.portfolio = "9502000000";
    });
    const count = async () => (await world.runtime.store.merchants.all()).length;
    expect(isConnected(await connect({}, file))).toBe(false);
    expect(await count()).toBe(1);
    await world.control("phones", { id: "702000000", wabaId: "502000000" });
    const results = await connect({}, file);
    expect(results.filter((result) => result.state === "failed")).toEqual([]);
    expect(await count()).toBe(2);
  });

  it("a coexistence number keeps 20 messages a second, whatever level Graph names", async () => {
    await world.control("phones", { id: PHONE_ID, status: "CONNECTED", throughputMps: 80 });
    await connect(
      {},
      demoMerchant((config) => {
        config.wabas[0]!.numbers[0]!.coexistence = true;
      }),
    );
    expect(await row()).toMatchObject({ mps: 20 });
  });

  it("no limit at all is kept as none", async () => {
    await connect();
    await world.control("wabas", { id: WABA_ID, messagingLimit: "TIER_UNLIMITED", notify: false });
    await connect();
    expect(await row()).toMatchObject({ limit: null });
  });

  it("a good token ends the pause that a bad one began", async () => {
    await asMerchant(world.scratch, world.merchantId, (tx) => tx`update waba set token_broken_at = now()`);
    await connect();
    expect(await row()).toMatchObject({ broken: null });
  });

  it("a profile without support contact is a warning with what to do", async () => {
    world.sim.world.phones.get(PHONE_ID)!.profile = { about: "Plants" };
    const results = await connect();
    expect(stepOf(results, "profile")).toMatchObject({ state: "warning", code: "profile/contact" });
    expect(isConnected(results)).toBe(true);
  });

  it("an override of the callback is left alone, and told", async () => {
    await connect();
    world.sim.world.wabas.get(WABA_ID)!.callbackOverride = "http://127.0.0.1:9/elsewhere?key=secret";
    const results = await connect();
    expect(stepOf(results, "webhook")).toMatchObject({ state: "failed", code: "webhook/elsewhere" });
    expect(stepOf(results, "webhook").say).toContain("http://127.0.0.1:9/elsewhere.");
    expect(world.sim.world.wabas.get(WABA_ID)!.callbackOverride).toContain("elsewhere");
  });
});

describe("what Meta refuses", () => {
  /** The step that fails, with its code, and everything after it untried and unwritten. */
  const stopsAt = async (results: StepResult[], step: string, code: string) => {
    const at = results.findIndex((result) => result.step === step);
    expect(results[at]).toMatchObject({ state: "failed", code });
    expect(results.slice(at + 1).every((result) => result.state === "skipped")).toBe(true);
    expect(posted()).toEqual([]);
  };

  it.each([
    ["without the permission to send", { scopes: ["whatsapp_business_management"] }, "token/scopes"],
    ["without the permission to manage", { scopes: ["whatsapp_business_messaging"] }, "token/scopes"],
    ["of another business", { wabaIds: ["502"] }, "token/waba"],
    ["of another app", { appId: "111111111" }, "token/app"],
    ["revoked", { isRevoked: true }, "token/invalid"],
  ])("a token %s stops it at once", async (_what, facts, code) => {
    await tokens({ other: facts });
    await stopsAt(await connect({ token: "other" }), "token", code);
  });

  it("an expired token, with the app's id and without, and one that never was", async () => {
    await tokens({ old: { expiresAt: world.sim.clock.now() - 1000 } });
    await stopsAt(await connect({ token: "old" }), "token", "token/expired");
    await stopsAt(await connect({ token: "nonsense" }), "token", "token/invalid");
    connecting.app.id = undefined;
    await stopsAt(await connect({ token: "old" }), "token", "graph/190");
    await stopsAt(await connect({ token: undefined }), "token", "token/missing");
  });

  it("a token that ends within seven days is a warning, eight are none", async () => {
    const now = world.sim.clock.now();
    await tokens({ soon: { expiresAt: now + 6 * DAY }, later: { expiresAt: now + 8 * DAY } });
    expect(stepOf(await connect({ token: "soon" }), "token").state).toBe("warning");
    expect(stepOf(await connect({ token: "later" }), "token").state).toBe("done");
  });

  it("a number of another WABA", async () => {
    await world.control("phones", { id: "702000000", wabaId: "502000000" });
    const file = demoMerchant((config) => {
      config.wabas[0]!.numbers[0]!.id = "702000000";
    });
    await stopsAt(await connect({}, file), "number", "number/foreign");
  });

  it("a WABA that does not exist, and one of another portfolio", async () => {
    const other = demoMerchant((config) => {
      config.wabas[0]!.id = "999999999";
    });
    await stopsAt(await connect({}, other), "token", "token/waba");
    await tokens({ "of-a-deleted-one": { wabaIds: ["999999999"] } });
    await stopsAt(await connect({ token: "of-a-deleted-one" }, other), "waba", "graph/100");
    const elsewhere = demoMerchant((config) => {
      config.portfolio = "123";
    });
    await stopsAt(await connect({}, elsewhere), "waba", "waba/portfolio");
  });

  it("Graph unreachable, or a proxy in its place", async () => {
    connecting.graph = { url: "http://127.0.0.1:9", version: "v26.0" };
    await stopsAt(await connect(), "token", "graph/unreachable");
    const proxy = createServer((_request, response) => response.writeHead(502).end("<html>"));
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    connecting.graph = { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, version: "v26.0" };
    await stopsAt(await connect(), "token", "graph/http-502");
    proxy.close();
  });

  it("a wrong PIN: the rest is still done and told, and the right one later completes it", async () => {
    const results = await connect({ pin: "000000" });
    expect(stepOf(results, "register")).toMatchObject({ state: "failed", code: "graph/133005", about: PHONE_ID });
    expect(stepOf(results, "register").say).toContain("wrong two-step verification PIN");
    expect(states(results)).toMatchObject({ subscribe: "done", templates: "done", state: "warning", health: "failed" });
    expect(await row()).toMatchObject({ status: "PENDING" });
    expect(isConnected(await connect())).toBe(true);
  });

  it.each([133004, 133006, 133008, 133009, 133015, 133016])(
    "register refused with %i names it and what to do",
    async (code) => {
      await world.control("settings", { edgeErrors: { register: code } });
      const { say } = stepOf(await connect(), "register");
      expect(say).toContain(`code ${code}`);
      expect(say).not.toContain("without advice");
    },
  );

  it("no PIN at all asks for one and posts nothing", async () => {
    expect(stepOf(await connect({ pin: undefined }), "register")).toMatchObject({
      state: "failed",
      code: "register/pin-missing",
    });
    expect(posted()).toEqual(["POST /ID/subscribed_apps accepted"]);
  });

  it("neither token nor PIN is in any result", async () => {
    await world.control("settings", { edgeErrors: { register: 133005 } });
    const told = JSON.stringify([await connect(), await connect({ token: "nonsense-token" })]);
    for (const secret of [SECRETS.accessToken, "nonsense-token", PIN, SECRETS.appSecret, SECRETS.verifyToken])
      expect(told).not.toContain(secret);
  });
});

describe("the webhook, end to end", () => {
  let stranger: Server;
  let answer: (method: string, challenge: string) => { status: number; body: string };
  let url: string;
  beforeEach(async () => {
    stranger = createServer((request, response) => {
      const query = new URL(request.url ?? "/", "http://x").searchParams;
      const { status, body } = answer(request.method ?? "", query.get("hub.challenge") ?? "");
      request.resume();
      response.writeHead(status).end(body);
    });
    await new Promise<void>((resolve) => stranger.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(stranger.address() as AddressInfo).port}/hook`;
    await world.control("webhook-url", { url });
  });
  afterEach(() => stranger.close());

  it.each([
    ["another challenge", () => ({ status: 200, body: "1" }), "webhook/wrong-challenge"],
    ["the challenge with 403", (_: string, body: string) => ({ status: 403, body }), "webhook/wrong-challenge"],
    ["yes to everything", (_: string, body: string) => ({ status: 200, body }), "webhook/accepts-forgeries"],
    [
      "no to everything signed",
      (method: string, body: string) => ({ status: method === "GET" ? 200 : 401, body }),
      "webhook/not-acknowledged",
    ],
  ])("an address that answers %s is refused", async (_what, given, code) => {
    answer = given;
    expect(stepOf(await connect({ webhookUrl: url }), "webhook")).toMatchObject({ state: "failed", code });
  });

  it("one that acknowledges what never arrives here is another installation", { timeout: 20_000 }, async () => {
    let posts = 0;
    answer = (method, body) => ({ status: method === "GET" ? 200 : posts++ === 0 ? 401 : 200, body });
    expect(stepOf(await connect({ webhookUrl: url }), "webhook")).toMatchObject({ code: "webhook/not-arrived" });
  });

  it("nobody there, and an address that is none", async () => {
    expect(stepOf(await connect({ webhookUrl: "http://127.0.0.1:9/x" }), "webhook").code).toBe("webhook/unreachable");
    expect(stepOf(await connect({ webhookUrl: "http://" }), "webhook").code).toBe("webhook/unreachable");
  });

  it("another app secret on the other side is found by the signed event", async () => {
    connecting.app = { ...connecting.app, id: undefined, secret: "another-secret" };
    expect(stepOf(await connect(), "webhook").code).toBe("webhook/not-acknowledged");
  });

  it("works here, but Meta calls another address: that blocks", async () => {
    answer = () => ({ status: 404, body: "" });
    expect(stepOf(await connect(), "webhook")).toMatchObject({ state: "failed", code: "webhook/elsewhere" });
  });

  it("without an address, the one that Meta shows is tried; without any it is skipped", async () => {
    await world.control("webhook-url", { url: callback });
    expect(stepOf(await connect({ webhookUrl: undefined }), "webhook").state).toBe("done");
    await world.control("webhook-url", { url: null });
    expect(stepOf(await connect({ webhookUrl: undefined }), "webhook").state).toBe("skipped");
  });
});

describe("a kept token", () => {
  const byIds = async (ids: { wabaId: string; phoneNumberId: string }, token: string, fromEnvironment?: string) => {
    const { store } = world.runtime;
    const id = world.merchantId as MerchantId;
    const target = await numberTarget(store, id, { ...ids, isCoexistence: false }, { token, fromEnvironment });
    return connectMerchant(connecting, { ...target, pin: PIN, webhookUrl: callback });
  };
  const demo = { wabaId: WABA_ID, phoneNumberId: PHONE_ID };

  it("is sealed, is used where the environment has none, and gives way where it has one", async () => {
    const { store } = world.runtime;
    const id = world.merchantId as MerchantId;
    await tokens({ "kept-token": { expiresAt: world.sim.clock.now() + 30 * DAY } });
    expect(stepOf(await byIds(demo, "kept-token"), "merchant").state).toBe("done");
    expect(stepOf(await byIds(demo, "kept-token"), "merchant").state).toBe("already");
    const [kept] = await asMerchant(
      world.scratch,
      id,
      (tx) => tx`select value_ct as ct, expires_at as until from merchant_secret`,
    );
    expect(Buffer.from(kept!.ct).includes("kept-token")).toBe(false);
    expect(kept!.until.getTime()).toBeGreaterThan(Date.now());
    expect(await keptToken(store, id)).toBe("kept-token");
    expect(await tokenLookup(store, () => undefined)(id)).toBe("kept-token");
    expect(await tokenLookup(store, () => "from-environment")(id)).toBe("from-environment");
    expect(stepOf(await byIds(demo, "kept-token", "from-environment"), "merchant").state).toBe("warning");
  });

  it("a second number of the same token is added, with what Graph says of it; a lesser token is refused", async () => {
    await world.control("phones", { id: "703000000", wabaId: "503000000", displayNumber: "+972 50 000 0703" });
    await world.control("wabas", { id: "503000000", notify: false });
    const other = { wabaId: "503000000", phoneNumberId: "703000000" };
    await tokens({ all: {}, lesser: { wabaIds: ["503000000"] } });
    expect(isConnected(await byIds(demo, "all"))).toBe(true);
    expect(stepOf(await byIds(other, "lesser"), "merchant")).toMatchObject({ state: "failed", code: "token/lesser" });
    const results = await byIds(other, "all");
    expect(results.filter((result) => result.state === "failed")).toEqual([]);
    const { config } = await world.runtime.store.merchants.get(world.merchantId as MerchantId);
    expect(config.wabas.map((waba) => waba.id)).toEqual([WABA_ID, "503000000"]);
    expect(config.wabas[1]!.numbers).toEqual([{ id: "703000000", display: "+972 50 000 0703", coexistence: false }]);
  });
});
