import { randomBytes, randomUUID } from "node:crypto";
import { inject } from "vitest";
import { readConfig } from "../src/config.ts";
import { localKeyProvider } from "../src/crypto/key-provider.ts";
import type { MerchantConfig } from "../src/domain/merchant.ts";
import type { Logger } from "../src/logger.ts";
import { createLogger } from "../src/logger.ts";
import { readMerchantFile } from "../src/merchant-file.ts";
import type { Ports } from "../src/ports.ts";
import { type Runtime, startRuntime } from "../src/runtime.ts";
import { type Simulator, startSimulator } from "../src/simulator/server.ts";
import { connect, type Sql } from "../src/store/database.ts";
import { Keyring } from "../src/store/keyring.ts";
import { applyMerchant, ensureSystem } from "../src/store/merchants.ts";
import { reweighDeferred } from "../src/store/upkeep-jobs.ts";
import { SECRETS } from "./secrets.ts";

export { PHONE_ID, SECRETS, WABA_ID } from "./secrets.ts";

export type Scratch = { socketDir: string; database: string; owner: Sql; masterKey: Buffer; drop: () => Promise<void> };

/** A database of its own, copied from the migrated template. */
export async function scratchDatabase(socketDir = inject("socketDir")): Promise<Scratch> {
  const database = `t_${randomUUID().replaceAll("-", "")}`;
  const admin = connect({ socketDir, max: 1 });
  await admin.unsafe(`create database ${database} template esek_template`);
  const owner = connect({ socketDir, database, max: 3 });
  return {
    socketDir,
    database,
    owner,
    masterKey: randomBytes(32),
    async drop() {
      await owner.end({ timeout: 1 });
      for (let attempt = 1; ; attempt++) {
        try {
          await admin.unsafe(`drop database if exists ${database} with (force)`);
          break;
        } catch (err) {
          // Autovacuum runs as the superuser and may be looking at it: it is done in a moment.
          if ((err as { code?: string }).code !== "42501" || attempt === 50) throw err;
          await new Promise((resolve) => setTimeout(resolve, 100));
        }
      }
      await admin.end({ timeout: 1 });
    },
  };
}

export function demoMerchant(change: (config: MerchantConfig) => void = () => {}): MerchantConfig {
  const config = readMerchantFile("merchants/demo/merchant.yaml");
  config.burst = { windowMs: 20, capMs: 200 };
  change(config);
  return config;
}

export async function apply(scratch: Scratch, config: MerchantConfig): Promise<string> {
  const sql = connect({ socketDir: scratch.socketDir, database: scratch.database, max: 1, runtimeRole: true });
  const keyring = new Keyring(sql, localKeyProvider(scratch.masterKey));
  await ensureSystem(sql, keyring);
  const { id } = await applyMerchant(sql, keyring, config);
  await sql.end({ timeout: 1 });
  return id;
}

export type WorldOptions = {
  /** Environment variables that a merchant names, beyond its token. */
  secrets?: Record<string, string>;
  openOrigins?: readonly string[];
  merchants?: MerchantConfig[];
  wrap?: (ports: Ports) => Ports;
  logger?: Logger;
  scratch?: Scratch;
  simulator?: Simulator;
  now?: () => number;
  throughputLimit?: boolean;
};

export type TestWorld = {
  scratch: Scratch;
  sim: Simulator;
  runtime: Runtime;
  merchantId: string;
  /** The control API of the simulator. */
  control: <T = unknown>(path: string, body?: unknown) => Promise<T>;
  /** A customer writes; returns the wamid. */
  say: (from: string, text: string, extra?: Record<string, unknown>) => Promise<string>;
  thread: (user: string) => Promise<ThreadItem[]>;
  /** What the customer got, once at least `count` messages are there and nothing is under way. */
  replies: (user: string, count: number, timeoutMs?: number) => Promise<ThreadItem[]>;
  advance: (ms: number) => Promise<void>;
  settle: (timeoutMs?: number) => Promise<void>;
  stop: () => Promise<void>;
};

export type ThreadItem = {
  wamid: string;
  direction: "in" | "out";
  at: number;
  type: string;
  text?: string;
  body?: unknown;
  status?: string;
  errorCode?: number;
};

/** Simulator, database and runtime in this process, over real HTTP: the same path as production. */
export async function startWorld(options: WorldOptions = {}): Promise<TestWorld> {
  const scratch = options.scratch ?? (await scratchDatabase());
  const sim =
    options.simulator ??
    (await startSimulator({
      ...SECRETS,
      seed: 7,
      now: options.now,
      settings: {
        sentDelayMs: 1,
        deliveredDelayMs: 2,
        readDelayMs: 3,
        throughputLimit: options.throughputLimit ?? false,
        pairRateLimit: false,
      },
    }));
  const ids: string[] = [];
  for (const merchant of options.merchants ?? [demoMerchant()]) ids.push(await apply(scratch, merchant));
  const runtime = await startRuntime({
    config: readConfig({ PORT: "0", ESEK_LOG_LEVEL: "silent" }),
    database: { socketDir: scratch.socketDir, database: scratch.database },
    masterKey: scratch.masterKey,
    appSecrets: [SECRETS.appSecret],
    verifyToken: SECRETS.verifyToken,
    appId: SECRETS.appId,
    graphUrl: sim.url,
    openai: { baseUrl: `${sim.url}/v1`, apiKey: "test" },
    secret: (name) => (name === "DEMO_SHOP_URL" ? `${sim.url}/shop` : (options.secrets?.[name] ?? SECRETS.accessToken)),
    openOrigins: [sim.url, ...(options.openOrigins ?? [])],
    clock: { now: () => new Date(sim.clock.now()) },
    logger: options.logger ?? createLogger("silent"),
    wrap: options.wrap,
  });
  const control = controlOf(sim);
  await control("webhook-url", { url: `http://127.0.0.1:${runtime.port}/webhooks/whatsapp` });
  await runtime.syncTemplates();
  const thread = async (user: string) =>
    (await control<{ items: ThreadItem[] }>(`thread?user=${encodeURIComponent(user)}`)).items;
  const settle = (timeoutMs = 15_000) => settled(scratch.owner, control, timeoutMs);
  return {
    scratch,
    sim,
    runtime,
    merchantId: ids[0]!,
    control,
    thread,
    settle,
    say: async (from, text, extra = {}) =>
      (await control<{ wamid: string }>("inbound", { from, message: { type: "text", text: { body: text } }, ...extra }))
        .wamid,
    async replies(user, count, timeoutMs = 10_000) {
      const deadline = Date.now() + timeoutMs;
      for (;;) {
        const out = (await thread(user)).filter((item) => item.direction === "out");
        if (out.length >= count) {
          await settle(timeoutMs);
          return (await thread(user)).filter((item) => item.direction === "out");
        }
        if (Date.now() > deadline) throw new Error(`${out.length} of ${count} replies after ${timeoutMs} ms`);
        await new Promise((resolve) => setTimeout(resolve, 15));
      }
    },
    async advance(ms) {
      await control("clock", { advanceMs: ms });
      await reweighDeferred(runtime.store);
    },
    async stop() {
      await runtime.stop();
      if (!options.simulator) await sim.stop();
      if (!options.scratch) await scratch.drop();
    },
  };
}

/** The simulator's control API as a function: GET without a body, POST with one. */
export function controlOf(sim: Simulator): TestWorld["control"] {
  return async <T>(path: string, body?: unknown): Promise<T> => {
    const post = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
    const response = await fetch(`${sim.url}/_sim/${path}`, body === undefined ? {} : post);
    if (!response.ok) throw new Error(`simulator ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  };
}

/** Nothing is under way: no webhook pending, no conversation due or leased, no row waiting to be posted now. */
export async function settled(owner: Sql, control: TestWorld["control"], timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let calm = 0;
  while (Date.now() < deadline) {
    const { pendingDeliveries } = await control<{ pendingDeliveries: number }>("idle");
    const [row] = await owner<{ busy: number }[]>`
      select (select count(*) from mailbox where kind = 'conversation' and (due_at < 'infinity' or token is not null))::int
        + (select count(*) from outbox_due d where send_at < clock_timestamp() + interval '1 s'
            and (lane is null or not exists (select 1 from outbox_due e where e.lane = d.lane and e.lane_seq < d.lane_seq)))::int as busy`;
    calm = pendingDeliveries === 0 && row!.busy === 0 ? calm + 1 : 0;
    if (calm >= 2) return;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  throw new Error(`the world did not come to rest within ${timeoutMs} ms`);
}
