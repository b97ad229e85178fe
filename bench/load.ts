import { Agent, request } from "node:http";
import type { Signed } from "./payload.ts";

export type Latencies = {
  count: number;
  failed: number;
  perSecond: number;
  p50: number;
  p99: number;
  p999: number;
  max: number;
};

/** POSTs everything over `connections` kept-alive connections, as fast as answers come. */
export async function saturate(port: number, posts: readonly Signed[], connections: number): Promise<Latencies> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections });
  const times: number[] = [];
  let failed = 0;
  let next = 0;
  const started = performance.now();
  const worker = async () => {
    while (next < posts.length) {
      const item = posts[next++]!;
      const begun = performance.now();
      if ((await send(agent, port, item)) !== 200) failed++;
      times.push(performance.now() - begun);
    }
  };
  await Promise.all(Array.from({ length: connections }, worker));
  agent.destroy();
  return summary(times, failed, performance.now() - started);
}

/** POSTs at a fixed rate, whatever the answers do; latency counts from the moment a POST was due. */
export async function steady(
  port: number,
  make: (n: number) => Signed,
  perSecond: number,
  seconds: number,
): Promise<Latencies> {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 });
  const times: number[] = [];
  let failed = 0;
  const total = perSecond * seconds;
  const started = performance.now();
  const open: Promise<void>[] = [];
  for (let n = 0; n < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * perSecond));
    for (; n < due; n++) {
      const dueAt = started + (n * 1000) / perSecond;
      open.push(
        send(agent, port, make(n)).then((code) => {
          if (code !== 200) failed++;
          times.push(performance.now() - dueAt);
        }),
      );
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(open);
  agent.destroy();
  return summary(times, failed, performance.now() - started);
}

function send(agent: Agent, port: number, { body, signature }: Signed): Promise<number> {
  return new Promise((resolve) => {
    const headers = {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "x-hub-signature-256": signature,
    };
    const call = request(
      { host: "127.0.0.1", port, path: "/webhooks/whatsapp", method: "POST", agent, headers },
      (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
      },
    );
    call.on("error", () => resolve(0));
    call.end(body);
  });
}

export function summary(times: number[], failed: number, tookMs: number): Latencies {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return {
    count: times.length,
    failed,
    perSecond: Math.round((times.length / tookMs) * 1000),
    p50: at(0.5),
    p99: at(0.99),
    p999: at(0.999),
    max: round(sorted.at(-1) ?? 0),
  };
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}
