import { randomBytes } from "node:crypto";
import { join } from "node:path";
import type { Hono } from "hono";
import type { Config } from "./config.ts";
import { demoMasterKey, localKeyProvider } from "./crypto/key-provider.ts";
import type { MerchantConfig } from "./domain/merchant.ts";
import type { TryWorld } from "./http/try/doors.ts";
import { createTry } from "./http/try/routes.ts";
import type { Logger } from "./logger.ts";
import { startRuntime } from "./runtime.ts";
import { startSimulated } from "./simulated.ts";
import type { WorldSeed } from "./simulator/world.ts";
import { authenticate } from "./store/api-keys.ts";
import { connect } from "./store/database.ts";
import { startEmbedded } from "./store/embedded/server.ts";
import { Keyring } from "./store/keyring.ts";
import { applyMerchant, ensureSystem, type Merchant } from "./store/merchants.ts";
import { migrate } from "./store/migrator.ts";
import type { Store } from "./store/store.ts";
import { approvedTemplates } from "./store/templates.ts";
import { type Inside, modelSwitch, simulatedWorld } from "./try.ts";

const IDLE_MS = 15 * 60_000;

/** Live mode: the page for an operator with a key, on a sandbox that starts at its first use. */
export function liveTry(config: Config, logger: Logger) {
  let sandbox: Sandbox | undefined;
  return {
    wrap: undefined,
    mount(inside: Inside): Hono {
      const own = new Sandbox(config, inside.store, logger);
      sandbox = own;
      return createTry(
        {
          mode: "live",
          authorise: async (header) => {
            const caller = await authenticate(inside.store, header);
            return caller ? (caller.scopes.includes("operator") ? "welcome" : "no-scope") : "unknown";
          },
          world: () => own.world(),
          asleep: () => own.asleep,
        },
        logger,
      );
    },
    stop: async () => sandbox?.stop(),
  };
}

type Running = { world: TryWorld; stop: () => Promise<void> };

/**
 * A second Esek in this process: the shops' files and templates copied, everything else its own (database, keys, secrets,
 * clock) and the simulator for its Graph API, so that no word of it can reach a real number. Stops after 15 idle minutes.
 */
export class Sandbox {
  readonly #config: Config;
  readonly #live: Store;
  readonly #logger: Logger;
  readonly #idleMs: number;
  #running: Promise<Running> | undefined;
  #stopped: Promise<void> = Promise.resolve();
  #sleep = new AbortController();
  #idle: NodeJS.Timeout | undefined;

  constructor(config: Config, live: Store, logger: Logger, idleMs = IDLE_MS) {
    this.#config = config;
    this.#live = live;
    this.#logger = logger;
    this.#idleMs = idleMs;
  }

  get asleep(): AbortSignal {
    return this.#sleep.signal;
  }

  async world(): Promise<TryWorld> {
    clearTimeout(this.#idle);
    this.#running ??= this.#stopped.then(() => startSandbox(this.#config, this.#live, this.#logger));
    const running = this.#running;
    running.catch(() => {
      if (this.#running === running) this.#running = undefined;
    });
    const { world } = await running;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.stop(), this.#idleMs).unref();
    return world;
  }

  async stop(): Promise<void> {
    clearTimeout(this.#idle);
    const running = this.#running;
    this.#running = undefined;
    this.#sleep.abort();
    this.#sleep = new AbortController();
    this.#stopped = Promise.resolve(running)
      .then((one) => one?.stop())
      .catch((err) => this.#logger.warn({ err }, "the sandbox of try it did not stop in order"));
    await this.#stopped;
  }
}

/** Throws `EsekError("embedded/...")` where there is no embedded Postgres. */
async function startSandbox(config: Config, live: Store, logger: Logger): Promise<Running> {
  const dataDir = join(config.dataDir, "try");
  const stops: (() => Promise<void>)[] = [];
  const stop = async () => {
    for (const step of stops.toReversed()) await step();
  };
  try {
    const embedded = await startEmbedded({ dataDir, binDir: config.pgBinDir, isService: true });
    stops.push(() => embedded.stop());
    const database = { socketDir: embedded.socketDir };
    const owner = connect({ ...database, max: 2 });
    await migrate(owner).finally(() => owner.end({ timeout: 2 }));
    const masterKey = demoMasterKey(dataDir).key;
    const merchants = await Promise.all((await live.merchants.all()).map((id) => live.merchants.get(id)));
    await applyAll(database, masterKey, merchants);

    const secrets = { appSecret: secret(), verifyToken: secret(), accessToken: secret() };
    const simulated = await startSimulated(secrets, await worldOf(live, merchants));
    stops.push(() => simulated.stop());
    const isScripted = !config.openaiApiKey && !config.openaiBaseUrl;
    const model = modelSwitch(isScripted);
    const runtime = await startRuntime({
      config: {
        ...config,
        mode: "demo",
        port: 0,
        role: "all",
        databaseUrl: undefined,
        dataDir,
        graphApiUrl: simulated.url,
      },
      host: "127.0.0.1",
      database,
      masterKey,
      appSecrets: [secrets.appSecret],
      verifyToken: secrets.verifyToken,
      graphUrl: simulated.url,
      openai: isScripted
        ? { baseUrl: `${simulated.url}/v1`, apiKey: "sandbox" }
        : { baseUrl: config.openaiBaseUrl, apiKey: config.openaiApiKey },
      // Whatever name a shop's file gives its token: here it is the simulator's.
      secret: (name) => simulated.secret(name) ?? secrets.accessToken,
      openOrigins: [simulated.url],
      clock: { now: simulated.now },
      logger,
      wrap: model.wrap,
    });
    stops.push(() => runtime.stop());
    await simulated.connect(runtime);
    await runtime.syncTemplates();
    logger.info({ merchants: merchants.length }, "the sandbox of try it is ready");
    return { world: simulatedWorld(simulated, runtime, model), stop };
  } catch (err) {
    await stop();
    throw err;
  }
}

async function applyAll(
  database: { socketDir: string },
  masterKey: Buffer,
  merchants: readonly Merchant[],
): Promise<void> {
  const sql = connect({ ...database, max: 2, runtimeRole: true });
  try {
    const keyring = new Keyring(sql, localKeyProvider(masterKey));
    await ensureSystem(sql, keyring);
    for (const { config } of merchants) await applyMerchant(sql, keyring, harmless(config));
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** A shop's file without what reaches its real systems: calls that act, and the webhook that tells them. */
function harmless(config: MerchantConfig): MerchantConfig {
  const { webhook: _webhook, ...rest } = config;
  return { ...rest, tools: config.tools.filter((tool) => !tool.act && tool.method === "GET") };
}

/** The shops' accounts, numbers and approved templates, as the simulator shall know them. */
async function worldOf(live: Store, merchants: readonly Merchant[]): Promise<WorldSeed> {
  const wabas = merchants.flatMap(({ id, config }) =>
    config.wabas.map(async (waba) => ({
      id: waba.id,
      name: config.name,
      portfolioId: config.portfolio,
      phones: waba.numbers.map((number) => ({
        id: number.id,
        displayNumber: number.display,
        verifiedName: config.name,
      })),
      templates: (await approvedTemplates(live, id, waba.id)).map((template) => ({
        ...template,
        category: template.category as "MARKETING" | "UTILITY" | "AUTHENTICATION",
      })),
    })),
  );
  return { wabas: await Promise.all(wabas) };
}

function secret(): string {
  return randomBytes(24).toString("base64url");
}
