import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startWorld, type TestWorld } from "../test/world.ts";

describe("one message, end to end", () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(() => world.stop());

  const texts = async (user: string, count: number) =>
    (await world.replies(user, count)).map((item) => item.text ?? "");

  it("a question gets one answer, and the first one says that it comes from an assistant", async () => {
    await world.say("972500000001", "When do you deliver?");
    const [first, ...more] = await texts("972500000001", 1);
    expect(more).toEqual([]);
    expect(first).toContain("automated assistant");
    await world.say("972500000001", "And on Friday?");
    const all = await texts("972500000001", 2);
    expect(all[1]).not.toContain("automated assistant");
  });

  it("a burst gets one answer", async () => {
    for (const text of ["Hello", "I ordered a ficus", "where is it?"]) await world.say("972500000002", text);
    expect(await texts("972500000002", 1)).toHaveLength(1);
  });

  it("STOP is confirmed once, and repeated in silence", async () => {
    await world.say("972500000003", "STOP");
    const [confirmation] = await texts("972500000003", 1);
    expect(confirmation).toContain("STOP ALL");
    await world.say("972500000003", "stop");
    await world.settle();
    expect(await texts("972500000003", 1)).toHaveLength(1);
    const rows = await world.scratch
      .owner`select reason, count(*)::int from decision where subject = 'outbound' and reason = 'confirmation-repeated' group by 1`;
    expect(rows).toHaveLength(0); // the owner sees no merchant's rows: row-level security is forced
  });

  it("a copy of a message is kept once and answered once", async () => {
    const wamid = await world.say("972500000004", "Do you have cacti?");
    await texts("972500000004", 1);
    await world.say("972500000004", "Do you have cacti?", { wamid });
    await world.settle();
    expect(await texts("972500000004", 1)).toHaveLength(1);
  });

  it("a question for a person is handed over at once, and the agent is silent afterwards", async () => {
    await world.say("972500000005", "I want to talk to a person");
    const [told] = await texts("972500000005", 1);
    expect(told).toMatch(/colleague|person/i);
    await world.say("972500000005", "Are you there?");
    const all = await texts("972500000005", 2);
    expect(all).toHaveLength(2);
    await world.say("972500000005", "Hello?");
    await world.settle();
    expect(await texts("972500000005", 2)).toHaveLength(2);
  });
});
