import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import { join } from "node:path";
import type { Simulator } from "../src/simulator/server.ts";
import type { CrashPoint } from "./crash-child.ts";
import type { Scratch } from "./world.ts";

export type Child = { process: ChildProcess; died: Promise<void> };

/** A port nobody listens on, so that the child comes back at the same address. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Starts the real process; resolves when it serves. */
export async function startChild(scratch: Scratch, sim: Simulator, port: number, crash?: CrashPoint): Promise<Child> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "crash-child.ts")], {
    env: {
      ...process.env,
      SOCKET_DIR: scratch.socketDir,
      DATABASE: scratch.database,
      MASTER_KEY: scratch.masterKey.toString("base64"),
      GRAPH_URL: sim.url,
      PORT: String(port),
      ...(crash ? { CRASH: JSON.stringify(crash) } : {}),
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const died = new Promise<void>((resolve) => child.on("exit", () => resolve()));
  await Promise.race([new Promise<void>((resolve) => child.stdout!.once("data", () => resolve())), died]);
  return { process: child, died };
}

/** What a dead process left behind runs out now instead of in seconds: leases, and the deadlines of open POSTs. */
export async function letLeasesRunOut(scratch: Scratch): Promise<void> {
  await scratch.owner`update mailbox set lease_until = clock_timestamp() where lease_until is not null`;
}

/** As the owner under forced row-level security: names its merchants first. */
export async function asMerchant<T>(
  scratch: Scratch,
  merchantId: string,
  work: (tx: import("postgres").TransactionSql) => Promise<T>,
): Promise<T> {
  return (await scratch.owner.begin(async (tx) => {
    await tx`select set_config('app.merchant_ids', ${`{${merchantId}}`}, true)`;
    return work(tx);
  })) as T;
}

/**
 * Time passes for POSTs whose answer nobody wrote down: their deadline (16 s), then the wait for a status (90 s). Statuses
 * that did arrive have settled theirs before.
 */
export async function letOpenPostsRunOut(scratch: Scratch, merchantId: string): Promise<void> {
  await asMerchant(scratch, merchantId, async (tx) => {
    await tx`update send_attempt set deadline_at = clock_timestamp() where state = 'sending'`;
    await tx`update outbox_due set send_at = clock_timestamp() where outbox_id in (select id from outbox where state in ('sending', 'unknown'))`;
  });
}
