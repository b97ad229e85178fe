import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { type AgentDeps, createAgent } from "./agent/agent.ts";
import { createLangChainRunner } from "./agent/langchain.ts";
import type { Config } from "./config.ts";
import { localKeyProvider } from "./crypto/key-provider.ts";
import type { MerchantId, PhoneId } from "./domain/ids.ts";
import { apiDoors, signupDoors } from "./doors.ts";
import { createGuard } from "./guardrails/guard.ts";
import { loadSentences } from "./guardrails/sentences.ts";
import { createApi } from "./http/api.ts";
import { type AppOptions, createApp, createHealthApp, handleWebhook } from "./http/app.ts";
import { createEmbeddedSignup } from "./http/embedded-signup.ts";
import { createLlm } from "./llm/client.ts";
import type { Logger } from "./logger.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { receive, recordStatus } from "./pipeline.ts";
import type { Clock, GuardPort, Ports } from "./ports.ts";
import { createSafeFetch, type SafeFetch } from "./safe-fetch.ts";
import { readBacklog } from "./store/backlog.ts";
import { connect, type Sql, transaction } from "./store/database.ts";
import { Identities } from "./store/identities.ts";
import { createInbox } from "./store/inbox.ts";
import { Keyring } from "./store/keyring.ts";
import { createKnowledge, refreshKnowledge } from "./store/knowledge.ts";
import { createMailbox } from "./store/mailbox.ts";
import { tokenLookup } from "./store/merchant-secrets.ts";
import { ensureSystem, MerchantDirectory } from "./store/merchants.ts";
import { createOutbox, POST_TIMEOUT_MS } from "./store/outbox.ts";
import { retainAll } from "./store/retention.ts";
import { createSenders } from "./store/senders.ts";
import type { Store } from "./store/store.ts";
import { upkeepOnce } from "./store/upkeep-jobs.ts";
import { createDeliveries } from "./store/webhook-deliveries.ts";
import { syncTemplates } from "./template-sync.ts";
import { loadTracing, type Tracing } from "./tracing.ts";
import { createGraph } from "./whatsapp/graph.ts";
import { parseWebhook } from "./whatsapp/parse.ts";
import { renderer } from "./whatsapp/render.ts";
import { isAuthentic } from "./whatsapp/signature.ts";
import { Loop } from "./workers/loop.ts";
import { SenderWorker } from "./workers/sender-worker.ts";
import { TurnWorker } from "./workers/turn-worker.ts";
import { WebhookWorker } from "./workers/webhook-worker.ts";

export type RuntimeOptions = {
  config: Config;
  database: { url?: string | undefined; socketDir?: string | undefined; user?: string; database?: string };
  masterKey: Buffer;
  appSecrets: readonly string[];
  verifyToken: string | undefined;
  appId?: string | undefined;
  graphUrl: string;
  openai: { baseUrl: string | undefined; apiKey: string | undefined };
  /** The merchant's token by the name its file gives. */
  secret: (name: string) => string | undefined;
  /** Origins of this machine that tools and webhooks may call all the same: the simulator's. */
  openOrigins?: readonly string[];
  clock?: Clock;
  logger: Logger;
  /** Lets tests stand between the path and the world. */
  wrap?: (ports: Ports) => Ports;
  concurrency?: number;
  /** The interface to listen on; every one when absent. */
  host?: string;
  /** The page "Try it", made from what the runtime is made of. */
  tryIt?: (inside: { store: Store; ports: Ports }) => Hono;
};

export type Runtime = {
  store: Store;
  ports: Ports;
  port: number;
  syncTemplates: () => Promise<void>;
  stop: () => Promise<void>;
};

const UPKEEP_MS = 1000;
const TEMPLATE_SYNC_MS = 10 * 60_000;
const RETENTION_MS = 60 * 60_000;

/** Puts the adapters behind the ports: what every start of Esek has in common, whatever its mode or role. */
export async function startRuntime(options: RuntimeOptions): Promise<Runtime> {
  const { config, logger } = options;
  const sql = connect({ ...options.database, max: 20, runtimeRole: true });
  const keyring = new Keyring(sql, localKeyProvider(options.masterKey));
  const clock = options.clock ?? { now: () => new Date() };
  let wake: Store["nudge"] = () => {};
  const store: Store = {
    sql,
    keyring,
    merchants: new MerchantDirectory(sql),
    clock,
    logger,
    nudge: (what) => wake(what),
  };
  await ensureSystem(sql, keyring);

  const token = tokenLookup(store, options.secret);
  const graph = createGraph({
    url: options.graphUrl,
    version: config.graphApiVersion,
    token,
    phoneNumberId: (merchantId, phoneId) => phoneNumberId(store, merchantId, phoneId),
    timeoutMs: POST_TIMEOUT_MS,
  });
  const inbox = createInbox(store, new Identities(store), { burstWindowMs: config.burstWindowMs });
  const mailbox = createMailbox(store);
  const guard = createGuard();
  const safeFetch = createSafeFetch({ openOrigins: options.openOrigins ?? [] });
  const bare: Ports = {
    clock,
    webhook: {
      isAuthentic: (body, signature) => isAuthentic(options.appSecrets, body, signature),
      parse: parseWebhook,
    },
    inbox,
    mailbox,
    outbox: createOutbox(store),
    guard,
    agent: createAgent(agentDeps(store, options, guard, safeFetch)),
    graph,
    sentences: loadSentences(),
    render: renderer,
  };
  const metrics = createMetrics(() => readBacklog(store));
  const tracing = await loadTracing(config.traces);
  const ports = metrics.measured(tracing.traced(options.wrap?.(bare) ?? bare));

  const sync = () => syncTemplates(store, options, token);
  const stops: (() => Promise<void>)[] = [];
  if (config.role !== "web") {
    const turns = new TurnWorker(ports, mailbox, logger, {
      concurrency: options.concurrency ?? 64,
      observe: ({ result, latencyMs }) => metrics.observeTurn(result, latencyMs),
      around: tracing.turn,
    });
    const sender = new SenderWorker(ports, createSenders(store), logger, tracing.deliver);
    const chores = new Loop(
      () => upkeepOnce(store, recordStatus).then(() => false),
      UPKEEP_MS,
      (err) => logger.error({ err }, "upkeep failed"),
    );
    const templates = new Loop(
      () => sync().then(() => false),
      TEMPLATE_SYNC_MS,
      (err) => logger.warn({ err }, "template sync failed"),
    );
    const stopping = new AbortController();
    const retention = new Loop(
      () => retainAll(store, stopping.signal).then(() => false),
      RETENTION_MS,
      (err) => logger.error({ err }, "retention failed"),
    );
    wake = (what) => (what === "turns" ? turns.nudge() : what === "sender" ? sender.nudge() : chores.nudge());
    const told = new WebhookWorker(createDeliveries(store), safeFetch, options.secret, logger);
    void refreshKnowledge(store).catch((err) => logger.error({ err }, "documents could not be read anew"));
    for (const part of [turns, sender, chores, templates, told, retention]) part.start();
    stops.push(
      () => told.stop(),
      () => templates.stop(),
      () => {
        stopping.abort();
        return retention.stop();
      },
      () => chores.stop(),
      () => turns.stop(),
      () => sender.stop(),
    );
  }
  const web =
    config.role === "worker" && !config.isPortGiven ? undefined : await listen(options, ports, store, metrics, tracing);
  return {
    store,
    ports,
    port: web?.port ?? 0,
    syncTemplates: sync,
    async stop() {
      await web?.stop();
      await inbox.idle();
      for (const stop of stops) await stop();
      graph.close();
      await sql.end({ timeout: 5 });
    },
  };
}

function agentDeps(store: Store, { openai, secret }: RuntimeOptions, guard: GuardPort, fetch: SafeFetch): AgentDeps {
  const isConfigured = openai.baseUrl !== undefined || openai.apiKey !== undefined;
  return {
    run: isConfigured ? createLangChainRunner(openai) : undefined,
    llm: createLlm(openai),
    knowledge: createKnowledge(store),
    tools: { fetch, secret },
    language: guard.language,
  };
}

async function listen(
  options: RuntimeOptions,
  ports: Ports,
  store: Store,
  metrics: Metrics,
  tracing: Tracing,
): Promise<{ port: number; stop: () => Promise<void> }> {
  const doors: AppOptions = {
    receive: (body, signature) => tracing.receive(() => receive(ports, body, signature)),
    verifyToken: () => options.verifyToken,
    isReady: () => readiness(store.sql),
    api: createApi(apiDoors(ports, store), options.logger, [
      createEmbeddedSignup(signupDoors(options, store), options.logger),
    ]),
    logger: options.logger,
    observeAck: metrics.observeAck,
    metrics,
    tryIt: options.tryIt?.({ store, ports }),
  };
  const isWeb = options.config.role !== "worker";
  const app = isWeb ? createApp(doors) : createHealthApp(doors);
  const rest = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  const server = createServer((request, response) => {
    if (!isWeb || !handleWebhook(doors, request, response)) void rest(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.config.port, options.host, () => resolve());
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        const idle = setInterval(() => server.closeIdleConnections(), 50);
        const hard = setTimeout(() => server.closeAllConnections(), 3000);
        server.close(() => {
          clearInterval(idle);
          clearTimeout(hard);
          resolve();
        });
      }),
  };
}

async function readiness(sql: Sql): Promise<{ ok: boolean; checks: Record<string, string> }> {
  try {
    await sql`select 1`;
    return { ok: true, checks: { database: "ok" } };
  } catch {
    return { ok: false, checks: { database: "unreachable" } };
  }
}

async function phoneNumberId(store: Store, merchantId: MerchantId, phoneId: PhoneId): Promise<string | undefined> {
  const [row] = await transaction(
    store.sql,
    [merchantId],
    (tx) => tx<{ id: string }[]>`select phone_number_id as id from phone where id = ${phoneId}`,
  );
  return row?.id;
}
