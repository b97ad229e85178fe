/** Esek in a process of its own, as it runs in production; `INSTANT_MODEL=1` answers drafts at once, `ROLE` as ever. */
import { readConfig } from "../src/config.ts";
import { createLogger } from "../src/logger.ts";
import { startRuntime } from "../src/runtime.ts";
import { SECRET, TOKEN } from "./payload.ts";

const { env } = process;
// As in production after its first answer: the resident memory is measured with it.
if (env.ROLE !== "web") await Promise.all([import("langchain"), import("@langchain/openai")]);
const runtime = await startRuntime({
  config: readConfig({
    PORT: "0",
    ESEK_LOG_LEVEL: "error",
    ESEK_ROLE: env.ROLE ?? "all",
    ESEK_BURST_WINDOW_MS: env.BURST ?? "0",
  }),
  database: { socketDir: env.SOCKET_DIR, database: env.DATABASE },
  masterKey: Buffer.from(env.MASTER_KEY!, "base64"),
  appSecrets: [SECRET],
  verifyToken: "bench",
  graphUrl: env.GRAPH_URL!,
  openai: { baseUrl: `${env.GRAPH_URL}/v1`, apiKey: "bench" },
  secret: () => TOKEN,
  logger: createLogger("error"),
  wrap: (ports) =>
    env.INSTANT_MODEL
      ? {
          ...ports,
          agent: {
            ...ports.agent,
            draft: async () => ({
              draft: { type: "answer", text: "Thank you, we will look at it." },
              usage: undefined,
            }),
          },
          graph: { ...ports.graph, markRead: () => {} },
        }
      : ports,
});
process.on("message", (message) => {
  if (message === "usage") process.send?.({ cpu: process.cpuUsage(), rss: process.memoryUsage().rss });
});
process.on("SIGTERM", () => void runtime.stop().then(() => process.exit(0)));
process.stdout.write(`${JSON.stringify({ port: runtime.port })}\n`);
