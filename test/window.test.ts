import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  businessApi,
  clockFrom,
  DAY,
  HOUR,
  notices,
  optIn,
  orderUpdate,
  posted,
  type Sent,
  sent,
  sqlOf,
  until,
  words,
  wordsOf,
} from "./scene.ts";
import { startWorld, type TestWorld } from "./world.ts";

const TUESDAY_NOON = "2026-11-24T10:00:00Z";
const SUNDAY_NOON = "2026-11-22T10:00:00Z";

/** The number stands still, so that an answer waits at the door; Meta's own pause says until when. */
async function pause(world: TestWorld): Promise<void> {
  const { now } = await world.control<{ now: number }>("clock");
  await sqlOf(world)((tx) => tx`update phone set paused_until = ${new Date(now + DAY)}, paused_reason = 'test'`);
}

async function resume(world: TestWorld, afterMs: number): Promise<void> {
  await sqlOf(world)((tx) => tx`update phone set paused_until = null, paused_reason = null`);
  await world.advance(afterMs);
  await world.settle();
}

/** An answer that its customer's window has just closed on: asked while the number is paused, weighed again a day later. */
async function missWindow(world: TestWorld, user: string, question: string): Promise<void> {
  await pause(world);
  await world.say(user, question);
  await world.settle();
  await resume(world, DAY);
}

type Held = { state: string; parts: number };

function heldAnswers(world: TestWorld): Promise<Held[]> {
  return sqlOf(world)(async (tx) => [
    ...(await tx<Held[]>`select h.state, (select count(*)::int from outbox o where o.held_id = h.id) as parts
        from held_answer h order by h.created_at`),
  ]);
}

describe("the customer service window, to the second", () => {
  // Time stands still but for what a test moves, so that both sides of the limit are tried exactly.
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld({ now: () => Date.parse(TUESDAY_NOON) });
  });
  afterAll(() => world.stop());
  afterEach(() => world.control("model", { rules: [] }));

  const blocked = async () => (await notices(world, "message-blocked")).map(({ detail }) => detail.reason);

  it.each([
    ["23 h 59 min", 24 * HOUR - 60_000, "972530000001", true],
    ["a second before the sender's margin of 30 s", 24 * HOUR - 31_000, "972530000002", true],
    ["inside the sender's margin of 30 s", 24 * HOUR - 30_000, "972530000003", false],
    ["24 h", 24 * HOUR, "972530000004", false],
    ["24 h and 1 s", 24 * HOUR + 1000, "972530000005", false],
  ])("an answer %s after the question", async (_when, laterMs, user, leaves) => {
    const before = (await blocked()).length;
    await pause(world);
    await world.say(user, "Do you have olive trees?");
    await world.settle();
    expect(await posted(world, user)).toEqual([]);
    await resume(world, laterMs);
    expect(await posted(world, user)).toHaveLength(leaves ? 1 : 0);
    if (leaves) expect((await words(world, user))[0]).toContain("olive trees");
    expect((await blocked()).slice(before)).toEqual(leaves ? [] : ["window-closed"]);
  });

  it.each([
    ["23 h 59 min", 24 * HOUR - 60_000, "972530000006", true],
    ["24 h", 24 * HOUR, "972530000007", false],
    ["24 h and 1 s", 24 * HOUR + 1000, "972530000008", false],
  ])("a model that needs %s", async (_when, laterMs, user, leaves) => {
    const before = (await blocked()).length;
    const calls = async () => (await world.control<{ count: number }>("model/calls")).count;
    const called = await calls();
    await world.control("model", { rules: [{ delayMs: 400, reply: "We have two." }] });
    await world.say(user, "Do you have olive trees?");
    await until(async () => (await calls()) > called);
    await world.advance(laterMs);
    await world.settle();
    expect(await posted(world, user)).toHaveLength(leaves ? 1 : 0);
    expect((await blocked()).slice(before)).toEqual(leaves ? [] : ["window-closed"]);
  });
});

describe("a webhook that comes late", () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(TUESDAY_NOON).now });
  });
  afterAll(() => world.stop());

  const secondsAgo = async (ms: number) =>
    Math.floor(((await world.control<{ now: number }>("clock")).now - ms) / 1000);

  it("of 25 h is read and answered by nothing free-form, and the merchant is told", async () => {
    const user = "972530000010";
    await world.say(user, "Where is my order?", { timestamp: await secondsAgo(25 * HOUR) });
    await world.settle();
    expect(await posted(world, user)).toEqual([]);
    expect((await notices(world, "message-blocked")).map(({ detail }) => detail.reason)).toContain("window-closed");
  });

  it("of 23 h is answered", async () => {
    const user = "972530000011";
    await world.say(user, "Where is my order?", { timestamp: await secondsAgo(23 * HOUR) });
    expect(await world.replies(user, 1)).toHaveLength(1);
  });

  it("of 25 h beside one of now does not close the window that the newer one opened", async () => {
    const user = "972530000012";
    await world.say(user, "And now?");
    await world.replies(user, 1);
    await world.say(user, "Where is my order?", { timestamp: await secondsAgo(25 * HOUR) });
    expect(await world.replies(user, 2)).toHaveLength(2);
  });

  it("of 25 h that says STOP stops, and is confirmed neither free-form nor by a template", async () => {
    const user = "972530000013";
    await optIn(world, user, "all");
    const api = await businessApi(world);
    await world.say(user, "STOP", { timestamp: await secondsAgo(25 * HOUR) });
    await world.settle();
    expect(await posted(world, user)).toEqual([]);
    expect((await api(orderUpdate(user))).status).toBeLessThan(500);
    const stops = await sqlOf(world)(
      (tx) => tx`select act, scope, source from consent_event where act = 'opt-out' and source = 'keyword'`,
    );
    expect(stops).toMatchObject([{ act: "opt-out", source: "keyword" }]);
  });

  it("stamped by a clock ahead of ours buys no time", async () => {
    const user = "972530000014";
    await pause(world);
    await world.say(user, "Do you have olive trees?", { timestamp: await secondsAgo(-6 * HOUR) });
    await world.settle();
    await resume(world, 24 * HOUR);
    expect(await posted(world, user)).toEqual([]);
  });
});

describe("a held answer", () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(SUNDAY_NOON).now });
  }, 20_000);
  afterEach(async () => {
    await world.control("model", { rules: [] });
  });
  afterAll(() => world.stop());

  const templatesOf = (entries: Sent[]) => entries.filter((entry) => entry.type === "template").map(wordsOf);
  const freeForm = (entries: Sent[]) => entries.filter((entry) => entry.type !== "template").map(wordsOf);

  it.each([
    ["en", "972530000020", "Do you have olive trees in the shop?", "Read the answer", "olive trees"],
    ["he", "972530000021", "האם יש לכם עצי זית בחנות?", "לקריאת התשובה", "עצי זית"],
    ["ar", "972530000022", "هل عندكم أشجار زيتون في المتجر؟", "قراءة الجواب", "أشجار زيتون"],
  ])(
    "is announced by a template in the customer's language (%s), and the tap brings it once",
    async (language, user, question, button, echo) => {
      await optIn(world, user, "utility");
      await missWindow(world, user, question);
      const template = await sent(world, user);
      expect(template.map(wordsOf)).toEqual([`[answer_ready ${language}]`]);
      const variables = JSON.stringify(template[0]!.body.template!.components);
      expect(variables).toContain(echo);
      expect(variables).not.toContain("tell you about products");
      await world.control("tap", { from: user, button });
      await world.settle();
      const all = await sent(world, user);
      expect(templatesOf(all)).toHaveLength(1);
      expect(freeForm(all)).toHaveLength(1);
      expect(freeForm(all)[0]).toContain(echo);
      expect(freeForm(all)[0]).not.toContain(button);
    },
  );

  it("of three parts is released in order", async () => {
    const user = "447700900024";
    await optIn(world, user, "utility");
    const paragraph = (name: string) => `Part ${name}. ${"All of this is about olive trees. ".repeat(100)}`;
    const reply = ["one", "two", "three"].map(paragraph).join("\n\n");
    await world.control("model", { rules: [{ reply }] });
    await missWindow(world, user, "Tell me everything about olive trees");
    expect((await words(world, user)).length).toBe(1);
    expect((await heldAnswers(world)).at(-1)).toEqual({ state: "held", parts: 3 });
    await world.control("tap", { from: user, button: "Read the answer" });
    await world.settle();
    const parts = freeForm(await sent(world, user));
    expect(parts.map((part) => /Part (\w+)\./.exec(part)?.[1])).toEqual(["one", "two", "three"]);
  });

  it("is not sent twice when Meta delivers the tap twice", async () => {
    const user = "447700900025";
    await optIn(world, user, "utility");
    await missWindow(world, user, "Do you have olive trees in the shop?");
    await world.control("faults", { webhooks: { messages: { duplicate: 1 } } });
    await world.control("tap", { from: user, button: "Read the answer" });
    await world.settle();
    await world.control("faults", { webhooks: { messages: null } });
    expect(freeForm(await sent(world, user))).toHaveLength(1);
  });

  it("tapped at twice in one burst comes once", async () => {
    const user = "447700900027";
    await optIn(world, user, "utility");
    await missWindow(world, user, "Do you have olive trees in the shop?");
    await Promise.all([1, 2].map(() => world.control("tap", { from: user, button: "Read the answer" })));
    await world.settle();
    expect(freeForm(await sent(world, user))).toHaveLength(1);
  });

  it("gives way to another message of the customer, and that turn knows of it", async () => {
    const user = "447700900028";
    await optIn(world, user, "utility");
    await missWindow(world, user, "Do you have olive trees in the shop?");
    expect(await words(world, user)).toEqual(["[answer_ready en]"]);
    const before = (await world.control<{ count: number }>("model/calls")).count;
    await world.say(user, "Never mind, do you have lemon trees?");
    await world.settle();
    const answers = freeForm(await sent(world, user));
    expect(answers).toHaveLength(1);
    expect(answers[0]).toContain("lemon");
    const { calls } = await world.control<{ calls: { messages: { role: string; text?: string }[] }[] }>(
      `model/calls?after=${before}`,
    );
    expect(JSON.stringify(calls.at(-1))).toContain("never delivered");
    expect((await heldAnswers(world)).at(-1)!.state).toBe("superseded");
  });

  it("is kept for the tap after a day as a question: a later tap is answered anew, never with silence", async () => {
    const user = "447700900029";
    await optIn(world, user, "utility");
    await missWindow(world, user, "Do you have olive trees in the shop?");
    await world.control("model", { rules: [{ when: "olive", reply: "Fresh answer about olive trees." }] });
    await world.advance(48 * HOUR);
    await world.control("tap", { from: user, button: "Read the answer" });
    await world.settle();
    expect(freeForm(await sent(world, user))).toEqual([expect.stringContaining("Fresh answer about olive trees.")]);
  });

  it("without an opt-in is not announced: nothing leaves, and a notice says why", async () => {
    const user = "447700900030";
    const before = (await notices(world, "message-blocked")).length;
    await missWindow(world, user, "Do you have olive trees in the shop?");
    expect(await posted(world, user)).toEqual([]);
    const told = (await notices(world, "message-blocked")).slice(before);
    expect(told.map(({ detail }) => [detail.reason, detail.detail])).toEqual([
      ["window-closed", "no fallback: no-opt-in"],
    ]);
  });

  it("of somebody who opted in to promotions only is not announced either", async () => {
    const user = "447700900031";
    await optIn(world, user, "marketing");
    await missWindow(world, user, "Do you have olive trees in the shop?");
    expect(await posted(world, user)).toEqual([]);
  });

  it("of somebody who said STOP ALL is not announced", async () => {
    const user = "447700900032";
    await optIn(world, user, "utility");
    await world.say(user, "STOP ALL");
    await world.replies(user, 1);
    await missWindow(world, user, "Do you have olive trees in the shop?");
    expect(templatesOf(await sent(world, user))).toEqual([]);
    expect(freeForm(await sent(world, user))).toHaveLength(1);
  });

  it("may be announced to whom the assistant asked in the window and who said yes", async () => {
    const user = "447700900033";
    await world.say(user, "I want to talk to a person");
    const [told] = await world.replies(user, 1);
    expect(told!.type).toBe("interactive");
    await world.control("tap", { from: user, button: "Yes, message me" });
    await world.settle();
    const optIns = await sqlOf(world)(
      (tx) => tx`select scope, source from consent_event where source = 'answer-later' and act = 'opt-in'`,
    );
    expect(optIns).toEqual([{ scope: "utility", source: "answer-later" }]);
    await world.advance(DAY); // the assistant is back
    await missWindow(world, user, "Do you have olive trees in the shop?");
    expect(templatesOf(await sent(world, user))).toEqual(["[answer_ready en]"]);
  });
});

describe("the template of a held answer", () => {
  it("keeps quiet hours, and is called off when the customer writes before it left", async () => {
    // Tuesday 22:00 in Jerusalem; the window closes on Wednesday at 22:00, in the quiet hours.
    const world = await startWorld({ now: clockFrom("2026-11-24T20:00:00Z").now });
    try {
      const [writes, waits] = ["972530000040", "972530000041"];
      for (const user of [writes, waits]) await optIn(world, user, "utility");
      await pause(world);
      for (const user of [writes, waits]) await world.say(user, "Do you have olive trees in the shop?");
      await world.settle();
      await resume(world, DAY);
      expect(await sent(world)).toEqual([]);
      const waiting = () =>
        sqlOf(world)(
          (tx) => tx`select state, state_reason as reason from outbox where template_name is not null order by id`,
        );
      expect(await waiting()).toEqual([
        { state: "deferred", reason: "quiet-hours" },
        { state: "deferred", reason: "quiet-hours" },
      ]);
      await world.say(writes, "Hello? Do you have lemon trees?");
      await world.replies(writes, 1);
      expect((await waiting()).map(({ state }) => state).sort()).toEqual(["canceled", "deferred"]);
      await world.advance(11 * HOUR);
      await world.settle();
      expect(await words(world, waits)).toEqual(["[answer_ready en]"]);
      expect((await words(world, writes)).filter((text) => text.startsWith("[answer_ready"))).toEqual([]);
    } finally {
      await world.stop();
    }
  });
});
