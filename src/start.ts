import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Config } from "./config.ts";
import { demoMasterKey, localKeyProvider } from "./crypto/key-provider.ts";
import { EsekError } from "./errors.ts";
import type { Logger } from "./logger.ts";
import { readMerchantFile } from "./merchant-file.ts";
import { type Runtime, startRuntime } from "./runtime.ts";
import { type Simulated, startSimulated } from "./simulated.ts";
import { connect, type DatabaseOptions } from "./store/database.ts";
import { startEmbedded } from "./store/embedded/server.ts";
import { Keyring } from "./store/keyring.ts";
import { applyMerchant, ensureSystem } from "./store/merchants.ts";
import { migrate } from "./store/migrator.ts";
import { readHold } from "./store/restore-hold.ts";
import { demoTry, modelSwitch } from "./try.ts";
import { liveTry } from "./try-sandbox.ts";

export type Esek = { runtime: Runtime; stop: () => Promise<void> };

export type Prepared = { database: DatabaseOptions; masterKey: Buffer; close: () => Promise<void> };

/** What the demo's simulated Meta knows; no secrets, they are the same for everybody. */
export const DEMO = {
  appId: "670843887433847",
  appSecret: "demo-app-secret",
  verifyToken: "demo-verify-token",
  accessToken: "demo-access-token",
};
/** The demo merchant's name for its token. */
export const DEMO_TOKEN_NAME = "DEMO_ACCESS_TOKEN";
const DEMO_MERCHANT = "merchants/demo/merchant.yaml";

/** The database (ours or the given one), migrated, and the master key. What every command needs before it can do anything. */
export async function prepare(
  config: Config,
  logger: Logger,
  options: { isService: boolean } = { isService: false },
): Promise<Prepared> {
  const embedded = config.databaseUrl
    ? undefined
    : await startEmbedded({ dataDir: config.dataDir, binDir: config.pgBinDir, isService: options.isService });
  const database: DatabaseOptions = config.databaseUrl
    ? { url: config.databaseUrl }
    : { socketDir: embedded!.socketDir };
  const close = async () => {
    await embedded?.stop();
  };
  try {
    const owner = connect({ ...database, max: 2 });
    const applied = await migrate(owner).finally(() => owner.end({ timeout: 2 }));
    const masterKey = masterKeyOf(config, logger);
    if (applied.includes("0001_path.sql") && config.masterKey)
      logger.warn(
        { kekId: localKeyProvider(masterKey).kekId },
        "everything in this database is encrypted under ESEK_MASTER_KEY. Keep a copy of it apart from the data and its backups: without it nothing stored can be read",
      );
    if (applied.length > 0) logger.info({ migrations: applied }, "database migrated");
    return { database, masterKey, close };
  } catch (err) {
    await close();
    if ((err as { code?: string }).code === "ECONNREFUSED" || (err as { code?: string }).code === "CONNECT_TIMEOUT")
      throw new EsekError(
        "database/unreachable",
        "The database of DATABASE_URL does not answer. Check that it runs and that the address is right, or unset DATABASE_URL to use the embedded one.",
      );
    throw err;
  }
}

/** Everything that `npm start` means: database, key, merchant, simulator in demo mode, doors and workers. */
export async function startEsek(config: Config, logger: Logger): Promise<Esek> {
  const prepared = await prepare(config, logger, { isService: true });
  const stops: (() => Promise<void>)[] = [prepared.close];
  const stop = async () => {
    for (const step of stops.reverse()) await step();
  };
  try {
    const demo = config.mode === "demo" ? await startDemo(config) : undefined;
    if (demo) stops.push(demo.stop);
    if (demo || config.merchantFile) await applyFile(prepared, config.merchantFile ?? DEMO_MERCHANT);
    const isScripted = demo !== undefined && !config.openaiBaseUrl && !config.openaiApiKey;
    const tryIt = demo ? demoTry(demo, modelSwitch(isScripted), logger) : liveTry(config, logger);
    const runtime = await startRuntime({
      config,
      database: prepared.database,
      masterKey: prepared.masterKey,
      appSecrets: demo ? [DEMO.appSecret] : config.appSecrets,
      verifyToken: demo ? DEMO.verifyToken : config.verifyToken,
      appId: demo ? DEMO.appId : config.appId,
      graphUrl: demo?.url ?? config.graphApiUrl,
      openai: {
        baseUrl: config.openaiBaseUrl ?? (demo ? `${demo.url}/v1` : undefined),
        apiKey: config.openaiApiKey ?? (demo ? "demo" : undefined),
      },
      secret: (name) =>
        config.secret(name) ?? (demo && name === DEMO_TOKEN_NAME ? DEMO.accessToken : demo?.secret(name)),
      openOrigins: demo ? [demo.url] : [],
      clock: demo ? { now: demo.now } : undefined,
      logger,
      wrap: tryIt.wrap,
      tryIt: tryIt.mount,
    });
    stops.push(() => runtime.stop(), tryIt.stop);
    await demo?.connect(runtime);
    logger.info({ mode: config.mode, port: runtime.port, role: config.role }, "ready");
    const hold = await readHold(runtime.store.sql);
    if (hold)
      logger.warn(
        { backupAt: hold.backupAt },
        "restored from a backup: nothing is sent until the opt-outs since then are acknowledged (npm run esek -- restore --acknowledge-opt-outs)",
      );
    if (demo) announce(runtime.port);
    return { runtime, stop };
  } catch (err) {
    await stop();
    throw err;
  }
}

async function applyFile(prepared: Prepared, file: string): Promise<void> {
  const sql = connect({ ...prepared.database, max: 2, runtimeRole: true });
  try {
    const keyring = new Keyring(sql, localKeyProvider(prepared.masterKey));
    await ensureSystem(sql, keyring);
    await applyMerchant(sql, keyring, readMerchantFile(file));
  } finally {
    await sql.end({ timeout: 2 });
  }
}

/** The simulator in this process: Meta and the model for a machine without either. Its address lies in `<dataDir>/simulator.json`. */
async function startDemo(config: Config): Promise<Simulated> {
  const simulated = await startSimulated(DEMO);
  mkdirSync(resolve(config.dataDir), { recursive: true });
  const note = join(resolve(config.dataDir), "simulator.json");
  return {
    ...simulated,
    async connect(runtime) {
      await simulated.connect(runtime);
      writeFileSync(note, JSON.stringify({ url: simulated.url, port: runtime.port, pid: process.pid }));
      // At once, so that the shop's templates can be tried from the first minute.
      await runtime.syncTemplates();
    },
    async stop() {
      rmSync(note, { force: true });
      await simulated.stop();
    },
  };
}

function masterKeyOf(config: Config, logger: Logger): Buffer {
  if (config.masterKey) return config.masterKey;
  const { key, isNew, file } = demoMasterKey(resolve(config.dataDir));
  if (isNew)
    logger.warn(
      { file },
      "a new master key was made; whoever has it can read the data, and without it nothing stored can be read. Keep a copy apart from the data",
    );
  return key;
}

function announce(port: number): void {
  console.log(
    `\nEsek runs in demo mode: WhatsApp and the model are simulated, nothing leaves this machine.\n  try it   http://127.0.0.1:${port}/try\n  webhook  http://127.0.0.1:${port}/webhooks/whatsapp\n  chat     npm run esek -- simulate   (in a second terminal)\n`,
  );
}
