import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type Simulator, startSimulator } from "../src/simulator/server.ts";
import { asMerchant } from "./crash.ts";
import { clockFrom, DAY, type Sent, sent, sqlOf, until, words, wordsOf } from "./scene.ts";
import {
  apply,
  demoMerchant,
  PHONE_ID,
  SECRETS,
  scratchDatabase,
  startWorld,
  type TestWorld,
  WABA_ID,
} from "./world.ts";

const MONDAY_NOON = "2026-11-23T10:00:00Z";

type Wire = { from: string; id: string; seconds: number; text: string };

/** A webhook as Meta writes it, one entry a WABA, for what the simulator would never deliver by itself. */
function webhook(...entries: { waba: string; phone: string; display: string; messages: Wire[] }[]) {
  return {
    object: "whatsapp_business_account",
    entry: entries.map(({ waba, phone, display, messages }) => ({
      id: waba,
      changes: [
        {
          field: "messages",
          value: {
            messaging_product: "whatsapp",
            metadata: { display_phone_number: display, phone_number_id: phone },
            contacts: [...new Set(messages.map(({ from }) => from))].map((from) => ({ wa_id: from, profile: {} })),
            messages: messages.map(({ from, id, seconds, text }) => ({
              from,
              id,
              timestamp: String(seconds),
              type: "text",
              text: { body: text },
            })),
          },
        },
      ],
    })),
  };
}

/** What the model was last asked, and what it was told had been said before. */
async function asked(world: TestWorld): Promise<string[]> {
  const { calls } = await world.control<{ calls: { messages: { role: string; text: string }[] }[] }>("model/calls");
  return calls.map(({ messages }) => messages.at(-1)!.text);
}

/** The person wrote, so that the window is open at Meta; of this message Meta tells nobody. */
async function meet(world: TestWorld, from: string, phoneId = PHONE_ID): Promise<void> {
  await world.control("webhook-url", { url: null });
  await world.control("inbound", { from, phoneId, message: { type: "text", text: { body: "untold" } } });
  await world.control("webhook-url", { url: `http://127.0.0.1:${world.runtime.port}/webhooks/whatsapp` });
}

const nowSeconds = async (world: TestWorld) => Math.floor((await world.control<{ now: number }>("clock")).now / 1000);

describe("messages that Meta delivers out of order", () => {
  let world: TestWorld;
  beforeAll(async () => {
    // A burst window that is sure to hold what one test sends at once.
    world = await startWorld({
      now: clockFrom(MONDAY_NOON).now,
      merchants: [
        demoMerchant((config) => {
          config.burst = { windowMs: 250, capMs: 1500 };
        }),
      ],
    });
  });
  afterAll(() => world.stop());
  afterEach(async () => {
    await world.control("model", { rules: [] });
  });

  const ours = (messages: Wire[]) => webhook({ waba: WABA_ID, phone: PHONE_ID, display: "15550783881", messages });
  const post = (messages: Wire[]) => world.control("webhook", { body: ours(messages) });

  it("in reverse get one answer, to the words in the order in which they were written", async () => {
    const from = "972550000001";
    await meet(world, from);
    const start = await nowSeconds(world);
    const texts = ["I ordered a ficus", "last Tuesday", "where is it?"];
    for (const index of [2, 1, 0])
      await post([{ from, id: `wamid.reverse${index}`, seconds: start - 10 + index, text: texts[index]! }]);
    expect(await world.replies(from, 1)).toHaveLength(1);
    expect((await asked(world)).at(-1)).toBe(texts.join("\n"));
  });

  it("in reverse within one POST too", async () => {
    const from = "972550000002";
    await meet(world, from);
    const start = await nowSeconds(world);
    const texts = ["one", "two", "three", "four"];
    await post(
      [3, 1, 2, 0].map((index) => ({
        from,
        id: `wamid.within${index}`,
        seconds: start - 10 + index,
        text: texts[index]!,
      })),
    );
    expect(await world.replies(from, 1)).toHaveLength(1);
    expect((await asked(world)).at(-1)).toBe(texts.join("\n"));
  });

  it("held back by the network are read in the order of their own timestamps", async () => {
    const from = "972550000003";
    await world.control("faults", { webhooks: { messages: { reorder: 0.5, reorderMs: 100 } } });
    const start = await nowSeconds(world);
    const texts = ["first", "second", "third", "fourth", "fifth"];
    for (const [index, text] of texts.entries()) await world.say(from, text, { timestamp: start - 10 + index });
    await world.settle();
    await world.control("faults", { webhooks: { messages: null } });
    const answers = await words(world, from);
    expect(answers).toHaveLength(1);
    expect((await asked(world)).at(-1)).toBe(texts.join("\n"));
  });

  it("at one instant get one answer, in the order of arrival", async () => {
    const from = "972550000004";
    await meet(world, from);
    const seconds = await nowSeconds(world);
    const texts = ["alpha", "beta", "gamma"];
    await post(texts.map((text, index) => ({ from, id: `wamid.instant${index}`, seconds, text })));
    expect(await world.replies(from, 1)).toHaveLength(1);
    expect((await asked(world)).at(-1)).toBe(texts.join("\n"));
  });

  it("a STOP that was written after a START wins, whichever comes first", async () => {
    const from = "972550000005";
    await meet(world, from);
    const start = await nowSeconds(world);
    await world.say(from, "STOP", { timestamp: start - 60 });
    await world.replies(from, 1);
    await post([{ from, id: "wamid.stop2", seconds: start - 10, text: "STOP" }]);
    await post([{ from, id: "wamid.start1", seconds: start - 20, text: "START" }]);
    await world.settle();
    const last = await sqlOf(world)(
      (tx) => tx`select act from consent_event order by event_at desc, (act = 'opt-out') desc limit 1`,
    );
    expect(last).toEqual([{ act: "opt-out" }]);
  });

  it("a late message after the answer gets an answer of its own, and no answer is repeated", async () => {
    const from = "972550000006";
    await meet(world, from);
    const start = await nowSeconds(world);
    await post([{ from, id: "wamid.late2", seconds: start, text: "where is it?" }]);
    await world.replies(from, 1);
    await post([{ from, id: "wamid.late1", seconds: start - 5, text: "I ordered a ficus" }]);
    const all = await world.replies(from, 2);
    expect(all.map((item) => /where is it|ficus/.exec(item.text!)?.[0])).toEqual(["where is it", "ficus"]);
  });
});

describe("a copy of a message", () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
  });
  afterAll(() => world.stop());

  const question = "When do you deliver?";
  const isAnsweredOnce = async (user: string) => {
    await world.settle();
    expect((await words(world, user)).length).toBe(1);
    expect((await words(world, user))[0]).toContain(question);
  };

  it("that comes at once is answered once", async () => {
    const user = "972550000010";
    await world.control("faults", { webhooks: { messages: { duplicate: 1 } } });
    await world.say(user, question);
    await world.replies(user, 1);
    await world.control("faults", { webhooks: { messages: null } });
    await isAnsweredOnce(user);
  });

  it("ten times in one POST and ten times beside it is answered once", async () => {
    const user = "972550000011";
    await meet(world, user);
    const copy = { from: user, id: "wamid.ten", seconds: await nowSeconds(world), text: question };
    const body = webhook({
      waba: WABA_ID,
      phone: PHONE_ID,
      display: "15550783881",
      messages: Array.from({ length: 10 }, () => copy),
    });
    await Promise.all(Array.from({ length: 10 }, () => world.control("webhook", { body })));
    await world.replies(user, 1);
    await isAnsweredOnce(user);
  });

  it("that comes after the reply is not answered again", async () => {
    const user = "972550000012";
    const wamid = await world.say(user, question);
    await world.replies(user, 1);
    await world.say(user, question, { wamid });
    await isAnsweredOnce(user);
  });

  it("that comes while the model thinks is answered once", async () => {
    const user = "972550000013";
    await world.control("model", { rules: [{ delayMs: 300, times: 1 }] });
    const calls = (await asked(world)).length;
    const wamid = await world.say(user, question);
    await until(async () => (await asked(world)).length > calls);
    await world.say(user, question, { wamid });
    await world.replies(user, 1);
    await isAnsweredOnce(user);
    await world.control("model", { rules: [] });
  });

  it("that comes 8 days later is not answered again", async () => {
    const user = "972550000014";
    const written = await nowSeconds(world);
    const wamid = await world.say(user, question);
    await world.replies(user, 1);
    await world.advance(8 * DAY);
    await sqlOf(world)((tx) => tx`update event_key set seen_at = seen_at - interval '8 days'`);
    await world.say(user, question, { wamid, timestamp: written });
    await isAnsweredOnce(user);
  });

  it("that comes after its key is forgotten (31 days) is kept and acts on nothing but a stop", async () => {
    const [asks, stops] = ["972550000015", "972550000016"];
    const written = await nowSeconds(world);
    const first = await world.say(asks, question);
    await world.replies(asks, 1);
    await world.advance(31 * DAY);
    await sqlOf(world)((tx) => tx`delete from event_key`);
    await world.say(asks, question, { wamid: first, timestamp: written });
    await world.say(stops, "STOP", { timestamp: written });
    await isAnsweredOnce(asks);
    expect(await words(world, stops)).toEqual([]);
    const lines = await sqlOf(world)((tx) => tx`select act, source from consent_event`);
    expect(lines).toEqual([{ act: "opt-out", source: "keyword" }]);
  });
});

describe("one POST with four people of two merchants in two entries", () => {
  const SECOND = { waba: "202290129340398", phone: "206540352242922", display: "442079460000" };
  let world: TestWorld;
  let second: string;
  let simulator: Simulator;
  beforeAll(async () => {
    const scratch = await scratchDatabase();
    const other = demoMerchant((config) => {
      config.slug = "second";
      config.name = "Second Shop";
      config.names = { en: "Second Shop" };
      config.portfolio = "600000000000002";
      config.wabas = [
        { id: SECOND.waba, numbers: [{ id: SECOND.phone, display: "+44 20 7946 0000", coexistence: false }] },
      ];
    });
    second = await apply(scratch, other);
    simulator = await startSimulator({ ...SECRETS, seed: 7, now: clockFrom(MONDAY_NOON).now });
    simulator.world.putWaba(SECOND.waba, "Second Shop", "600000000000002");
    simulator.world.putPhone(SECOND.waba, { id: SECOND.phone, displayNumber: "+44 20 7946 0000" });
    world = await startWorld({ scratch, simulator, merchants: [demoMerchant()] });
  });
  afterAll(async () => {
    await world.stop();
    await simulator.stop();
    await world.scratch.drop();
  });

  it("gives each of them one answer, from the shop they wrote to", async () => {
    const seconds = await nowSeconds(world);
    const first = ["972550000020", "972550000021"];
    const others = ["447700900020", "447700900021"];
    for (const from of first) await meet(world, from);
    for (const from of others) await meet(world, from, SECOND.phone);
    const say = (from: string, index: number): Wire => ({
      from,
      id: `wamid.four${index}`,
      seconds,
      text: `Question ${index} of ${from}?`,
    });
    await world.control("webhook", {
      body: webhook(
        { waba: WABA_ID, phone: PHONE_ID, display: "15550783881", messages: first.map(say) },
        { ...SECOND, messages: others.map((from, index) => say(from, index + 2)) },
      ),
    });
    await until(async () => (await sent(world)).length === 4);
    await world.settle();
    const all: Sent[] = await sent(world);
    expect(all).toHaveLength(4);
    for (const [index, from] of [...first, ...others].entries()) {
      const own = all.filter((entry) => entry.to?.replace("+", "") === from);
      expect(own).toHaveLength(1);
      expect(own[0]!.phoneId).toBe(index < 2 ? PHONE_ID : SECOND.phone);
      expect(wordsOf(own[0]!)).toContain(`Question ${index} of ${from}?`);
      expect(wordsOf(own[0]!)).toContain(index < 2 ? "Demo Shop" : "Second Shop");
    }
  });

  it("keeps what belongs to each where only that merchant can read it", async () => {
    const counts = async (merchantId: string) =>
      asMerchant(
        world.scratch,
        merchantId,
        (
          tx,
        ) => tx`select (select count(*)::int from inbox where kind = 'message') as messages, (select count(*)::int from outbox) as answers,
          (select count(distinct merchant_id)::int from inbox) as merchants`,
      );
    expect(await counts(world.merchantId)).toEqual([{ messages: 2, answers: 2, merchants: 1 }]);
    expect(await counts(second)).toEqual([{ messages: 2, answers: 2, merchants: 1 }]);
  });

  it("a STOP to one shop leaves the other's ledger alone, though the person is the same", async () => {
    const user = "447700900022";
    await world.say(user, "STOP");
    await world.replies(user, 1);
    await world.say(user, "Hello, do you have cacti?", { phoneId: SECOND.phone });
    await until(async () => (await sent(world, user)).length === 2);
    await world.settle();
    const stops = (merchantId: string) =>
      asMerchant(world.scratch, merchantId, (tx) => tx`select act from consent_event`);
    expect(await stops(world.merchantId)).toEqual([{ act: "opt-out" }]);
    expect(await stops(second)).toEqual([]);
  });
});

describe("a slow model, while the customer goes on writing", () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
  });
  afterAll(() => world.stop());
  afterEach(async () => {
    await world.control("model", { rules: [] });
  });

  const callsWith = async (text: string) => (await asked(world)).filter((question) => question.includes(text)).length;

  it("answers once, and to everything that was said", async () => {
    const user = "972550000030";
    await world.control("model", { rules: [{ delayMs: 500 }] });
    await world.say(user, "slow one?");
    await until(async () => (await callsWith("slow one?")) === 1);
    await world.say(user, "slow two?");
    await world.replies(user, 1, 15_000);
    const answers = await words(world, user);
    expect(answers).toHaveLength(1);
    expect(answers[0]).toMatch(/slow one\? slow two\?/);
  });

  it("is overtaken twice at most: then the customer gets an answer, and what came later gets the next", async () => {
    const user = "972550000031";
    await world.control("model", { rules: [{ delayMs: 700 }] });
    const start = await nowSeconds(world);
    const texts = ["go one?", "go two?", "go three?", "go four?"];
    for (const [index, text] of texts.entries()) {
      await world.say(user, text, { timestamp: start - 10 + index });
      await until(async () => (await callsWith(text)) >= 1);
    }
    await world.settle();
    const answers = await words(world, user);
    // Every message is in one answer, in the order in which it was written.
    const named = answers.flatMap((answer) => [...answer.matchAll(/go \w+\?/g)].map(([text]) => text));
    expect(named).toEqual(texts);
    expect(answers).toHaveLength(2);
  });

  it("is called off by a STOP that comes meanwhile: the confirmation first, then the answer, without a second stop", async () => {
    const user = "972550000032";
    await world.control("model", { rules: [{ delayMs: 600 }] });
    await world.say(user, "where is my order?");
    await until(async () => (await callsWith("where is my order?")) === 1);
    await world.say(user, "STOP");
    await world.replies(user, 2, 15_000);
    const answers = await words(world, user);
    expect(answers).toHaveLength(2);
    expect(answers[0]).toContain("STOP ALL");
    expect(answers[1]).toContain("where is my order?");
  });

  it("of one customer keeps nobody else waiting", async () => {
    const [slow, quick] = ["972550000033", "972550000034"];
    await world.control("model", { rules: [{ when: "patience", delayMs: 1500 }] });
    await world.say(slow, "patience?");
    await world.say(quick, "quick one?");
    await until(async () => (await words(world, quick)).length === 1);
    expect(await words(world, slow)).toEqual([]);
    await world.replies(slow, 1);
    await world.settle();
  });
});
