import { startSimulator } from "./server.ts";

/** Runs the simulator as its own process: settings from the environment, one JSON line when it is ready. */
async function main(): Promise<void> {
  const { env } = process;
  const simulator = await startSimulator({
    port: Number(env.SIM_PORT ?? 0),
    host: env.SIM_HOST,
    appId: env.META_APP_ID || undefined,
    appSecret: env.META_APP_SECRET ?? "simulator-app-secret",
    verifyToken: env.META_VERIFY_TOKEN ?? "simulator-verify-token",
    accessToken: env.SIM_ACCESS_TOKEN ?? "simulator-access-token",
    webhookUrl: env.SIM_WEBHOOK_URL || undefined,
    ledgerFile: env.SIM_LEDGER_FILE || undefined,
    seed: env.SIM_SEED ? Number(env.SIM_SEED) : undefined,
  });
  const stop = () => void simulator.stop().then(() => process.exit(0));
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  process.stdout.write(`${JSON.stringify({ url: simulator.url })}\n`);
}

await main();
