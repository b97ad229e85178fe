import { afterAll, beforeAll, expect, it } from "vitest";
import { until, words } from "./scene.ts";
import { startWorld, type TestWorld } from "./world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await startWorld();
});
afterAll(() => world.stop());

/** In a file of its own, so that nobody waits for it. The lease is 6 s: it is held by seven heartbeats more than it lasts. */
it("a model that thinks for 45 s: one call, one answer, and nobody else waits", { timeout: 90_000 }, async () => {
  const [slow, quick] = ["972550000035", "972550000036"];
  await world.control("model", { rules: [{ when: "patience", delayMs: 45_000, reply: "It was worth it." }] });
  const asked = performance.now();
  await world.say(slow, "Have you got patience?");
  await world.say(quick, "Anything quick?");
  await until(async () => (await words(world, quick)).length === 1);
  expect(performance.now() - asked).toBeLessThan(20_000);
  await until(async () => (await words(world, slow)).length === 1, 80_000);
  expect(performance.now() - asked).toBeGreaterThan(45_000);
  await world.settle();
  expect((await words(world, slow))[0]).toContain("It was worth it.");
  expect(await words(world, slow)).toHaveLength(1);
  const { calls } = await world.control<{ calls: { messages: { text: string }[] }[] }>("model/calls");
  expect(calls.filter(({ messages }) => messages.at(-1)!.text.includes("patience"))).toHaveLength(1);
});
