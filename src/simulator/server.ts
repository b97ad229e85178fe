import { randomInt } from "node:crypto";
import type { AddressInfo } from "node:net";
import { type ServerType, serve } from "@hono/node-server";
import { Hono } from "hono";
import { createClock, type SimClock } from "./clock.ts";
import type { Sim } from "./context.ts";
import { controlRoutes } from "./control/routes.ts";
import { DEMO_APP_ID, defaultWorld } from "./default-world.ts";
import type { GraphEnv } from "./graph/env.ts";
import { attachmentRoutes } from "./graph/media-routes.ts";
import { graphRoutes } from "./graph/routes.ts";
import { Ledger } from "./ledger.ts";
import { MediaShelf } from "./media.ts";
import { ScriptedModel } from "./model.ts";
import { createRandom } from "./random.ts";
import { demoAnswer } from "./scripted-model/demo-assistant.ts";
import { shopAnswer } from "./scripted-model/shop-assistant.ts";
import { SendFaults } from "./send-faults.ts";
import { defaultSettings, type Settings } from "./settings.ts";
import { shopRoutes } from "./shop.ts";
import { SignupCodes } from "./signup-codes.ts";
import { type WebhookEvent, Webhooks } from "./webhooks.ts";
import { World, type WorldSeed } from "./world.ts";

export type SimulatorOptions = {
  /** 0 takes any free port. */
  port?: number;
  host?: string;
  /** Meta's id of the app; `DEMO_APP_ID` when absent. */
  appId?: string;
  appSecret: string;
  verifyToken: string;
  /** The one bearer token that Graph calls must carry (more through `settings`). */
  accessToken: string;
  /** Where webhooks go; can be set later through `/_sim/webhook-url`. */
  webhookUrl?: string;
  world?: WorldSeed;
  /** Makes ids and faults repeatable. */
  seed?: number;
  /** Appends the ledger to this file before each answer, and continues it after a restart. */
  ledgerFile?: string;
  settings?: Partial<Settings>;
  /** What the model says without rules: `echo` repeats the question, `shop` uses its tools as a shop assistant would. */
  persona?: "echo" | "shop";
  /** The base of the business clock; tests pass a fixed time. */
  now?: () => number;
};

export type Simulator = {
  readonly url: string;
  readonly port: number;
  readonly world: World;
  readonly ledger: Ledger;
  readonly clock: SimClock;
  readonly webhooks: Webhooks;
  readonly settings: Settings;
  readonly model: ScriptedModel;
  stop(): Promise<void>;
};

/** Starts a WhatsApp Cloud API, its control API and a scripted model on one loopback port. */
export async function startSimulator(options: SimulatorOptions): Promise<Simulator> {
  const ledger = new Ledger(options.ledgerFile);
  const seed = options.seed ?? randomInt(2 ** 31);
  // Ids depend on what is already in the ledger, or a restart with the same seed would hand out the same wamids again.
  const ids = createRandom(seed + ledger.size * 7919);
  const clock = createClock(options.now);
  const world = new World(options.world ?? defaultWorld(), ids);
  const settings = { ...defaultSettings(options.accessToken), ...options.settings };
  const webhooks = new Webhooks({
    appSecret: options.appSecret,
    clock,
    random: createRandom(seed ^ 0x5f3759df),
    target: (event) => targetOf(sim, event),
  });
  const model = new ScriptedModel(clock, options.persona === "shop" ? shopAnswer : demoAnswer);
  const sim: Sim = {
    appId: options.appId ?? DEMO_APP_ID,
    appSecret: options.appSecret,
    verifyToken: options.verifyToken,
    clock,
    random: ids,
    world,
    settings,
    ledger,
    webhooks,
    media: new MediaShelf(ids),
    sendFaults: new SendFaults(),
    signupCodes: new SignupCodes(ids),
    webhookUrl: options.webhookUrl,
    url: "",
  };
  const app = new Hono<GraphEnv>();
  app.route("/v1", model.routes());
  app.route("/_sim/model", model.controlRoutes());
  app.route("/_sim", controlRoutes(sim));
  app.route("/shop", shopRoutes(clock));
  app.route("/", attachmentRoutes(sim));
  app.route("/:version{v[0-9]+[.][0-9]+}", graphRoutes(sim));
  app.all("*", (c) =>
    c.json({ error: { message: `Unknown path components: ${c.req.path}`, type: "OAuthException", code: 2500 } }, 400),
  );

  const host = options.host ?? "127.0.0.1";
  const { server, port } = await listen(app, host, options.port ?? 0);
  sim.url = `http://${host}:${port}`;
  return {
    url: sim.url,
    port,
    world,
    ledger,
    clock,
    webhooks,
    settings,
    model,
    async stop() {
      webhooks.stop();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        if ("closeAllConnections" in server) server.closeAllConnections();
      });
      ledger.close();
    },
  };
}

/** Number over account over app, and only `messages` may be overridden (reference 1.10). */
function targetOf(sim: Sim, event: Pick<WebhookEvent, "wabaId" | "phoneId" | "field">): string | undefined {
  const waba = sim.world.wabas.get(event.wabaId);
  if (waba !== undefined && !waba.subscribed) return undefined;
  if (event.field !== "messages") return sim.webhookUrl;
  const phone = event.phoneId === undefined ? undefined : sim.world.phones.get(event.phoneId);
  return phone?.callbackOverride ?? waba?.callbackOverride ?? sim.webhookUrl;
}

function listen(app: Hono<GraphEnv>, hostname: string, port: number): Promise<{ server: ServerType; port: number }> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch: app.fetch, hostname, port }, (info: AddressInfo) =>
      resolve({ server, port: info.port }),
    );
    // A client's kept-alive connection must not die by surprise in the middle of a crash test.
    if ("keepAliveTimeout" in server) server.keepAliveTimeout = 75_000;
    server.once("error", reject);
  });
}
