import { afterEach, describe, expect, it } from "vitest";
import { type Simulator, startSimulator } from "../src/simulator/server.ts";
import { asMerchant, freePort, letLeasesRunOut, letOpenPostsRunOut, startChild } from "./crash.ts";
import { apply, controlOf, demoMerchant, type Scratch, SECRETS, scratchDatabase, settled } from "./world.ts";

/** Port and the number of the call that dies. The 24th POST of webhooks carries statuses: `recordStatus` runs inside it. */
const POINTS: [string, number][] = [
  ["inbox.keep", 4],
  ["inbox.keep", 24],
  ["mailbox.facts", 4],
  ["mailbox.commitCommands", 1],
  ["mailbox.commitTurn", 4],
  ["outbox.markSending", 4],
  ["graph.send", 4],
  ["outbox.recordOutcome", 4],
];
const MOMENTS = ["before", "inside", "after"] as const;
const CUSTOMERS = 6;

type Ledger = {
  entries: {
    n: number;
    to?: string;
    outcome: string;
    type: string;
    attemptId?: string;
    body: { text?: { body: string } };
  }[];
};

describe("kill -9 at any line loses no reply, doubles none, keeps the order", () => {
  const open: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  for (const [port, nth] of POINTS)
    for (const when of MOMENTS)
      it(`${when} ${port}, call ${nth}`, { timeout: 60_000 }, async () => {
        const world = await start();
        const child = await startChild(world.scratch, world.sim, world.port, { port, when, nth });
        open.push(async () => child.process.kill("SIGKILL"));
        const asked = await writeMessages(world);
        await child.died;
        const second = await startChild(world.scratch, world.sim, world.port);
        open.push(async () => second.process.kill("SIGKILL"));
        await letLeasesRunOut(world.scratch);
        await settled(world.scratch.owner, world.control, 30_000);
        for (const _wait of ["deadline", "90 s"]) {
          await letOpenPostsRunOut(world.scratch, world.merchantId);
          await settled(world.scratch.owner, world.control, 30_000);
        }
        await check(world, asked);
      });

  async function start() {
    const scratch = await scratchDatabase();
    open.push(() => scratch.drop());
    const sim = await startSimulator({
      ...SECRETS,
      seed: 3,
      settings: { sentDelayMs: 1, deliveredDelayMs: 2, readDelayMs: 3, throughputLimit: false, pairRateLimit: false },
    });
    open.push(() => sim.stop());
    const merchantId = await apply(scratch, demoMerchant());
    const port = await freePort();
    const control = controlOf(sim);
    await control("webhook-url", { url: `http://127.0.0.1:${port}/webhooks/whatsapp` });
    return { scratch, sim, port, control, merchantId };
  }
});

type World = {
  scratch: Scratch;
  sim: Simulator;
  control: <T>(path: string, body?: unknown) => Promise<T>;
  merchantId: string;
};

async function writeMessages({ control }: World): Promise<Map<string, string[]>> {
  const asked = new Map<string, string[]>();
  for (let round = 0; round < 3; round++)
    for (let customer = 0; customer < CUSTOMERS; customer++) {
      const from = `97250000001${customer}`;
      const text = customer === 0 && round === 1 ? "STOP" : `question ${"abcdef"[customer]}${round}?`;
      await control("inbound", { from, message: { type: "text", text: { body: text } } });
      asked.set(from, [...(asked.get(from) ?? []), text]);
    }
  return asked;
}

async function check({ scratch, control, merchantId }: World, asked: Map<string, string[]>): Promise<void> {
  const { entries } = await control<Ledger>("ledger?kind=message&outcome=accepted&limit=1000");
  for (const [from, texts] of asked) {
    const replies = entries
      .filter((entry) => entry.to?.replace("+", "") === from)
      .map((entry) => entry.body.text?.body ?? "");
    for (const text of texts.filter((text) => text !== "STOP"))
      expect(replies.filter((reply) => reply.includes(text)).length, `${text} of ${from} answered once`).toBe(1);
    expect(new Set(replies).size, `no reply of ${from} twice`).toBe(replies.length);
    const positions = texts
      .filter((text) => text !== "STOP")
      .map((text) => replies.findIndex((reply) => reply.includes(text)));
    expect(positions, "in the order of the questions").toEqual([...positions].sort((a, b) => a - b));
    if (texts.includes("STOP"))
      expect(replies.filter((reply) => reply.includes("STOP ALL")).length, "one confirmation").toBe(1);
  }
  const open = await asMerchant(
    scratch,
    merchantId,
    (tx) =>
      tx`select state, count(*)::int from outbox where state not in ('accepted', 'blocked', 'canceled') group by 1`,
  );
  expect(open).toEqual([]);
}
