import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MerchantId } from "../src/domain/ids.ts";
import { PRE_CLEARED } from "../src/domain/verdict.ts";
import { decideOutbound } from "../src/policy/outbound-gate.ts";
import { listHandoffs, replyAsPerson, returnToAgent } from "../src/store/handoffs.ts";
import { clockFrom, HOUR, sqlOf, until, words } from "./scene.ts";
import { demoMerchant, startWorld, type TestWorld } from "./world.ts";

describe("a chat that a person has", () => {
  let world: TestWorld;
  let merchantId: MerchantId;
  let people = 0;
  beforeAll(async () => {
    const merchant = demoMerchant((config) => {
      config.burst = { windowMs: 0, capMs: 0 };
      config.humanIdleHours = 2;
    });
    world = await startWorld({ merchants: [merchant], now: clockFrom("2026-11-23T10:00:00Z").now });
    merchantId = world.merchantId as MerchantId;
    await world.control("model", { rules: [{ reply: "The agent answers." }] });
  });
  afterAll(() => world.stop());

  const someone = () => `9725710${String(++people).padStart(5, "0")}`;
  const list = () => listHandoffs(world.runtime.store, merchantId);
  const say = async (who: string, text: string) => {
    await world.say(who, text);
    await world.settle();
    await world.advance(2000);
  };
  const handedOver = async () => {
    const who = someone();
    await say(who, "I want to talk to a person");
    const chat = (await list()).find(({ customer }) => customer.includes(who));
    return { who, id: chat!.conversation };
  };
  let keys = 0;
  const reply = (conversationId: string, text: string) =>
    replyAsPerson(
      world.runtime.store,
      { merchantId, conversationId, text, verdict: PRE_CLEARED, key: `reply-${++keys}` },
      decideOutbound,
    );

  it("is listed with what waits, the longest first; answered, and not waiting any more", async () => {
    const first = await handedOver();
    await say(first.who, "My fern has brown leaves.");
    await say(first.who, "What can I do?");
    const second = await handedOver();
    await say(second.who, "Hello?");
    const listed = await list();
    expect(listed.map(({ conversation }) => conversation)).toEqual([first.id, second.id]);
    expect(listed[0]).toMatchObject({ waiting: 2, last: "What can I do?" });
    const before = (await words(world, first.who)).length;
    expect(await reply(first.id, "Please water it less.")).toMatchObject({ state: "queued" });
    await until(async () => (await words(world, first.who)).length === before + 1);
    expect((await words(world, first.who)).at(-1)).toBe("Please water it less.");
    expect((await list()).find(({ conversation }) => conversation === first.id)).toMatchObject({ waiting: 0 });
    for (const { id } of [first, second]) await returnToAgent(world.runtime.store, merchantId, id);
    await world.settle();
  });

  it("passes the same gate: what is prohibited does not leave, whoever wrote it", async () => {
    const { who, id } = await handedOver();
    const before = (await words(world, who)).length;
    const verdict = await world.runtime.ports.guard.check("I can sell you a gun and ammunition", "outbound");
    const refused = await replyAsPerson(
      world.runtime.store,
      { merchantId, conversationId: id, text: "I can sell you a gun and ammunition", verdict, key: "bad" },
      decideOutbound,
    );
    expect(refused).toMatchObject({ state: "blocked", reason: "content-flagged" });
    await world.settle();
    expect(await words(world, who)).toHaveLength(before);
    await returnToAgent(world.runtime.store, merchantId, id);
  });

  it("a person's answer supersedes a draft under way", async () => {
    const who = someone();
    await world.control("model", {
      rules: [{ when: "slow", delayMs: 1500, reply: "Too late." }, { reply: "The agent answers." }],
    });
    await world.say(who, "a slow question");
    await until(async () => {
      const { calls } = await world.control<{ calls: { messages: { text: string }[] }[] }>("model/calls");
      return calls.some(({ messages }) => messages.at(-1)!.text === "a slow question");
    });
    const [newest] = await sqlOf(world)(
      (tx) =>
        tx<{ id: string }[]>`select conversation_id as id from inbox where type = 'text' order by id desc limit 1`,
    );
    const { id } = newest!;
    await reply(id, "A person was faster.");
    await until(async () => (await words(world, who)).includes("A person was faster."));
    await world.settle();
    await new Promise((resolve) => setTimeout(resolve, 1800));
    await world.settle();
    expect(await words(world, who)).not.toContain(expect.stringContaining("Too late."));
    await world.control("model", { rules: [{ reply: "The agent answers." }] });
    await returnToAgent(world.runtime.store, merchantId, id);
    await world.settle();
  });

  it("is given back: what waited is answered now, announced; what a person answered is not asked again", async () => {
    const { who, id } = await handedOver();
    await say(who, "A question for the person.");
    await reply(id, "Answered by a person.");
    await world.settle();
    await world.advance(2000);
    await say(who, "And another one?");
    const before = (await words(world, who)).length;
    expect(await returnToAgent(world.runtime.store, merchantId, id)).toBe(1);
    await until(async () => (await words(world, who)).length === before + 2);
    await world.settle();
    const [announced, answered, ...more] = (await words(world, who)).slice(before);
    expect(announced).toContain("is answering again");
    expect(answered).toContain("The agent answers.");
    expect(more).toEqual([]);
    expect((await list()).some(({ conversation }) => conversation === id)).toBe(false);
  });

  it("whom nobody answers within the idle time: the agent does, by itself, and says so, once", async () => {
    const { who } = await handedOver();
    await say(who, "Is anybody there?");
    const before = (await words(world, who)).length;
    await world.advance(2 * HOUR + 60_000);
    await until(async () => (await words(world, who)).length === before + 2);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await world.settle();
    const after = (await words(world, who)).slice(before);
    expect(after).toHaveLength(2);
    expect(after[0]).toContain("is answering again");
  });

  it("that nobody has cannot be given back, and an unknown one not answered", async () => {
    const store = world.runtime.store;
    const nobody = "0198b2c4-5d6e-7f80-9a1b-2c3d4e5f6071";
    await expect(returnToAgent(store, merchantId, nobody)).rejects.toMatchObject({ code: "handoff/unknown" });
    await expect(reply(nobody, "Hello?")).rejects.toMatchObject({ code: "handoff/unknown" });
  });
});
