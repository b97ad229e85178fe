import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { connect, type Sql } from "../src/store/database.ts";
import { startEmbedded } from "../src/store/embedded/server.ts";
import { freePort } from "./crash.ts";
import { until } from "./scene.ts";
import type { ThreadItem } from "./world.ts";

type Result = { code: number | null; out: string; err: string };

const ROOT = join(import.meta.dirname, "..");
const DANA = "972500000951";
const NOA = "972500000952";
const ERASED = "972500000953";

// Every command here starts a process, most of them a Postgres.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let folder: string;
let home: string;
let file: string;
let port: number;
let demo: ChildProcess | undefined;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "esek-backup-"));
  chmodSync(folder, 0o755);
  home = join(folder, "home");
  file = join(folder, "esek.backup");
  port = await freePort();
  demo = await start(home);
  await say(home, DANA, "When do you deliver?");
  await say(home, ERASED, "I am here, too");
  await replies(home, DANA, 1);
  await replies(home, ERASED, 1);
  await atRest(home);
});
afterAll(async () => {
  if (demo) await ended(demo, "SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

function environment(dataDir: string, extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(ESEK|META|OPENAI|GRAPH|DATABASE|PORT|PG)/.test(name),
  );
  return { ...Object.fromEntries(clean), ESEK_DATA_DIR: dataDir, PORT: String(port), ...extra };
}

async function start(dataDir: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["src/main.ts"], {
    cwd: ROOT,
    env: environment(dataDir),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk));
  child.stderr.on("data", (chunk: Buffer) => (said += chunk));
  await until(async () => said.includes("/webhooks/whatsapp") || child.exitCode !== null, 20_000);
  if (child.exitCode !== null) throw new Error(`the demo did not start: ${said}`);
  return child;
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => resolve());
    child.kill(signal);
  });
}

function begin(dataDir: string, args: string[], options: { env?: NodeJS.ProcessEnv; input?: string } = {}) {
  const child = spawn(process.execPath, ["src/cli/main.ts", ...args], {
    cwd: ROOT,
    env: environment(dataDir, options.env),
  });
  const result: Result = { code: null, out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => (result.out += chunk));
  child.stderr.on("data", (chunk: Buffer) => (result.err += chunk));
  child.stdin.end(options.input ?? "");
  const done = new Promise<Result>((resolve) => child.on("close", (code) => resolve({ ...result, code })));
  return { child, done };
}

const esek = (dataDir: string, ...args: string[]) => begin(dataDir, args).done;

function simulator(dataDir: string): string {
  return (JSON.parse(readFileSync(join(dataDir, "simulator.json"), "utf8")) as { url: string }).url;
}

async function say(dataDir: string, from: string, text: string): Promise<void> {
  await fetch(`${simulator(dataDir)}/_sim/inbound`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ from, message: { type: "text", text: { body: text } } }),
  });
}

async function heard(dataDir: string, user: string): Promise<ThreadItem[]> {
  const response = await fetch(`${simulator(dataDir)}/_sim/thread?user=${user}`);
  return ((await response.json()) as { items: ThreadItem[] }).items.filter((item) => item.direction === "out");
}

const replies = (dataDir: string, user: string, count: number) =>
  until(async () => {
    const items = await heard(dataDir, user);
    return items.length >= count && items;
  }, 20_000);

/** Work with the database of a data folder, past row-level security, whether a server runs there or not. */
async function inDatabase<T>(dataDir: string, work: (sql: Sql) => Promise<T>): Promise<T> {
  const server = await startEmbedded({ dataDir });
  const sql = connect({ socketDir: server.socketDir, user: "esek_admin", max: 1 });
  try {
    return await work(sql);
  } finally {
    await sql.end({ timeout: 2 });
    await server.stop();
  }
}

const atRest = (dataDir: string) =>
  until(
    () =>
      inDatabase(dataDir, async (sql) => {
        const [row] = await sql<
          { busy: number }[]
        >`select (select count(*) from send_attempt where status is distinct from 'read')::int
          + (select count(*) from mailbox where kind = 'conversation' and due_at < 'infinity')::int as busy`;
        return row!.busy === 0;
      }),
    20_000,
  );

/** Every row of every table as text, but the leases, which move by themselves. */
async function allRows(sql: Sql): Promise<Record<string, string[]>> {
  const tables = await sql<
    { name: string }[]
  >`select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r' and relname not in ('restore_hold') order by 1`;
  const found: Record<string, string[]> = {};
  for (const { name } of tables) {
    const rows = await sql.unsafe<{ row: string }[]>(
      `select (to_jsonb(t) - 'token' - 'lease_until' - 'applied_at')::text as row from ${name} t order by 1`,
    );
    found[name] = rows.map(({ row }) => row);
  }
  return found;
}

/** An empty data folder with the master key of another. */
function freshHome(name: string, keyOf = home): string {
  const dataDir = join(folder, name);
  mkdirSync(dataDir);
  chmodSync(dataDir, 0o755);
  copyFileSync(join(keyOf, "master.key"), join(dataDir, "master.key"));
  return dataDir;
}

describe("backup", () => {
  let before: Record<string, string[]>;

  it("writes one sealed file while Esek runs, and never over another", async () => {
    before = await inDatabase(home, allRows);
    const { code, out, err } = await esek(home, "backup", file);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(/\d+ rows of \d+ tables as of .*Z, sealed under master key [0-9a-f]{16}/);
    expect(out).toContain("The key is not in the file");
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(existsSync(`${file}.partial`)).toBe(false);
    const bytes = readFileSync(file);
    for (const secret of ["When do you deliver", DANA, "demo", "ciphertext"])
      expect(bytes.includes(secret)).toBe(false);
    const again = await esek(home, "backup", file);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining("is there already")]);
    expect(readFileSync(file)).toEqual(bytes);
  });

  it("comes back into a fresh data folder row by row", async () => {
    const dataDir = freshHome("round-trip");
    const { code, out, err } = await esek(dataDir, "restore", file);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("Nothing is sent now, replies included");
    expect(out).toContain("restore --acknowledge-opt-outs");
    const after = await inDatabase(dataDir, allRows);
    expect(Object.keys(after).length).toBeGreaterThan(25);
    expect(after).toEqual(before);
    expect(after.inbox!.length).toBeGreaterThan(1);
    const leftover = await inDatabase(
      dataDir,
      (sql) => sql`select datname from pg_database where datname like 'esek_%'`,
    );
    expect([...leftover]).toEqual([]);
  });
});

describe("a restore is refused before anything is touched", () => {
  const untouched = (dataDir: string) => expect(existsSync(join(dataDir, "pg"))).toBe(false);
  const damagedCopy = (change: (bytes: Buffer) => Buffer) => {
    const path = join(folder, `damaged-${Math.random()}`);
    writeFileSync(path, change(Buffer.from(readFileSync(file))));
    return path;
  };
  const headerLength = () => readFileSync(file).readUInt32BE(8);

  it("without the key, and with another", async () => {
    const none = join(folder, "no-key");
    const first = await esek(none, "restore", file);
    expect([first.code, first.err]).toEqual([1, expect.stringContaining("There is no master key")]);
    expect(existsSync(join(none, "master.key"))).toBe(false);
    const wrong = begin(none, ["restore", file], { env: { ESEK_MASTER_KEY: Buffer.alloc(32, 7).toString("base64") } });
    expect(await wrong.done).toMatchObject({ code: 1, err: expect.stringContaining("was made with master key") });
    untouched(none);
  });

  it.each([
    ["a changed byte early in the rows", (bytes: Buffer) => flip(bytes, 12 + headerLength() + 40)],
    ["a changed byte at the end", (bytes: Buffer) => flip(bytes, bytes.length - 1)],
    [
      "a changed row count in the head",
      (bytes: Buffer) => replaceIn(bytes, /"rows":(\d)/, (digit) => `"rows":${(Number(digit) + 1) % 10}`),
    ],
    ["a file cut short", (bytes: Buffer) => bytes.subarray(0, bytes.length - 100)],
    ["a file without its rows", (bytes: Buffer) => bytes.subarray(0, 12 + headerLength())],
    ["something added", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("x")])],
  ])("%s", async (_what, change) => {
    const dataDir = freshHome(`damaged-home-${Math.random()}`);
    const { code, out, err } = await esek(dataDir, "restore", damagedCopy(change));
    expect([code, out, err]).toEqual([1, "", expect.stringMatching(/damaged/)]);
    untouched(dataDir);
  });

  it("a file that is no backup, and one of a newer Esek", async () => {
    const dataDir = freshHome("foreign");
    const foreign = await esek(dataDir, "restore", join(ROOT, "package.json"));
    expect([foreign.code, foreign.err]).toEqual([1, expect.stringContaining("is not a backup")]);
    const newer = damagedCopy((bytes) => {
      const header = JSON.parse(bytes.subarray(12, 12 + headerLength()).toString()) as { migrations: unknown[] };
      header.migrations.push({ version: 9999, name: "9999_future.sql", checksum: "x" });
      const text = Buffer.from(JSON.stringify(header));
      const length = Buffer.alloc(4);
      length.writeUInt32BE(text.length);
      return Buffer.concat([bytes.subarray(0, 8), length, text, bytes.subarray(12 + headerLength())]);
    });
    const refused = await esek(dataDir, "restore", newer);
    expect([refused.code, refused.err]).toEqual([1, expect.stringContaining("9999_future.sql")]);
    untouched(dataDir);
  });

  it("while Esek runs there, and over a database with merchants unless told so", async () => {
    const running = await esek(home, "restore", file, "--replace");
    expect([running.code, running.err]).toEqual([1, expect.stringContaining("Esek runs here")]);
    const { code, err } = await esek(join(folder, "round-trip"), "restore", file);
    expect([code, err]).toEqual([1, expect.stringContaining("--replace")]);
  });
});

function flip(bytes: Buffer, at: number): Buffer {
  bytes[at]! ^= 1;
  return bytes;
}

function replaceIn(bytes: Buffer, pattern: RegExp, by: (found: string) => string): Buffer {
  return Buffer.from(
    bytes.toString("latin1").replace(pattern, (_all, found: string) => by(found)),
    "latin1",
  );
}

describe("after a restore", () => {
  const dataDir = () => join(folder, "round-trip");

  it("a customer gets no answer, their STOP is honoured, and doctor says why nothing leaves", async () => {
    await ended(demo!, "SIGTERM");
    demo = await start(dataDir());
    await say(dataDir(), DANA, "And on Friday?");
    await say(dataDir(), NOA, "STOP");
    const deferred = () =>
      inDatabase(
        dataDir(),
        (sql) => sql`select 1 from outbox where state = 'deferred' and state_reason = 'restored-unconfirmed'`,
      );
    await until(async () => (await deferred()).length === 2, 20_000);
    const [standing] = (await esek(dataDir(), "consent", "show", `+${NOA}`, "--merchant", "demo")).out.split("\n");
    expect(JSON.parse(standing!)).toMatchObject({ marketing: { isSuppressed: true } });
    const doctor = await esek(dataDir(), "doctor");
    expect(doctor.out).toMatch(/^BAD\s+sending: held: restored from a backup/m);
    const calls = await fetch(`${simulator(dataDir())}/_sim/ledger?limit=1000`);
    const { entries } = (await calls.json()) as { entries: { kind: string }[] };
    expect(entries.filter((entry) => entry.kind === "message" || entry.kind === "receipt")).toEqual([]);
    expect([...(await heard(dataDir(), DANA)), ...(await heard(dataDir(), NOA))]).toEqual([]);
  });

  it("opt-outs from elsewhere come in by consent import; acknowledged, what waited leaves at once", async () => {
    const optOuts = join(folder, "optouts.jsonl");
    const line = {
      person: `+${ERASED}`,
      scope: "all",
      at: new Date().toISOString(),
      proof: "said so after the backup",
      act: "opt-out",
    };
    writeFileSync(optOuts, JSON.stringify(line));
    const imported = await esek(dataDir(), "consent", "import", optOuts, "--merchant", "demo");
    expect(JSON.parse(imported.out)).toEqual({ imported: 0, pending: 0, stopped: 1 });
    const { code, out } = await esek(dataDir(), "restore", "--acknowledge-opt-outs", "--actor", "tests");
    expect([code, out]).toEqual([0, expect.stringMatching(/acknowledged by tests: .* 2 waiting/)]);
    const [answer] = await replies(dataDir(), DANA, 1);
    expect(answer!.text).toContain("3 working days");
    await replies(dataDir(), NOA, 1);
    expect((await esek(dataDir(), "restore", "--acknowledge-opt-outs")).out).toContain("nothing is held");
    expect((await esek(dataDir(), "doctor")).out).not.toContain("held: restored");
    await atRest(dataDir());
  });

  it("a restore that replaces carries the stops and the erasures since the backup over", async () => {
    const erased = await begin(dataDir(), ["contact", "erase", "--merchant", "demo", "--phone-stdin"], {
      input: `+${ERASED}\n`,
    }).done;
    expect([erased.code, erased.err]).toEqual([0, ""]);
    const { proof } = JSON.parse(erased.out) as { proof: { contact: string; erased: { messagesReceived: number } } };
    expect(proof.erased.messagesReceived).toBe(1);
    expect(erased.out).not.toContain(ERASED);
    await ended(demo!, "SIGTERM");
    const { code, out, err } = await esek(dataDir(), "restore", file, "--replace");
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(
      /carried over from the replaced database: \d+ lines of the consent ledger, 1 people erased again/,
    );
    const [standing] = (await esek(dataDir(), "consent", "show", `+${NOA}`, "--merchant", "demo")).out.split("\n");
    expect(JSON.parse(standing!)).toMatchObject({ marketing: { isSuppressed: true } });
    const [other] = (await esek(dataDir(), "consent", "show", `+${ERASED}`, "--merchant", "demo")).out.split("\n");
    expect(JSON.parse(other!)).toMatchObject({ utility: { isSuppressed: true } });
    const [contact] = await inDatabase(
      dataDir(),
      (sql) => sql`select erased_at is not null as erased, phone_ct from contact where id = ${proof.contact}`,
    );
    expect(contact).toEqual({ erased: true, phone_ct: null });
    const chain = (await esek(dataDir(), "contact", "erasures", "--merchant", "demo")).out.trim().split("\n");
    expect(chain.map((text) => JSON.parse(text) as { by: string; check: string })).toMatchObject([
      { by: "operator", check: "ok" },
      { by: "restore", check: "ok" },
    ]);
  });

  it("killed in the middle, the database that was there is there, and serves", async () => {
    demo = undefined;
    // Enough rows that the middle has a length.
    await inDatabase(
      home,
      (sql) =>
        sql`insert into event_key (merchant_id, key_hash) select gen_random_uuid(), sha256(i::text::bytea) from generate_series(1, 300000) i`,
    );
    const big = join(folder, "big.backup");
    expect((await esek(home, "backup", big)).code).toBe(0);
    const before = await inDatabase(dataDir(), allRows);
    const { child, done } = begin(dataDir(), ["restore", big, "--replace"]);
    const server = await until(
      async () => existsSync(join(dataDir(), "pg", "postmaster.pid")) && startEmbedded({ dataDir: dataDir() }),
      20_000,
    );
    const admin = connect({ socketDir: server.socketDir, user: "esek_admin", database: "postgres", max: 1 });
    await until(
      async () => (await admin`select 1 from pg_database where datname = 'esek_restoring'`).length > 0,
      20_000,
    );
    await until(
      async () =>
        (await admin`select 1 from pg_stat_activity where datname = 'esek_restoring' and query like 'copy %'`).length >
        0,
      20_000,
    );
    child.kill("SIGKILL");
    expect((await done).code).toBeNull();
    await admin.end({ timeout: 2 });
    expect(await inDatabase(dataDir(), allRows)).toEqual(before);
    demo = await start(dataDir());
    await ended(demo, "SIGTERM");
    demo = undefined;
    const leftover = await inDatabase(
      dataDir(),
      (sql) => sql`select datname from pg_database where datname like 'esek_%'`,
    );
    expect([...leftover]).toEqual([]);
    // And the next one is not in the way of what was left.
    const again = await esek(dataDir(), "restore", big, "--replace");
    expect([again.code, again.err]).toEqual([0, ""]);
    const [row] = await inDatabase(dataDir(), (sql) => sql<{ n: number }[]>`select count(*)::int as n from event_key`);
    expect(row!.n).toBeGreaterThan(300_000);
  });
});
