import { afterEach, describe, expect, it } from "vitest";
import { readConfig } from "../src/config.ts";
import { createLogger } from "../src/logger.ts";
import type { Ports } from "../src/ports.ts";
import { startRuntime } from "../src/runtime.ts";
import { type Simulator, startSimulator } from "../src/simulator/server.ts";
import { asMerchant, freePort, letLeasesRunOut, startChild } from "./crash.ts";
import { until } from "./scene.ts";
import { apply, demoMerchant, type Scratch, SECRETS, scratchDatabase, settled } from "./world.ts";

type Entry = { n: number; to?: string; body: { text?: { body: string } } };
type Control = <T = unknown>(path: string, body?: unknown) => Promise<T>;
type World = { scratch: Scratch; sim: Simulator; control: Control; merchantId: string };

const open: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function start(): Promise<World> {
  const scratch = await scratchDatabase();
  open.push(() => scratch.drop());
  const sim = await startSimulator({
    ...SECRETS,
    seed: 11,
    settings: { sentDelayMs: 1, deliveredDelayMs: 2, readDelayMs: 3, throughputLimit: false, pairRateLimit: false },
  });
  open.push(() => sim.stop());
  const merchantId = await apply(scratch, demoMerchant());
  const control: Control = async (path, body) => {
    const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    return (await fetch(`${sim.url}/_sim/${path}`, body === undefined ? {} : init)).json() as never;
  };
  return { scratch, sim, control, merchantId };
}

/** A process of Esek in this one, with a count of the turns that it committed. */
async function runtimeOn({ scratch, sim }: World, commits: { count: number }) {
  const wrap = (ports: Ports): Ports => ({
    ...ports,
    mailbox: {
      ...ports.mailbox,
      commitTurn: async (...args) => {
        const result = await ports.mailbox.commitTurn(...args);
        if (result === "committed") commits.count++;
        return result;
      },
    },
  });
  const runtime = await startRuntime({
    config: readConfig({ PORT: "0", ESEK_LOG_LEVEL: "silent" }),
    database: { socketDir: scratch.socketDir, database: scratch.database },
    masterKey: scratch.masterKey,
    appSecrets: [SECRETS.appSecret],
    verifyToken: SECRETS.verifyToken,
    graphUrl: sim.url,
    openai: { baseUrl: `${sim.url}/v1`, apiKey: "test" },
    secret: () => SECRETS.accessToken,
    logger: createLogger("silent"),
    concurrency: 8,
    wrap,
  });
  open.push(() => runtime.stop());
  return runtime;
}

const say = ({ control }: World, from: string, text: string) =>
  control("inbound", { from, message: { type: "text", text: { body: text } } });

/** No question is a part of another. */
const question = (n: number, round: number) => `question ${"abcdefghijklmnopqrstuvwxyz"[n]} of round ${round}?`;

/** What each person got, in the order in which Graph accepted it. */
async function replies({ control }: World): Promise<Map<string, string[]>> {
  const { entries } = await control<{ entries: Entry[] }>("ledger?kind=message&outcome=accepted&limit=100000");
  const heard = new Map<string, string[]>();
  for (const entry of entries) {
    const to = entry.to!.replace("+", "");
    heard.set(to, [...(heard.get(to) ?? []), entry.body.text?.body ?? ""]);
  }
  return heard;
}

/** Every question answered in exactly one reply, no reply twice, questions in their order. */
async function checkAnswers(world: World, asked: Map<string, string[]>): Promise<void> {
  const heard = await replies(world);
  for (const [who, questions] of asked) {
    const said = heard.get(who) ?? [];
    expect(new Set(said).size, `no reply of ${who} twice`).toBe(said.length);
    const places = questions.map((question) => said.flatMap((text, n) => (text.includes(question) ? [n] : [])));
    expect(
      places.map((found) => found.length),
      `each question of ${who} answered once: ${JSON.stringify(said)}`,
    ).toEqual(questions.map(() => 1));
    expect(places.flat(), `answers of ${who} in order`).toEqual(places.flat().toSorted((a, b) => a - b));
  }
  const doubles = await asMerchant(
    world.scratch,
    world.merchantId,
    (tx) => tx`select id from send_attempt where duplicate_detected or number > 1`,
  );
  expect(doubles).toEqual([]);
}

describe("several processes on one database", () => {
  it("two share the work: 24 hot conversations, 16 writers at once, every message answered, none twice, in order", {
    timeout: 60_000,
  }, async () => {
    const world = await start();
    const commits = [{ count: 0 }, { count: 0 }];
    const ports: number[] = [];
    for (const one of commits) ports.push((await runtimeOn(world, one)).port);
    const asked = new Map<string, string[]>();
    const work = Array.from({ length: 24 * 5 }, (_, n) => n);
    const target = (n: number) => ({ url: `http://127.0.0.1:${ports[n % 2]}/webhooks/whatsapp` });
    await world.control("webhook-url", target(0));
    const writer = async () => {
      for (let n = work.shift(); n !== undefined; n = work.shift()) {
        const who = `97253000${String(n % 24).padStart(4, "0")}`;
        const words = question(n % 24, Math.floor(n / 24));
        asked.set(who, [...(asked.get(who) ?? []), words]);
        if (n % 10 === 0) await world.control("webhook-url", target(n / 10));
        await say(world, who, words);
      }
    };
    await Promise.all(Array.from({ length: 16 }, writer));
    await settled(world.scratch.owner, world.control, 30_000);
    const heard = await replies(world);
    expect(heard.size).toBe(24);
    await checkAnswers(world, asked);
    for (const { count } of commits) expect(count).toBeGreaterThan(5);
  });

  it("one that stood still past its lease comes back: nothing doubled, nothing lost", { timeout: 60_000 }, async () => {
    const world = await start();
    const [first, second] = [await freePort(), await freePort()];
    const asked = new Map<string, string[]>();
    const ask = async (round: number) => {
      for (let n = 0; n < 8; n++) {
        const who = `97253100${String(n).padStart(4, "0")}`;
        asked.set(who, [...(asked.get(who) ?? []), question(n, round)]);
        await say(world, who, question(n, round));
      }
    };
    await world.control("webhook-url", { url: `http://127.0.0.1:${first}/webhooks/whatsapp` });
    await world.control("model", { rules: [{ delayMs: 1500 }] });
    const frozen = await startChild(world.scratch, world.sim, first);
    open.push(async () => frozen.process.kill("SIGKILL"));
    await ask(0);
    const leased = () =>
      world.scratch.owner<
        { n: number }[]
      >`select count(*)::int as n from mailbox where token is not null and kind = 'conversation'`;
    // All of the first round is kept: what Meta must deliver again would rightly be answered after the second.
    await until(async () => (await world.control<{ pendingDeliveries: number }>("idle")).pendingDeliveries === 0);
    await until(async () => (await leased())[0]!.n >= 4);
    frozen.process.kill("SIGSTOP");
    const helper = await startChild(world.scratch, world.sim, second);
    open.push(async () => helper.process.kill("SIGKILL"));
    await world.control("webhook-url", { url: `http://127.0.0.1:${second}/webhooks/whatsapp` });
    await letLeasesRunOut(world.scratch);
    await ask(1);
    await until(
      async () => [...(await replies(world)).values()].flat().filter((text) => text.includes("round 1?")).length >= 4,
    );
    frozen.process.kill("SIGCONT");
    await ask(2);
    await settled(world.scratch.owner, world.control, 30_000);
    await checkAnswers(world, asked);
  });

  it("SIGTERM finishes the turns that are running", { timeout: 60_000 }, async () => {
    const world = await start();
    const port = await freePort();
    await world.control("webhook-url", { url: `http://127.0.0.1:${port}/webhooks/whatsapp` });
    await world.control("model", { rules: [{ delayMs: 600 }] });
    const child = await startChild(world.scratch, world.sim, port);
    open.push(async () => child.process.kill("SIGKILL"));
    for (let n = 0; n < 6; n++) await say(world, `97253200000${n}`, question(n, 0));
    await until(async () => (await running(world)) === 6);
    child.process.kill("SIGTERM");
    await child.died;
    expect(child.process.exitCode).toBe(0);
    expect(await running(world)).toBe(0);
    const [left] = await world.scratch.owner<
      { n: number }[]
    >`select count(*)::int as n from mailbox where kind = 'conversation' and due_at < 'infinity'`;
    expect(left!.n).toBe(0);
    const [sender] = await world.scratch.owner`select token from mailbox where kind = 'sender'`;
    expect(sender!.token).toBeNull();
  });

  it("SIGTERM gives back at once what takes too long, and it does not count as a failure", {
    timeout: 60_000,
  }, async () => {
    const world = await start();
    const [first, second] = [await freePort(), await freePort()];
    await world.control("webhook-url", { url: `http://127.0.0.1:${first}/webhooks/whatsapp` });
    await world.control("model", { rules: [{ hang: true, times: 6 }] });
    const child = await startChild(world.scratch, world.sim, first);
    open.push(async () => child.process.kill("SIGKILL"));
    const asked = new Map<string, string[]>();
    for (let n = 0; n < 6; n++) {
      asked.set(`97253300000${n}`, [question(n, 0)]);
      await say(world, `97253300000${n}`, question(n, 0));
    }
    await until(async () => (await running(world)) === 6);
    const started = Date.now();
    child.process.kill("SIGTERM");
    await child.died;
    expect(Date.now() - started).toBeLessThan(9000);
    const boxes = await world.scratch.owner<
      { isFree: boolean; isDue: boolean; attempts: number; expiries: number }[]
    >`select token is null as "isFree", due_at <= clock_timestamp() as "isDue", attempts, expiries from mailbox where kind = 'conversation'`;
    expect(boxes.map((box) => ({ ...box }))).toEqual(
      Array.from({ length: 6 }, () => ({ isFree: true, isDue: true, attempts: 0, expiries: 0 })),
    );
    const next = await startChild(world.scratch, world.sim, second);
    open.push(async () => next.process.kill("SIGKILL"));
    await world.control("webhook-url", { url: `http://127.0.0.1:${second}/webhooks/whatsapp` });
    await until(async () => (await replies(world)).size === 6);
    await settled(world.scratch.owner, world.control, 15_000);
    await checkAnswers(world, asked);
  });
});

async function running({ scratch }: World): Promise<number> {
  const [row] = await scratch.owner<
    { n: number }[]
  >`select count(*)::int as n from mailbox where token is not null and kind = 'conversation'`;
  return row!.n;
}
