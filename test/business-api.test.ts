import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createApiKey } from "../src/store/api-keys.ts";
import {
  type Api,
  businessApi,
  clockFrom,
  DAY,
  HOUR,
  heard,
  known,
  offer,
  optIn,
  orderUpdate,
  outboxRow,
  post,
  posted,
  type Sent,
  sent,
  sqlOf,
  until,
  wordsOf,
} from "./scene.ts";
import { startWorld, type TestWorld, WABA_ID } from "./world.ts";

// A Monday noon in Jerusalem: quiet nowhere between Lisbon and Dubai.
const MONDAY_NOON = "2026-11-23T10:00:00Z";

type Problem = { status: number; code: string; detail?: string; errors?: { path: string; message: string }[] };

describe("who may call POST /api/v1/messages", () => {
  let world: TestWorld;
  let api: Api;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    api = await businessApi(world);
  });
  afterAll(() => world.stop());

  const keyOf = async (scopes: string[]) =>
    (await createApiKey(world.runtime.store, world.merchantId as never, "other", scopes, "demo")).key;

  it.each([
    ["no key", {}],
    ["a made-up key", { authorization: `Bearer esek_demo_${"0".repeat(32)}_${"A".repeat(43)}` }],
    ["another scheme", { authorization: "Basic dXNlcjpwYXNz" }],
  ])("%s is 401", async (_name, headers) => {
    const answer = await post<Problem>(world, orderUpdate("972520000001"), { ...headers, "idempotency-key": "k" });
    expect([answer.status, answer.body.code]).toEqual([401, "unauthorized"]);
  });

  it("a key whose secret is wrong by one letter is 401", async () => {
    const key = await keyOf(["messages:send"]);
    const wrong = `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`;
    const answer = await post<Problem>(world, orderUpdate("972520000001"), {
      authorization: `Bearer ${wrong}`,
      "idempotency-key": "k",
    });
    expect(answer.status).toBe(401);
  });

  it("a key without the scope is 403", async () => {
    const authorization = `Bearer ${await keyOf(["consent:read"])}`;
    const answer = await post<Problem>(world, orderUpdate("972520000001"), { authorization, "idempotency-key": "k" });
    expect([answer.status, answer.body.code]).toEqual([403, "scope"]);
  });

  it("a request without an Idempotency-Key is 400 and says which header to send", async () => {
    const authorization = `Bearer ${await keyOf(["messages:send"])}`;
    const answer = await post<Problem>(world, orderUpdate("972520000001"), { authorization });
    expect([answer.status, answer.body.code]).toEqual([400, "idempotency-key"]);
    expect(answer.body.detail).toContain("Idempotency-Key");
  });

  it.each([
    ["no JSON", "{secret-canary", ""],
    ["a number that is none", { to: "secret-canary", text: { body: "hello" } }, "to"],
    ["neither text nor template", { to: "+972520000002" }, ""],
    ["both text and template", { ...offer("972520000002"), text: { body: "secret-canary" } }, ""],
    ["nobody to send to", { text: { body: "secret-canary" } }, ""],
    ["an unknown member", { to: "+972520000002", text: { body: "hi" }, "secret-canary": 1 }, undefined],
    [
      "a variable of an unknown kind",
      { to: "+972520000002", template: { name: "weekly_offer", language: "en", body: [{ type: "secret-canary" }] } },
      "template.body.0.type",
    ],
  ])("%s is 400, and no submitted value comes back", async (name, body, path) => {
    const answer = await api<Problem>(body);
    expect([answer.status, answer.body.code]).toEqual([400, "body"]);
    if (path !== undefined) expect(answer.body.errors!.map((error) => error.path)).toContain(path);
    if (name !== "an unknown member") expect(JSON.stringify(answer.body)).not.toContain("secret-canary");
  });

  it("a body over 64 KiB is 413", async () => {
    const answer = await api<Problem>({ to: "+972520000002", text: { body: "x".repeat(70_000) } });
    expect([answer.status, answer.body.code]).toEqual([413, "body-too-large"]);
  });

  it("after all of these nothing was posted", async () => {
    await world.settle();
    expect(await sent(world)).toEqual([]);
  });
});

describe("the Idempotency-Key", () => {
  let world: TestWorld;
  let api: Api;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    api = await businessApi(world);
  });
  afterAll(() => world.stop());

  it("with the same body gives the same id, and one message leaves", async () => {
    await known(world, "972520000010");
    await optIn(world, "972520000010", "utility");
    const first = await api(orderUpdate("972520000010"), "order-1");
    expect(first).toMatchObject({ status: 202, body: { state: "queued", reason: "allowed" } });
    const again = await api(orderUpdate("972520000010"), "order-1");
    expect(again.body).toEqual(first.body);
    expect((await heard(world, "972520000010")).map((item) => item.type)).toEqual(["template"]);
    expect(await sent(world, "972520000010")).toHaveLength(1);
  });

  it("sent eight times at once still gives one id and one message", async () => {
    await known(world, "972520000011");
    await optIn(world, "972520000011", "utility");
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => api(orderUpdate("972520000011"), "order-at-once")),
    );
    expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1);
    await heard(world, "972520000011");
    expect(await sent(world, "972520000011")).toHaveLength(1);
  });

  it("with another body is 422 and sends nothing", async () => {
    await known(world, "972520000012");
    await optIn(world, "972520000012", "utility");
    await api(orderUpdate("972520000012"), "order-2");
    const other = await api<Problem>(orderUpdate("972520000012", "A-9999"), "order-2");
    expect([other.status, other.body.code]).toEqual([422, "api/idempotency"]);
    expect(JSON.stringify(other.body)).not.toContain("A-9999");
    await heard(world, "972520000012");
    expect(await sent(world, "972520000012")).toHaveLength(1);
  });

  it("remembers a refusal too", async () => {
    await known(world, "972520000013");
    const first = await api(offer("972520000013"), "refused");
    expect(first.body).toMatchObject({ state: "blocked", reason: "no-opt-in" });
    await optIn(world, "972520000013");
    expect((await api(offer("972520000013"), "refused")).body).toEqual(first.body);
    expect((await api(offer("972520000013"), "refused-anew")).body.state).toBe("queued");
  });
});

describe("what the gate refuses by name, before any POST", () => {
  let world: TestWorld;
  let api: Api;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    api = await businessApi(world);
  });
  afterAll(() => world.stop());

  const template = (to: string, name: string, language: string, ...texts: string[]) => ({
    to: `+${to}`,
    template: { name, language, body: texts.map((text) => ({ type: "text", text })) },
  });

  const cases: [string, (to: string) => unknown, string, string | undefined][] = [
    [
      "too few variables",
      (to) => template(to, "order_update", "en", "A-1"),
      "template-variables-missing",
      "order_update",
    ],
    [
      "an empty variable",
      (to) => template(to, "order_update", "en", "A-1", " "),
      "template-variables-missing",
      "order_update",
    ],
    [
      "too many variables",
      (to) => template(to, "order_update", "en", "1", "2", "3"),
      "template-variables-missing",
      "order_update",
    ],
    [
      "a line break in a variable",
      (to) => template(to, "order_update", "en", "A\n1", "sent"),
      "template-variables-missing",
      "order_update",
    ],
    [
      "a language it does not have",
      (to) => template(to, "order_update", "fr", "A-1", "x"),
      "template-language-missing",
      "en, he",
    ],
    ["a template that does not exist", (to) => template(to, "no_such", "en"), "template-unknown", "no_such"],
    ["free text outside the window", (to) => ({ to: `+${to}`, text: { body: "Hello" } }), "window-closed", undefined],
  ];

  it.each(cases)("%s", async (name, body, reason, detail) => {
    const to = `97252000002${cases.findIndex(([known]) => known === name)}`;
    await known(world, to);
    await optIn(world, to, "all");
    const answer = await api(body(to));
    expect(answer).toMatchObject({ status: 422, body: { state: "blocked", reason } });
    if (detail) expect(answer.body.detail).toContain(detail);
    await world.settle();
    expect(await posted(world, to)).toEqual([]);
  });

  it("a paused template, from the moment Meta's webhook says so until it is approved again", async () => {
    const to = "972520000030";
    await known(world, to);
    await optIn(world, to, "utility");
    const change = { wabaId: WABA_ID, name: "order_update", language: "en" };
    await world.control("templates", { ...change, status: "PAUSED" });
    await world.settle();
    const answer = await api(orderUpdate(to));
    expect(answer).toMatchObject({ status: 422, body: { state: "blocked", reason: "template-not-approved" } });
    expect(answer.body.detail).toContain("PAUSED");
    expect(await posted(world, to)).toEqual([]);
    await world.control("templates", { ...change, status: "APPROVED" });
    await world.settle();
    expect((await api(orderUpdate(to))).body.state).toBe("queued");
    await world.settle();
    expect(await sent(world, to)).toHaveLength(1);
  });

  it("a template that Meta moved to MARKETING needs a marketing opt-in, whatever the caller thinks of it", async () => {
    const to = "972520000031";
    await known(world, to);
    await optIn(world, to, "utility");
    const change = { wabaId: WABA_ID, name: "order_update", language: "he" };
    await world.control("templates", { ...change, category: "MARKETING" });
    await world.settle();
    const answer = await api(template(to, "order_update", "he", "A-1", "נשלחה"));
    expect(answer.body).toMatchObject({ state: "blocked", reason: "no-opt-in" });
    expect(await posted(world, to)).toEqual([]);
  });

  it.each([
    ["New York", "12125550101"],
    ["Puerto Rico", "17875550101"],
    ["toll-free", "18005550101"],
  ])("marketing to a US number (%s), opted in or not", async (_where, to) => {
    await known(world, to);
    await optIn(world, to, "all");
    expect((await api(offer(to))).body).toMatchObject({ state: "blocked", reason: "us-marketing" });
    await world.settle();
    expect(await posted(world, to)).toEqual([]);
  });

  it("marketing to a business-scoped id of the US", async () => {
    const bsuid = "US.12345678901234567890";
    await world.control("customers", { bsuid });
    await optIn(world, { bsuid }, "all");
    const { to: _to, ...rest } = offer("0");
    const answer = await api({ ...rest, recipient: bsuid });
    expect(answer.body).toMatchObject({ state: "blocked", reason: "us-marketing" });
  });

  it("Toronto is not the US", async () => {
    await known(world, "14165550101");
    await optIn(world, "14165550101");
    expect((await api(offer("14165550101"))).body).toMatchObject({ state: "deferred", reason: "quiet-hours" });
  });

  it("prohibited words in a template variable", async () => {
    const to = "972520000032";
    await known(world, to);
    await optIn(world, to);
    const answer = await api(offer(to, "buy cocaine here, cheap price"));
    expect(answer.body).toMatchObject({ state: "blocked", reason: "content-flagged" });
    expect(await posted(world, to)).toEqual([]);
  });

  it("a `from` that is not the merchant's", async () => {
    const answer = await api<Problem>({ ...orderUpdate("972520000033"), from: "999999999999" });
    expect([answer.status, answer.body.code]).toEqual([422, "api/from"]);
  });
});

describe("what must wait", () => {
  let world: TestWorld;
  let api: Api;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    api = await businessApi(world);
  });
  afterAll(() => world.stop());

  const templates = (entries: Sent[]) => entries.map(wordsOf);

  it("marketing to a number whose zone nobody can tell", async () => {
    await known(world, "80012345678");
    await optIn(world, "80012345678", "all");
    const answer = await api(offer("80012345678"));
    expect(answer).toMatchObject({ status: 202, body: { state: "deferred", reason: "zone-unknown" } });
    expect((await api(orderUpdate("80012345678"))).body.state).toBe("queued");
    await world.settle();
    expect(templates(await sent(world, "80012345678"))).toEqual(["[order_update en]"]);
  });

  it("marketing in a country with several zones, until all of them are open", async () => {
    // Sydney has evening, Perth has afternoon: 10:00 UTC is 21:00 and 18:00.
    await known(world, "61400000001");
    await optIn(world, "61400000001");
    const answer = await api(offer("61400000001"));
    expect(answer.body).toMatchObject({ state: "deferred", reason: "quiet-hours" });
    const opening = new Date(answer.body.until!);
    const timeIn = (timeZone: string) =>
      new Intl.DateTimeFormat("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" }).format(opening);
    for (const zone of ["Australia/Sydney", "Australia/Perth", "Australia/Adelaide"]) {
      expect(timeIn(zone) >= "08:00", `${zone} ${timeIn(zone)}`).toBe(true);
      expect(timeIn(zone) < "21:00", `${zone} ${timeIn(zone)}`).toBe(true);
    }
  });

  it("a second promotion in a day, a fourth in a week", async () => {
    const to = "972520000040";
    await known(world, to);
    await optIn(world, to);
    const send = async (text: string) => (await api(offer(to, text))).body;
    expect((await send("one")).state).toBe("queued");
    await world.settle();
    const second = await send("two");
    expect(second).toMatchObject({ state: "deferred", reason: "frequency-cap" });
    await world.settle();
    expect(await sent(world, to)).toHaveLength(1);
    await world.advance(DAY + 1000);
    await until(async () => (await sent(world, to)).length === 2);
    await world.advance(DAY + 1000);
    expect((await send("three")).state).toBe("queued");
    await world.settle();
    await world.advance(DAY + 1000);
    const fourth = await send("four");
    expect(fourth).toMatchObject({ state: "deferred", reason: "frequency-cap" });
    await world.advance(DAY);
    await world.settle();
    expect(await sent(world, to)).toHaveLength(3);
    await world.advance(3 * DAY);
    await until(async () => (await sent(world, to)).length === 4);
    await world.settle();
    expect(await outboxRow(world, fourth.id)).toMatchObject({ state: "accepted" });
  });

  it("a sixth promotion after five that nobody read or answered, until the person writes", async () => {
    const to = "972520000045";
    await known(world, to);
    await optIn(world, to);
    await world.control("settings", { receipts: ["sent", "delivered"] });
    const send = async (text: string) => (await api(offer(to, text))).body;
    for (let week = 1; week <= 5; week++) {
      expect(await send(`week ${week}`)).toMatchObject({ state: "queued" });
      await until(async () => (await sent(world, to)).length === week);
      await world.settle();
      await world.advance(7 * DAY + 60_000);
    }
    expect(await send("week 6")).toMatchObject({ state: "blocked", reason: "unread-sunset" });
    await world.say(to, "I am still here");
    await world.settle();
    expect(await send("week 7")).toMatchObject({ state: "queued" });
    await world.settle();
  });

  it("two promotions at once: one leaves, one waits for the cap", async () => {
    const to = "972520000041";
    await known(world, to);
    await optIn(world, to);
    await Promise.all([api(offer(to, "a")), api(offer(to, "b")), api(offer(to, "c"))]);
    await world.settle();
    expect(await sent(world, to)).toHaveLength(1);
  });

  it("a message that expires while it waits never leaves", async () => {
    const to = "972520000042";
    await known(world, to);
    await optIn(world, to);
    await api(offer(to, "first"));
    await world.settle();
    const now = (await world.control<{ now: number }>("clock")).now;
    const late = await api({ ...offer(to, "late"), expires_at: new Date(now + 2 * HOUR).toISOString() });
    expect(late.body.state).toBe("deferred");
    await world.advance(DAY + 1000);
    await world.settle();
    expect(await sent(world, to)).toHaveLength(1);
    expect(await outboxRow(world, late.body.id)).toMatchObject({ state: "expired" });
  });
});

describe("quiet hours", () => {
  it("defer marketing until the recipient's morning, and a utility message not at all", async () => {
    // Monday 20:30 in Jerusalem; marketing may leave from 08:00 to 20:00.
    const world = await startWorld({ now: clockFrom("2026-11-23T18:30:00Z").now });
    try {
      const api = await businessApi(world);
      const to = "972520000050";
      await known(world, to);
      await optIn(world, to, "all");
      expect((await api(orderUpdate(to))).body.state).toBe("queued");
      const answer = await api(offer(to));
      expect(answer).toMatchObject({
        status: 202,
        body: { state: "deferred", reason: "quiet-hours", until: "2026-11-24T06:00:00.000Z" },
      });
      await world.advance(11 * HOUR); // 07:30
      await world.settle();
      expect((await sent(world, to)).map(wordsOf)).toEqual(["[order_update en]"]);
      await world.advance(31 * 60_000); // 08:01
      await until(async () => (await sent(world, to)).length === 2);
      expect((await sent(world, to)).map(wordsOf)).toEqual(["[order_update en]", "[weekly_offer en]"]);
      await world.settle();
      expect(await outboxRow(world, answer.body.id)).toEqual({ state: "accepted", reason: "accepted" });
    } finally {
      await world.stop();
    }
  });

  it("on a Friday afternoon in Israel until Sunday morning", async () => {
    const world = await startWorld({ now: clockFrom("2026-11-27T12:30:00Z").now });
    try {
      const api = await businessApi(world);
      await known(world, "972520000051", "447700900051");
      await optIn(world, "972520000051");
      await optIn(world, "447700900051");
      expect((await api(offer("972520000051"))).body).toMatchObject({
        state: "deferred",
        until: "2026-11-29T06:00:00.000Z",
      });
      expect((await api(offer("447700900051"))).body.state).toBe("queued");
    } finally {
      await world.stop();
    }
  });
});

describe("the portfolio's messaging limit", () => {
  it("lets as many people outside the window through as Meta allows, and the rest when a place is free", async () => {
    const world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    try {
      const api = await businessApi(world);
      await world.control("event", {
        wabaId: WABA_ID,
        field: "business_capability_update",
        value: { max_daily_conversations_per_business: 2 },
      });
      await world.settle();
      expect(await sqlOf(world)((tx) => tx`select messaging_limit::int as max from waba`)).toEqual([{ max: 2 }]);
      const people = ["972520000060", "972520000061", "972520000062", "972520000063"];
      await known(world, ...people);
      for (const to of people) await optIn(world, to, "utility");
      expect((await api(orderUpdate(people[0]!))).body.state).toBe("queued");
      await world.settle();
      await world.advance(HOUR);
      expect((await api(orderUpdate(people[1]!))).body.state).toBe("queued");
      await world.settle();
      const third = await api(orderUpdate(people[2]!));
      expect(third.body).toMatchObject({ state: "deferred", reason: "messaging-limit" });
      // Somebody who is counted already costs nothing; neither does somebody whose window is open.
      expect((await api(orderUpdate(people[0]!, "A-2"))).body.state).toBe("queued");
      await world.say(people[3]!, "When do you open?");
      await world.replies(people[3]!, 1);
      expect((await api(orderUpdate(people[3]!))).body.state).toBe("queued");
      await world.settle();
      expect(await sent(world, people[2]!)).toEqual([]);
      await world.advance(DAY + HOUR);
      await until(async () => (await sent(world, people[2]!)).length === 1);
      await world.settle();
    } finally {
      await world.stop();
    }
  });

  it("is not overrun by ten people at once", async () => {
    const world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    try {
      const api = await businessApi(world);
      await sqlOf(world)((tx) => tx`update waba set messaging_limit = 3`);
      const people = Array.from({ length: 10 }, (_, index) => `9725200001${index}0`);
      await known(world, ...people);
      for (const to of people) await optIn(world, to, "utility");
      await Promise.all(people.map((to) => api(orderUpdate(to))));
      await world.settle();
      expect(await sent(world)).toHaveLength(3);
    } finally {
      await world.stop();
    }
  });
});
