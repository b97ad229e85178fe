import { spawn } from "node:child_process";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { DEMO_PHONE_ID } from "./default-world.ts";

/**
 * Measures how many sends per second the simulator takes with all three statuses delivered, in a process of its own:
 * `node src/simulator/load-check.ts [sends] [connections]`, or `taskset -c 0 node ...` to pin it all to one core.
 */
async function main(): Promise<void> {
  const total = Number(process.argv[2] ?? 5000);
  const connections = Number(process.argv[3] ?? 32);
  let received = 0;
  const receiver = http.createServer((request, response) => {
    received++;
    request.resume();
    request.on("end", () => response.end());
  });
  await new Promise<void>((resolve) => receiver.listen(0, "127.0.0.1", resolve));
  const { port } = receiver.address() as AddressInfo;
  const child = spawn(process.execPath, [new URL("./main.ts", import.meta.url).pathname], {
    env: {
      ...process.env,
      SIM_WEBHOOK_URL: `http://127.0.0.1:${port}/`,
      SIM_ACCESS_TOKEN: "token",
      SIM_LEDGER_FILE: process.env.SIM_LEDGER_FILE,
    },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const url: string = JSON.parse(await new Promise((r) => child.stdout.once("data", (data) => r(String(data))))).url;
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  const post = (path: string, body: unknown) => send(agent, url + path, JSON.stringify(body));
  await post("/_sim/settings", { throughputLimit: false, unknownUsers: "create", synchronousErrors: [] });

  const people = Math.ceil(total / 20);
  for (let i = 0; i < people; i++) {
    await post("/_sim/inbound", { from: numberOf(i), message: { type: "text", text: { body: "hi" } } });
  }
  while ((await idle(url)) > 0) await new Promise((resolve) => setTimeout(resolve, 20));

  received = 0;
  let next = 0;
  let refused = 0;
  const startedAt = performance.now();
  const lane = async () => {
    for (let i = next++; i < total; i = next++) {
      const body = {
        messaging_product: "whatsapp",
        to: numberOf(i % people),
        type: "text",
        text: { body: "Hello" },
        biz_opaque_callback_data: `a-${i}`,
      };
      if ((await post(`/v25.0/${DEMO_PHONE_ID}/messages`, body)) !== 200) refused++;
    }
  };
  await Promise.all(Array.from({ length: connections }, lane));
  const sentMs = performance.now() - startedAt;
  while ((await idle(url)) > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const allMs = performance.now() - startedAt;
  const rate = (count: number, ms: number) => Math.round((count / ms) * 1000);
  const report = {
    sends: total,
    refused,
    statuses: received,
    acceptedPerSecond: rate(total, sentMs),
    withAllStatusesPerSecond: rate(total, allMs),
  };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  child.kill("SIGTERM");
  agent.destroy();
  receiver.closeAllConnections();
  receiver.close();
}

function numberOf(i: number): string {
  return `+9725${String(i).padStart(8, "0")}`;
}

async function idle(url: string): Promise<number> {
  const answer = (await (await fetch(`${url}/_sim/idle`)).json()) as { pendingDeliveries: number };
  return answer.pendingDeliveries;
}

function send(agent: http.Agent, url: string, body: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: "Bearer token",
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
    };
    const request = http.request(url, { method: "POST", agent, headers }, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode ?? 0));
    });
    request.on("error", reject);
    request.end(body);
  });
}

await main();
