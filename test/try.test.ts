import { randomBytes } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../src/config.ts";
import { createTry } from "../src/http/try/routes.ts";
import { createLogger } from "../src/logger.ts";
import { readMerchantFile } from "../src/merchant-file.ts";
import { createApiKey } from "../src/store/api-keys.ts";
import { applyMerchant } from "../src/store/merchants.ts";
import { Sandbox } from "../src/try-sandbox.ts";
import { type Bubble, startAt, Visitor } from "./try-kit.ts";

const last = (bubbles: Bubble[], from: string) => bubbles.findLast((bubble) => bubble.from === from);
const isRead = (bubble: Bubble | undefined) => bubble?.status === "read" && bubble;

describe("try it, with no configuration", () => {
  let world: Awaited<ReturnType<typeof startAt>>;
  let visitor: Visitor;
  beforeAll(async () => {
    world = await startAt();
    visitor = new Visitor(world.url);
  });
  afterAll(() => world.stop());

  it("is a page without anything inline, under a strict policy", async () => {
    const response = await fetch(world.url);
    const page = await response.text();
    expect(response.status).toBe(200);
    expect(response.headers.get("content-security-policy")).toContain("default-src 'self'");
    expect(page).not.toMatch(/<script(?![^>]*src=)|<style|\son[a-z]+=|\sstyle=|https?:\/\//);
  });

  it("serves its script and style with a tag, and 304 to who has them", async () => {
    for (const [name, type] of [
      ["app.js", "text/javascript"],
      ["style.css", "text/css"],
      ["icon.svg", "image/svg+xml"],
    ]) {
      const first = await fetch(`${world.url}/${name}`);
      expect(first.headers.get("content-type")).toContain(type);
      const etag = first.headers.get("etag")!;
      expect((await fetch(`${world.url}/${name}`, { headers: { "if-none-match": etag } })).status).toBe(304);
    }
  });

  it("shows no phone number and no wamid in anything an address is made of", async () => {
    const person = await visitor.newcomer();
    const { key } = await visitor.say(person, "Hello");
    const stream = await visitor.see(person, (bubbles) => isRead(last(bubbles, "business")) && JSON.stringify(bubbles));
    expect(stream).not.toContain("wamid");
    expect(`${person} ${key}`).not.toMatch(/\d{6}/);
  });

  it("a word is answered, its ticks turn, and its record says what was decided and why", async () => {
    const { key } = await visitor.say("emma", "When do you deliver?");
    const answer = await visitor.see("emma", (bubbles) => isRead(last(bubbles, "business")));
    expect(answer.text).toMatch(/working days|Sunday|deliver/i);
    const ours = await visitor.why("emma", answer.key);
    expect(ours.steps.map((step) => step.title)).toEqual([
      "Received",
      "Turn taken",
      "Agent's answer",
      "Gate, when it was written",
      "Posted to Meta",
      "Sent",
      "Delivered",
      "Read",
    ]);
    expect(ours.steps[2]).toMatchObject({
      word: "agent-answered",
      sentence: expect.stringContaining("The agent wrote an answer"),
    });
    expect(ours.steps[3]!.lines).toContainEqual({ label: "Promotions", value: "no opt-in on record" });
    const since = ours.steps.map((step) => step.sinceMs!);
    expect(since).toEqual([...since].sort((a, b) => a - b));
    const theirs = await visitor.why("emma", key);
    expect(theirs.steps.map((step) => step.title).slice(0, 4)).toEqual([
      "Received",
      "Words weighed",
      "Turn taken",
      "Agent's answer",
    ]);
  });

  it("a burst gets one answer", async () => {
    const person = await visitor.newcomer();
    await visitor.control(person, { do: "burst" });
    const bubbles = await visitor.see(person, (all) => isRead(last(all, "business")) && all);
    expect(bubbles.map((bubble) => bubble.from)).toEqual(["customer", "customer", "customer", "business"]);
  });

  it("STOP says in its record that a command was found, and by which rule", async () => {
    const person = await visitor.newcomer();
    const { key } = await visitor.say(person, "STOP");
    await visitor.see(person, (bubbles) => isRead(last(bubbles, "business")));
    const { steps } = await visitor.why(person, key);
    expect(steps.find((step) => step.title === "Command")).toMatchObject({
      word: "opt-out",
      lines: expect.arrayContaining([{ label: "Rule", value: "en:keyword:STOP" }]),
    });
    expect(steps.find((step) => step.title === "Words weighed")!.lines).toContainEqual(
      expect.objectContaining({ label: "opt out" }),
    );
  });

  it("a template without an opt-in is refused by the gate and shown with the reason; with one it arrives with its button, which can be tapped", async () => {
    const person = await visitor.newcomer();
    await visitor.say(person, "Hello");
    expect(await visitor.control(person, { do: "template", name: "answer_ready" })).toMatchObject({
      state: "blocked",
      reason: "no-opt-in",
    });
    const row = await visitor.see(person, (_, pulse) => pulse?.rows[0]);
    expect(row).toMatchObject({
      state: "blocked",
      word: "no-opt-in",
      text: expect.stringContaining("Our answer is ready"),
    });
    expect((await visitor.why(person, row.id)).steps[0]).toMatchObject({
      title: "Gate, when the shop asked",
      word: "block: no-opt-in",
    });
    await visitor.control(person, { do: "opt-in" });
    await visitor.control(person, { do: "template", name: "answer_ready" });
    const template = await visitor.see(person, (bubbles) => bubbles.find((bubble) => bubble.template));
    expect(template).toMatchObject({
      text: "You asked us about the delivery of your order on 12 November. Our answer is ready, tap below to read it.",
      buttons: [{ title: "Read the answer", kind: "reply" }],
    });
    await visitor.post("tap", { person, message: template.key, button: template.buttons[0]!.id });
    const tapped = await visitor.see(
      person,
      (bubbles) => last(bubbles, "customer")?.type === "button" && last(bubbles, "customer"),
    );
    expect(tapped).toMatchObject({ text: "Read the answer" });
  });

  it("a Meta error turned on is met by the next send only, and its ticks say so", async () => {
    const person = await visitor.newcomer();
    await visitor.control(person, { do: "meta", fault: "131049" });
    await visitor.say(person, "Hello");
    const failed = await visitor.see(person, (bubbles) => bubbles.find((bubble) => bubble.status === "failed"));
    expect(failed.errorCode).toBe(131049);
    const { steps } = await visitor.why(person, failed.key);
    expect(JSON.stringify(steps)).toContain("131049: held back by Meta");
    expect(await visitor.see(person, (_, pulse) => pulse?.fault)).toBe("off");
  });

  it("a token that Meta refuses holds the answer back; mended, it leaves", async () => {
    const person = await visitor.newcomer();
    await visitor.control(person, { do: "meta", fault: "190" });
    await visitor.say(person, "Hello");
    const row = await visitor.see(person, (_, pulse) => pulse?.rows.find((one) => one.word === "token-broken"));
    expect(row.sentence).toContain("access token");
    await visitor.control(person, { do: "meta", fault: "off" });
    await visitor.see(person, (bubbles) => isRead(last(bubbles, "business")));
  });

  it("a killed model leaves a fixed sentence, and the record says that the model failed", async () => {
    const person = await visitor.newcomer();
    await visitor.control(person, { do: "model", mode: "garbage" });
    await visitor.say(person, "Will it rain in Haifa tomorrow?");
    const answer = await visitor.see(person, (bubbles) => isRead(last(bubbles, "business")));
    await visitor.control(person, { do: "model", mode: "works" });
    expect(answer.text).toContain("I cannot answer this right now");
    expect((await visitor.why(person, answer.key)).steps.map((step) => step.word)).toContain("agent-failed");
  });

  it("a person takes over from the phone: the agent is silent, and the silence has a record of its own", async () => {
    const person = await visitor.newcomer();
    await visitor.say(person, "Hello");
    await visitor.see(person, (bubbles) => isRead(last(bubbles, "business")));
    await visitor.control(person, { do: "take-over", text: "Dana here" });
    await visitor.see(person, (bubbles, pulse) => last(bubbles, "staff")?.text === "Dana here" && pulse?.humanUntil);
    await visitor.say(person, "Thank you");
    await visitor.see(
      person,
      (bubbles) => isRead(last(bubbles, "business")) && bubbles.filter((one) => one.from === "business").length === 2,
    );
    const { key } = await visitor.say(person, "Still there?");
    await expect
      .poll(async () => (await visitor.why(person, key)).steps.map((step) => step.word), { timeout: 10_000 })
      .toContain("human-has-chat");
    // Given back: what waited is answered now, and the answer says who gives it.
    await visitor.control(person, { do: "hand-back" });
    await visitor.see(
      person,
      (bubbles, pulse) =>
        !pulse?.humanUntil &&
        bubbles.some((one) => one.from === "business" && one.text?.includes("is answering again")),
    );
  });

  it("a picture travels both ways: sent as bytes, shown from the simulator's shelf", async () => {
    const person = await visitor.newcomer();
    const data = Buffer.from("89504e470d0a1a0a", "hex");
    await visitor.post("say", { person, image: { data: data.toString("base64"), type: "image/png" } });
    const bubble = await visitor.see(person, (bubbles) => bubbles.find((one) => one.image));
    const shown = await fetch(`${world.url}/media/${bubble.image}`);
    expect(shown.headers.get("content-type")).toBe("image/png");
    expect(Buffer.from(await shown.arrayBuffer())).toEqual(data);
  });

  it("the clock past the window closes it: free text is held back", async () => {
    const person = await visitor.newcomer();
    await visitor.say(person, "Hello");
    const before = await visitor.see(person, (bubbles, pulse) => isRead(last(bubbles, "business")) && pulse);
    await visitor.control(person, { do: "clock", hours: 24.02 });
    const after = await visitor.see(person, (_, pulse) => pulse);
    expect(after.clock.offsetMs - before.clock.offsetMs).toBe(Math.round(24.02 * 3_600_000));
    expect(after.windowUntil! - 24.02 * 3_600_000).toBeLessThan(before.windowUntil!);
  });

  it.each([
    ["no text", "say", { person: "emma" }, 422],
    ["nobody of that name", "say", { person: "nobody", text: "Hello" }, 422],
    ["an unknown control", "control", { person: "emma", do: "explode" }, 422],
  ])("refuses %s in words that say what to do", async (_name, path, body, status) => {
    const response = await visitor.raw(path, body);
    expect(response.status).toBe(status);
    expect((await response.json()) as object).toHaveProperty("detail");
  });

  it("another site's page may not use it through somebody's browser", async () => {
    const response = await visitor.raw(
      "say",
      { person: "emma", text: "Hello" },
      { origin: "https://elsewhere.example" },
    );
    expect(response.status).toBe(403);
  });
});

describe("try it, in live mode", () => {
  const reached: { method: string; path: string }[] = [];
  let graph: Server;
  let world: Awaited<ReturnType<typeof startAt>>;
  let merchantId: string;

  beforeAll(async () => {
    // Stands where Meta would: it must never see a message.
    graph = createServer((request, response) => {
      reached.push({ method: request.method!, path: request.url! });
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ data: [TEMPLATE] }));
    });
    await new Promise<void>((resolve) => graph.listen(0, "127.0.0.1", resolve));
    world = await startAt({
      META_APP_SECRET: "live-app-secret",
      META_VERIFY_TOKEN: "live-verify",
      ESEK_MASTER_KEY: randomBytes(32).toString("base64"),
      GRAPH_API_URL: `http://127.0.0.1:${(graph.address() as AddressInfo).port}`,
      DEMO_ACCESS_TOKEN: "live-access-token",
    });
    const { store } = world.esek.runtime;
    merchantId = (await applyMerchant(store.sql, store.keyring, readMerchantFile("merchants/demo/merchant.yaml"))).id;
    await world.esek.runtime.syncTemplates();
  });
  afterAll(async () => {
    await world.stop();
    graph.close();
  });

  const key = async (...scopes: string[]) =>
    (await createApiKey(world.esek.runtime.store, merchantId as never, "tests", scopes, "live")).key;
  const status = async (path: string, authorization?: string) =>
    (await fetch(`${world.url}${path}`, { headers: authorization ? { authorization } : {} })).status;

  it("shows its shell to everybody, and nothing else without an operator's key", async () => {
    expect(await status("")).toBe(200);
    expect(await status("/app.js")).toBe(200);
    for (const path of ["/state", "/events?person=emma", "/why/x?person=emma", "/media/1"]) {
      expect(await status(path)).toBe(401);
      expect(await status(path, "Bearer esek_live_wrong")).toBe(401);
      expect(await status(path, `Bearer ${await key("messages:send")}`)).toBe(403);
    }
    expect((await new Visitor(world.url).raw("say", { person: "emma", text: "Hello" })).status).toBe(401);
  });

  it("chats on a sandbox with the shop's own file and templates, and nothing of it reaches the real Graph API", async () => {
    const visitor = new Visitor(world.url, await key("operator"));
    const state = await visitor.get<{ shops: { name: string }[]; templates: { name: string }[] }>("state");
    expect(state.shops.map((shop) => shop.name)).toEqual(["Demo Shop"]);
    expect(state.templates.map((template) => template.name)).toEqual(["live_only"]);
    await visitor.say("noa", "מתי אתם שולחים?");
    const answer = await visitor.see("noa", (bubbles) => isRead(last(bubbles, "business")));
    expect((await visitor.why("noa", answer.key)).steps.map((step) => step.word)).toContain("agent-answered");
    await visitor.control("noa", { do: "opt-in" });
    await visitor.control("noa", { do: "template", name: "live_only" });
    await visitor.see("noa", (bubbles) => bubbles.find((bubble) => bubble.template));
    expect(reached.filter(({ method }) => method !== "GET")).toEqual([]);
    const { store } = world.esek.runtime;
    expect(await store.sql`select 1 from mailbox where kind = 'conversation'`).toHaveLength(0);
  }, 60_000);
});

it("the sandbox goes to sleep when nobody uses it, tells who listens, and wakes up again", async () => {
  const world = await startAt();
  const dataDir = `${world.dataDir}/live`;
  const config = readConfig({ ESEK_DATA_DIR: dataDir, ESEK_LOG_LEVEL: "silent" });
  const sandbox = new Sandbox(config, world.esek.runtime.store, createLogger("silent"), 400);
  const first = await sandbox.world();
  const { asleep } = sandbox;
  await expect.poll(() => asleep.aborted, { timeout: 15_000 }).toBe(true);
  const second = await sandbox.world();
  expect(second).not.toBe(first);
  expect((await second.shops()).map((shop) => shop.name)).toEqual(["Demo Shop"]);
  await sandbox.stop();
  await world.stop();
}, 90_000);

it("says what to do where there is no embedded Postgres for the sandbox", async () => {
  const world = await startAt();
  const config = readConfig({ ESEK_DATA_DIR: `${world.dataDir}/live`, PG_BIN_DIR: world.dataDir });
  const sandbox = new Sandbox(config, world.esek.runtime.store, createLogger("silent"));
  const app = createTry(
    { mode: "live", authorise: async () => "welcome", world: () => sandbox.world(), asleep: () => sandbox.asleep },
    createLogger("silent"),
  );
  const response = await app.request("/state");
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({
    code: "embedded/binaries",
    detail: expect.stringContaining("PG_BIN_DIR"),
  });
  await world.stop();
}, 60_000);

const TEMPLATE = {
  id: "1",
  name: "live_only",
  language: "en",
  category: "UTILITY",
  status: "APPROVED",
  components: [{ type: "BODY", text: "Order {{1}} is on its way.", example: { body_text: [["A-1"]] } }],
};
