/** The real runtime in a process of its own that kills itself (SIGKILL) before, inside or after one call of one port. */
import { readConfig } from "../src/config.ts";
import { createLogger } from "../src/logger.ts";
import type { Ports } from "../src/ports.ts";
import { startRuntime } from "../src/runtime.ts";
import { SECRETS } from "./secrets.ts";

export type CrashPoint = { port: string; when: "before" | "inside" | "after"; nth: number };

const env = process.env;
const crash = env.CRASH ? (JSON.parse(env.CRASH) as CrashPoint) : undefined;

function die(): never {
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable");
}

function wrap(ports: Ports): Ports {
  if (!crash) return ports;
  const [group, method] = crash.port.split(".") as [keyof Ports, string];
  const real = ports[group] as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
  let calls = 0;
  const wrapped = async (...args: unknown[]) => {
    calls++;
    if (calls !== crash.nth) return real[method]!(...args);
    if (crash.when === "before") die();
    const result = real[method]!(...args);
    if (crash.when === "inside") setTimeout(die, 1 + (crash.nth % 3));
    const value = await result;
    if (crash.when === "after") die();
    return value;
  };
  return { ...ports, [group]: { ...real, [method]: wrapped } };
}

const runtime = await startRuntime({
  config: readConfig({ PORT: env.PORT, ESEK_LOG_LEVEL: "silent" }),
  database: { socketDir: env.SOCKET_DIR, database: env.DATABASE },
  masterKey: Buffer.from(env.MASTER_KEY!, "base64"),
  appSecrets: [SECRETS.appSecret],
  verifyToken: SECRETS.verifyToken,
  graphUrl: env.GRAPH_URL!,
  openai: { baseUrl: `${env.GRAPH_URL}/v1`, apiKey: "test" },
  secret: () => SECRETS.accessToken,
  logger: createLogger(env.CHILD_LOG ?? "silent"),
  wrap,
});
process.on("SIGTERM", () => void runtime.stop().then(() => process.exit(0)));
process.stdout.write("ready\n");
