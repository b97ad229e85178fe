import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "./crash.ts";
import type { ThreadItem } from "./world.ts";

type Result = { code: number | null; out: string; err: string };

const ROOT = join(import.meta.dirname, "..");
const PERSON = "972500000701";

let folder: string;
let dataDir: string;
let port: number;
let demo: ChildProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "esek-cli-"));
  chmodSync(folder, 0o755);
  dataDir = join(folder, "data");
  port = await freePort();
  demo = await startDemo();
});
afterAll(async () => {
  await ended(demo, "SIGTERM");
  rmSync(folder, { recursive: true, force: true });
});

function environment(): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(ESEK|META|OPENAI|GRAPH|DATABASE|PORT|PG)/.test(name),
  );
  return { ...Object.fromEntries(clean), ESEK_DATA_DIR: dataDir, PORT: String(port) };
}

/** `npm start` without npm: resolves when it takes messages. */
async function startDemo(): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["src/main.ts"], {
    cwd: ROOT,
    env: environment(),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => (said += chunk));
  child.stderr.on("data", (chunk: Buffer) => (said += chunk));
  const deadline = Date.now() + 15_000;
  while (Date.now() < deadline) {
    if (child.exitCode !== null) break;
    if (said.includes("/webhooks/whatsapp")) return child;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  child.kill("SIGKILL");
  throw new Error(`the demo did not start within 15 s: ${said}`);
}

function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve(child.exitCode);
  return new Promise((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.kill(signal);
  });
}

function esek(...args: string[]): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["src/cli/main.ts", ...args], { cwd: ROOT, env: environment() });
    const result: Result = { code: null, out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => (result.out += chunk));
    child.stderr.on("data", (chunk: Buffer) => (result.err += chunk));
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...result, code }));
  });
}

/** A command that must succeed, and what it printed as JSON lines. */
async function rows<Row = Record<string, unknown>>(...args: string[]): Promise<Row[]> {
  const { code, out, err } = await esek(...args);
  expect([code, err], args.join(" ")).toEqual([0, ""]);
  return jsonLines<Row>(out);
}

function jsonLines<Row = Record<string, unknown>>(text: string): Row[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row);
}

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

async function thread(user: string): Promise<ThreadItem[]> {
  const { url } = JSON.parse(readFileSync(join(dataDir, "simulator.json"), "utf8")) as { url: string };
  return ((await (await fetch(`${url}/_sim/thread?user=${user}`)).json()) as { items: ThreadItem[] }).items;
}

function postgresProcesses(): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
        return line.includes("postgres") && line.includes(join(dataDir, "pg"));
      } catch {
        return false;
      }
    })
    .map(Number);
}

const chat = (text: string, from = PERSON) => esek("simulate", "--from", from, "--text", text);

describe("one demo process and the commands beside it", () => {
  it("doctor finds everything in order, and says so with exit 0", async () => {
    const { code, out } = await esek("doctor");
    expect(code).toBe(0);
    expect(out).toMatch(/^ok\s+database: Postgres \d+/m);
    expect(out).toMatch(/^ok\s+row-level security: forced, runtime role esek_app$/m);
    expect(out).toMatch(/^ok\s+merchant demo: 1 WABA, 1 numbers, keys open$/m);
    expect(out).not.toMatch(/^BAD/m);
  });

  it("simulate --text sends lines as a customer, prints what comes back, and ends", async () => {
    const { code, out } = await chat("When do you deliver?");
    expect(code).toBe(0);
    expect(out).toContain("> When do you deliver?");
    expect(out).toContain("automated assistant");
  });

  it("outbox lists what was sent; explain tells why, by outbox id and by wamid, of a message that came and one that went", async () => {
    const [sent] = await rows<{ id: string; state: string }>("outbox", "--merchant", "demo");
    expect(sent).toMatchObject({ state: "accepted", purpose: "reply", author: "agent" });
    const items = await thread(PERSON);
    const wamids = (["out", "in"] as const).map(
      (direction) => items.find((item) => item.direction === direction)!.wamid,
    );
    const [own, out, inbound, unknown] = await Promise.all(
      [sent!.id, ...wamids, "wamid.nobody"].map((id) => esek("explain", id)),
    );
    const byId = JSON.parse(own!.out);
    expect(byId.decisions).toContainEqual(
      expect.objectContaining({ subject: "outbound", type: "send", replay: "same" }),
    );
    expect(byId.attempts).toHaveLength(1);
    expect(JSON.parse(out!.out)).toMatchObject({ message: byId.message, decisions: byId.decisions });
    expect(JSON.parse(inbound!.out).decisions).toEqual(byId.decisions);
    expect([unknown!.code, unknown!.out]).toEqual([1, ""]);
    expect(unknown!.err).toContain("esek: No merchant has a message");
  });

  it("merchant apply is idempotent; a broken file names its lines, ends with 1 and changes nothing", async () => {
    const good = readFileSync(join(ROOT, "merchants/demo/merchant.yaml"), "utf8");
    cpSync(join(ROOT, "merchants/demo"), folder, { recursive: true });
    const second = write(
      "second.yaml",
      good
        .replace("slug: demo", "slug: second")
        .replace("102290129340398", "202290129340398")
        .replace("106540352242922", "206540352242922"),
    );
    const first = await esek("merchant", "apply", second);
    expect([first.code, first.out]).toEqual([0, expect.stringMatching(/^second: applied \([0-9a-f-]{36}\)\n$/)]);
    expect((await esek("merchant", "apply", second)).out).toBe(first.out.replace("applied", "unchanged"));

    const before = await rows("merchant", "list");
    const broken = write(
      "second.yaml",
      good.replace("slug: demo", "slug: second").replace("country: IL", "country: Israel\nwebsite: x"),
    );
    const refused = await esek("merchant", "apply", broken);
    expect([refused.code, refused.out]).toEqual([1, ""]);
    const line = readFileSync(broken, "utf8").split("\n").indexOf("country: Israel") + 1;
    expect(refused.err).toContain(`${broken}:${line} country: expected ISO 3166 alpha-2, such as IL`);
    expect(refused.err).toContain("website");
    const stolen = await esek("merchant", "apply", write("third.yaml", good.replace("slug: demo", "slug: third")));
    expect([stolen.code, stolen.err]).toEqual([1, expect.stringContaining('belongs to merchant "demo"')]);
    expect(await rows("merchant", "list")).toEqual(before);
  });

  it("apikey create makes a key that works until it is revoked, and is shown only then", async () => {
    const made = await esek("apikey", "create", "--merchant", "demo", "--name", "shop system");
    const key = made.out.trim();
    expect(key).toMatch(/^esek_demo_[0-9a-f]{32}_[\w-]{43}$/);
    const send = (text: string) =>
      fetch(`http://127.0.0.1:${port}/api/v1/messages`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "idempotency-key": text },
        body: JSON.stringify({ to: `+${PERSON}`, text: { body: text } }),
      });
    expect((await send("Your order is packed.")).status).toBe(202);
    const id = made.err.match(/[0-9a-f]{8}-[0-9a-f-]{27}/)![0];
    expect((await esek("apikey", "revoke", id)).code).toBe(0);
    expect((await send("Your order has left.")).status).toBe(401);
    const [listed] = await rows("apikey", "list", "--merchant", "demo");
    expect(listed).toEqual({ id, name: "shop system", scopes: "messages:send", state: "revoked" });
  });

  it("consent record stops at once, and an import never lifts it", async () => {
    const who = "+972500000702";
    const [stopped] = await rows(
      ...[
        "consent",
        "record",
        who,
        "--merchant",
        "demo",
        "--act",
        "opt-out",
        "--scope",
        "marketing",
        "--proof",
        "told us by phone",
      ],
    );
    expect(stopped).toMatchObject({ marketing: { isSuppressed: true, hasOptIn: false }, isStoppedHere: true });
    const proof = { scope: "marketing", at: new Date(Date.now() + 1000).toISOString(), proof: "form of today" };
    const file = write(
      "optins.jsonl",
      `${JSON.stringify({ person: who, ...proof })}\n\n${JSON.stringify({ person: "+972500000703", ...proof })}\n`,
    );
    expect(await rows("consent", "import", file, "--merchant", "demo")).toEqual([{ imported: 1, pending: 1 }]);
    const [standing, ...ledger] = await rows("consent", "show", who, "--merchant", "demo");
    expect(standing).toMatchObject({ marketing: { isSuppressed: true, hasOptIn: false }, hasPendingOptIn: true });
    expect(ledger.map((line) => [line.act, line.source])).toContainEqual(["opt-out", "human"]);
    const [other] = await rows("consent", "show", "+972500000703", "--merchant", "demo");
    expect(other).toMatchObject({ marketing: { isSuppressed: false, hasOptIn: true } });
    const bad = await esek(
      "consent",
      "import",
      write("bad.jsonl", `{"person":"+972500000704"}\n`),
      "--merchant",
      "demo",
    );
    expect([bad.code, bad.err]).toEqual([1, expect.stringContaining("bad.jsonl:1")]);
  });

  it("an unknown merchant is answered with those that exist", async () => {
    const { code, err } = await esek("outbox", "--merchant", "nobody");
    expect([code, err]).toEqual([1, 'esek: There is no merchant "nobody". Known: demo, second.\n']);
  });
});

describe("keys, stops and kills", () => {
  it("after keys rotate and keys rotate --master a restart still reads the old conversation and answers", async () => {
    const wamid = (await thread(PERSON)).find((item) => item.direction === "in")!.wamid;
    const before = (await esek("explain", wamid)).out;
    expect((await esek("keys", "rotate")).out).toContain("data keys rotated for 2 merchants and the system");
    const key = readFileSync(join(dataDir, "master.key"), "utf8");
    expect((await esek("keys", "rotate", "--master")).out).toMatch(/\d+ keys wrapped under the new master key/);
    expect(readFileSync(join(dataDir, "master.key"), "utf8")).not.toBe(key);

    expect(await ended(demo, "SIGTERM")).toBe(0);
    expect(postgresProcesses()).toEqual([]);
    expect(existsSync(join(dataDir, "simulator.json"))).toBe(false);

    demo = await startDemo();
    expect((await esek("explain", wamid)).out).toBe(before);
    const { out } = await chat("Hello");
    expect(out).toContain("tell you about our plants");
    expect(out).not.toContain("automated assistant"); // told once, and the fact was readable
  });

  it("a kill -9 is followed by a start that answers within 15 s and loses nothing", async () => {
    const before = await rows("outbox", "--merchant", "demo");
    await ended(demo, "SIGKILL");
    const killedAt = Date.now();
    demo = await startDemo();
    const { code, out } = await chat("Hello!");
    expect(Date.now() - killedAt).toBeLessThan(15_000);
    expect([code, out]).toEqual([0, expect.stringContaining("tell you about our plants")]);
    expect(await rows("outbox", "--merchant", "demo")).toEqual([expect.anything(), ...before]);
  });

  it("SIGTERM ends it with exit 0 and leaves no postgres process; then a command says that no demo runs", async () => {
    expect(await ended(demo, "SIGTERM")).toBe(0);
    expect(postgresProcesses()).toEqual([]);
    const { code, err } = await chat("Hello?");
    expect([code, err]).toEqual([1, expect.stringContaining("npm start")]);
  });

  it("a command without a running demo brings its own database and takes it away again", async () => {
    expect((await esek("migrate")).out).toMatch(/^database is at \d{4}_\w+\.sql \(\d+ migrations\)\n$/);
    expect(postgresProcesses()).toEqual([]);
  });
});
