import type { Runtime } from "./runtime.ts";
import type { WorldSeed } from "./simulator/world.ts";
import { reweighDeferred } from "./store/upkeep-jobs.ts";

export type SimulatedSecrets = { appSecret: string; verifyToken: string; accessToken: string };

export type Simulated = {
  url: string;
  accessToken: string;
  /** What the demo shop's file asks of the environment: where its order system is. */
  secret: (name: string) => string | undefined;
  /** The business clock, which the page and the command line move. */
  now: () => Date;
  /** Webhooks go to this runtime from now on. */
  connect: (runtime: Runtime) => Promise<void>;
  stop: () => Promise<void>;
};

const CLOCK_LOOK_MS = 200;

/** Meta and the model on this machine, for a runtime that shall not reach either. Loaded only where it is wanted. */
export async function startSimulated(secrets: SimulatedSecrets, world?: WorldSeed): Promise<Simulated> {
  const { startSimulator } = await import("./simulator/server.ts");
  const simulator = await startSimulator({
    ...secrets,
    port: 0,
    persona: "shop",
    ...(world ? { world } : {}),
    settings: { sentDelayMs: 50, deliveredDelayMs: 150, readDelayMs: 800 },
  });
  let timer: NodeJS.Timeout | undefined;
  return {
    url: simulator.url,
    accessToken: secrets.accessToken,
    secret: (name) => (name === "DEMO_SHOP_URL" ? `${simulator.url}/shop` : undefined),
    now: () => new Date(simulator.clock.now()),
    async connect(runtime) {
      await fetch(`${simulator.url}/_sim/webhook-url`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ url: `http://127.0.0.1:${runtime.port}/webhooks/whatsapp` }),
      });
      let offset = simulator.clock.offsetMs;
      // The clock was moved: waiting rows are weighed again.
      timer = setInterval(() => {
        if (simulator.clock.offsetMs === offset) return;
        offset = simulator.clock.offsetMs;
        // Rejects only when the database is going away, and the next start weighs them all the same.
        reweighDeferred(runtime.store).catch(() => {});
      }, CLOCK_LOOK_MS).unref();
    },
    async stop() {
      clearInterval(timer);
      await simulator.stop();
    },
  };
}
