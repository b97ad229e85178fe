/**
 * `npm run bench`: the measures of the design, each beside its floor from the same run. Prints a table, then JSON.
 * Two cores hold everything: load generator, Postgres (fsync on), simulator and Esek.
 */
import { randomBytes } from "node:crypto";
import { readFileSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { localKeyProvider } from "../src/crypto/key-provider.ts";
import { readMerchantFile } from "../src/merchant-file.ts";
import { startSimulator } from "../src/simulator/server.ts";
import { connect, type Sql } from "../src/store/database.ts";
import { startEmbedded } from "../src/store/embedded/server.ts";
import { Keyring } from "../src/store/keyring.ts";
import { applyMerchant, ensureSystem } from "../src/store/merchants.ts";
import { migrate } from "../src/store/migrator.ts";
import { guardBench } from "./guard.ts";
import { type Latencies, round, saturate, steady, summary } from "./load.ts";
import { message, PHONE_ID, post, SECRET, status, TOKEN } from "./payload.ts";
import { type Proc, postgresCpuMs, start } from "./processes.ts";

type Row = { measure: string; value: string; floor: string; aim: string; reached: boolean | "reported" };
const rows: Row[] = [];
const scale = process.env.BENCH_QUICK ? 0.2 : 1;
const dataDir = join(tmpdir(), `esek-bench-${process.pid}`);
const server = await startEmbedded({ dataDir });
const postmaster = Number(readFileSync(join(dataDir, "pg/postmaster.pid"), "utf8").split("\n")[0]);
const masterKey = randomBytes(32);

async function database(name: string): Promise<{ owner: Sql; env: Record<string, string> }> {
  const admin = connect({ socketDir: server.socketDir, max: 1 });
  await admin.unsafe(`create database ${name}`);
  await admin.end();
  const owner = connect({ socketDir: server.socketDir, database: name, max: 2 });
  await migrate(owner);
  const app = connect({ socketDir: server.socketDir, database: name, max: 1, runtimeRole: true });
  const keyring = new Keyring(app, localKeyProvider(masterKey));
  await ensureSystem(app, keyring);
  await applyMerchant(app, keyring, readMerchantFile("merchants/demo/merchant.yaml"));
  await app.end();
  return { owner, env: { SOCKET_DIR: server.socketDir, DATABASE: name, MASTER_KEY: masterKey.toString("base64") } };
}

const simulator = await startSimulator({
  appSecret: SECRET,
  verifyToken: "bench",
  accessToken: TOKEN,
  seed: 1,
  settings: {
    throughputLimit: false,
    pairRateLimit: false,
    sentDelayMs: 1,
    deliveredDelayMs: 1,
    receipts: ["sent", "delivered"],
  },
});
const control = (path: string, body: unknown) =>
  fetch(`${simulator.url}/_sim/${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });

function log(text: string): void {
  console.error(`bench: ${text}`);
}

function add(row: Row): void {
  rows.push(row);
  log(`${row.measure}: ${row.value}${row.floor ? ` (floor ${row.floor})` : ""}`);
}

/** Messages the simulator has accepted; read receipts are not among them. */
const posted = () => simulator.ledger.list({ after: 0, kind: "message", outcome: "accepted" }).length;

const show = (value: Latencies) =>
  `${value.perSecond}/s, p50 ${value.p50} p99 ${value.p99} max ${value.max} ms${value.failed ? `, ${value.failed} FAILED` : ""}`;

async function ingest(): Promise<void> {
  const count = Math.round(12_000 * scale);
  const messages = () => Array.from({ length: count }, (_, n) => post([message(n % 3000, `Question number ${n}`)]));
  const { env, owner } = await database("bench_ingest");
  const floorRow = await withProcess("floor.ts", { ...env, FLOOR: "row" }, (proc) =>
    saturate(proc.port, messages(), 64),
  );
  const floorGroup = await withProcess("floor.ts", { ...env, FLOOR: "group" }, (proc) =>
    saturate(proc.port, messages(), 64),
  );
  await withProcess("target.ts", { ...env, ROLE: "web", GRAPH_URL: simulator.url }, async (proc) => {
    await saturate(proc.port, messages().slice(0, 2000), 64);
    const ours = await saturate(proc.port, messages(), 64);
    add({
      measure: "ingest, 1 message per POST, 64 connections",
      value: show(ours),
      floor: `group ${show(floorGroup)}; row ${show(floorRow)}`,
      aim: ">= 0.5 x group floor and > row floor",
      reached: ours.perSecond >= 0.5 * floorGroup.perSecond && ours.perSecond > floorRow.perSecond,
    });
    const tens = Array.from({ length: Math.round(count / 10) }, (_, n) =>
      post(Array.from({ length: 10 }, (_, k) => message((n * 10 + k) % 3000, `Question number ${n}-${k}`))),
    );
    const batched = await saturate(proc.port, tens, 64);
    add({
      measure: "ingest, 10 events per POST",
      value: `${batched.perSecond * 10} events/s, p99 ${batched.p99} ms`,
      floor: `group ${floorGroup.perSecond}/s`,
      aim: ">= 3,000 events/s",
      reached: batched.perSecond * 10 >= 3000,
    });
    const mixed = await steady(
      proc.port,
      (n) => (n % 4 === 0 ? post([message(n % 3000, `Question ${n}`)]) : post([], [status(n)])),
      1000,
      Math.max(3, 15 * scale),
    );
    add({
      measure: "ack at 1,000 POSTs/s, 3 statuses : 1 message",
      value: `${show(mixed)}, p99.9 ${mixed.p999} ms`,
      floor: "",
      aim: "p99 < 50 ms, p99.9 < 250 ms",
      reached: mixed.p99 < 50 && mixed.p999 < 250 && mixed.failed === 0,
    });
  });
  await owner.end();
}

/** One message at a time, from its webhook to the POST at Graph: in one process, and with the webhook and the workers in two. */
async function idle(): Promise<void> {
  const { env, owner } = await database("bench_idle");
  const own = { ...env, GRAPH_URL: simulator.url, INSTANT_MODEL: "1" };
  await withProcess("target.ts", own, async (proc) => {
    const { p50, p99 } = await oneByOne(proc.port, 0);
    add({
      measure: "webhook -> Graph call, idle, burst window 0",
      value: `p50 ${p50} p99 ${p99} ms`,
      floor: "",
      aim: "p50 < 20 ms",
      reached: p50 < 20,
    });
  });
  await withProcess("target.ts", { ...own, ROLE: "worker" }, () =>
    withProcess("target.ts", { ...own, ROLE: "web" }, async (web) => {
      const { p50, p99 } = await oneByOne(web.port, 10_000);
      add({
        measure: "webhook -> Graph call, idle, across nodes",
        value: `p50 ${p50} p99 ${p99} ms`,
        floor: "",
        aim: "p50 < 80 ms",
        reached: p50 < 80,
      });
    }),
  );
  await owner.end();
}

async function oneByOne(port: number, from: number): Promise<Latencies> {
  const samples = Math.round(200 * scale);
  const times: number[] = [];
  for (let n = 0; n < samples + 20; n++) {
    const before = simulator.ledger.size;
    const begun = performance.now();
    await saturate(port, [post([message(from + n, `Idle question ${from + n}`)])], 1);
    while (simulator.ledger.size === before) await new Promise(setImmediate);
    if (n >= 20) times.push(performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return summary(times, 0, 1000);
}

async function turns(): Promise<void> {
  const { env, owner } = await database("bench_turns");
  const count = Math.round(3000 * scale);
  // Everything is kept first, by a process that takes no turns; then a worker starts on the backlog.
  const web = await start("target.ts", { ...env, ROLE: "web", GRAPH_URL: simulator.url });
  await saturate(
    web.port,
    Array.from({ length: count }, (_, n) => post([message(n, `Turn question ${n}`)])),
    64,
  );
  await web.stop();
  await control("faults", { kind: "stall", ms: 600_000, next: 1_000_000 });
  const begunCpu = postgresCpuMs(postmaster);
  const worker = await start("target.ts", { ...env, ROLE: "worker", GRAPH_URL: simulator.url, INSTANT_MODEL: "1" });
  const begun = performance.now();
  const cpuStart = (await worker.usage()).cpuMs;
  await until(
    async () =>
      (
        await owner<
          { n: number }[]
        >`select count(*)::int as n from mailbox where kind = 'conversation' and handled_seq < last_seq`
      )[0]!.n === 0,
    120_000,
  );
  const seconds = (performance.now() - begun) / 1000;
  const usage = await worker.usage();
  const perSecond = Math.round(count / seconds);
  add({
    measure: "turns to a committed outbox, instant model",
    value: `${perSecond}/s`,
    floor: "",
    aim: ">= 500/s",
    reached: perSecond >= 500,
  });
  const own = round((usage.cpuMs - cpuStart) / count);
  const theirs = round((postgresCpuMs(postmaster) - begunCpu) / count);
  add({
    measure: "CPU per turn, ours / Postgres",
    value: `${own} / ${theirs} ms`,
    floor: "",
    aim: "<= 6 ms together",
    reached: own + theirs <= 6,
  });
  add({
    measure: "resident memory of our process under load",
    value: `${usage.rssMb} MB`,
    floor: "",
    aim: "< 350 MB",
    reached: usage.rssMb < 350,
  });
  if (process.env.PROF) await worker.stop();
  else worker.child.kill("SIGKILL");
  await fetch(`${simulator.url}/_sim/faults`, { method: "DELETE" });
  await owner.end();
}

async function whole(): Promise<void> {
  const { env, owner } = await database("bench_whole");
  const count = Math.round(2000 * scale);
  await withProcess("target.ts", { ...env, GRAPH_URL: simulator.url, INSTANT_MODEL: "1" }, async (proc) => {
    await control("webhook-url", { url: `http://127.0.0.1:${proc.port}/webhooks/whatsapp` });
    await control("phones", { id: PHONE_ID, throughputMps: 1000 });
    await withMerchant(owner, async (tx) => tx`update phone set throughput_mps = 1000`);
    const begun = performance.now();
    await saturate(
      proc.port,
      Array.from({ length: count }, (_, n) => post([message(n, `Whole question ${n}`)])),
      64,
    );
    await until(
      async () =>
        (
          await withMerchant(
            owner,
            (tx) => tx<{ n: number }[]>`select count(*)::int as n from send_attempt where status_rank >= 2`,
          )
        )[0]!.n >= count,
      120_000,
    );
    const perSecond = Math.round((count / (performance.now() - begun)) * 1000);
    add({
      measure: "webhook -> delivered, simulator included",
      value: `${perSecond}/s`,
      floor: "",
      aim: ">= 150/s",
      reached: perSecond >= 150,
    });
  });
  await owner.end();
}

async function resume(): Promise<void> {
  const { env, owner } = await database("bench_resume");
  const doomed = await start("target.ts", { ...env, GRAPH_URL: simulator.url });
  await control("model", { rules: [{ when: "slow", delayMs: 60_000, reply: "late" }] });
  await saturate(doomed.port, [post([message(1, "slow question")])], 1);
  await until(
    async () =>
      (
        await owner<
          { n: number }[]
        >`select count(*)::int as n from mailbox where kind = 'conversation' and token is not null`
      )[0]!.n === 1,
    10_000,
  );
  await fetch(`${simulator.url}/_sim/model`, { method: "DELETE" });
  const before = posted();
  doomed.child.kill("SIGKILL");
  const begun = performance.now();
  await withProcess("target.ts", { ...env, GRAPH_URL: simulator.url, INSTANT_MODEL: "1" }, async () => {
    await until(async () => posted() > before, 30_000);
    const took = round((performance.now() - begun) / 1000);
    add({
      measure: "resume after kill -9: killed -> reply posted",
      value: `${took} s`,
      floor: "lease 6 s",
      aim: "< 10 s",
      reached: took < 10,
    });
  });
  await owner.end();
}

async function claimFlat(): Promise<void> {
  const { owner, env } = await database("bench_claim");
  const known = Math.round(1_000_000 * scale);
  await owner`insert into mailbox (id, merchant_id, kind, phone_id, contact_id) select gen_random_uuid(), '00000000-0000-0000-0000-000000000001', 'conversation', '00000000-0000-0000-0000-000000000002', gen_random_uuid() from generate_series(1, ${known})`;
  await owner`analyze mailbox`;
  const times: number[] = [];
  for (let n = 0; n < 200; n++) {
    await owner`update mailbox set due_at = clock_timestamp() where id = (select id from mailbox where kind = 'conversation' limit 1)`;
    const begun = performance.now();
    await owner`update mailbox m set token = gen_random_uuid(), lease_until = clock_timestamp() + interval '6 s' from (select id from mailbox where kind = 'conversation' and due_at <= clock_timestamp() and due_at < 'infinity'
      and (lease_until is null or lease_until < clock_timestamp()) order by due_at for update skip locked limit 32) due where m.id = due.id returning m.id`;
    times.push(performance.now() - begun);
    await owner`update mailbox set token = null, lease_until = null, due_at = 'infinity' where token is not null`.catch(
      () => {},
    );
  }
  const result = summary(times, 0, 1000);
  add({
    measure: `claim with ${known.toLocaleString("en")} known conversations`,
    value: `p50 ${result.p50} p99 ${result.p99} ms`,
    floor: "",
    aim: "< 5 ms",
    reached: result.p50 < 5,
  });
  void env;
  await owner.end();
}

async function withProcess<T>(file: string, env: Record<string, string>, work: (proc: Proc) => Promise<T>): Promise<T> {
  const proc = await start(file, env);
  try {
    return await work(proc);
  } finally {
    await proc.stop();
  }
}

async function withMerchant<T>(owner: Sql, work: (tx: import("postgres").TransactionSql) => Promise<T>): Promise<T> {
  const [route] = await owner<{ id: string }[]>`select merchant_id as id from route limit 1`;
  return (await owner.begin(async (tx) => {
    await tx`select set_config('app.merchant_ids', ${`{${route!.id}}`}, true)`;
    return work(tx);
  })) as T;
}

async function until(isTrue: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error("the bench waited too long");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

try {
  const only = process.env.BENCH_ONLY?.split(",");
  const parts: Record<string, () => Promise<void>> = {
    ingest,
    idle,
    turns,
    whole,
    resume,
    claim: claimFlat,
    guard: async () => guardBench().forEach(add),
  };
  for (const [name, part] of Object.entries(parts)) if (!only || only.includes(name)) await part();
} finally {
  await simulator.stop();
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
const width = (name: "measure" | "value" | "aim") => Math.max(...rows.map((row) => row[name].length));
for (const row of rows)
  console.log(
    `${row.reached === true ? "reached " : row.reached === false ? "MISSED  " : "        "}${row.measure.padEnd(width("measure"))}  ${row.value.padEnd(width("value"))}  aim ${row.aim}${row.floor ? `  [${row.floor}]` : ""}`,
  );
console.log(JSON.stringify({ at: new Date().toISOString(), cores: cpus().length, node: process.version, rows }));
process.exit(0);
