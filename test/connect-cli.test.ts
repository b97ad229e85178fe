import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { freePort } from "./crash.ts";
import { PHONE_ID, WABA_ID } from "./secrets.ts";

type Result = { code: number | null; out: string; err: string };

const ROOT = join(import.meta.dirname, "..");
const FILE = "merchants/demo/merchant.yaml";
const PIN = "161803";

let folder: string;
let dataDir: string;
let port: number;
let demo: ChildProcess;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "esek-connect-"));
  chmodSync(folder, 0o755);
  dataDir = join(folder, "data");
  port = await freePort();
  demo = spawn(process.execPath, ["src/main.ts"], { cwd: ROOT, env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  demo.stdout!.on("data", (chunk: Buffer) => (said += chunk));
  const deadline = Date.now() + 20_000;
  while (!said.includes("/webhooks/whatsapp")) {
    if (Date.now() > deadline || demo.exitCode !== null) throw new Error("the demo did not start");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});
afterAll(async () => {
  await new Promise((resolve) => {
    demo.once("exit", resolve);
    demo.kill("SIGTERM");
  });
  rmSync(folder, { recursive: true, force: true });
});

function environment(more: Record<string, string> = {}): NodeJS.ProcessEnv {
  const clean = Object.entries(process.env).filter(
    ([name]) => !/^(ESEK|META|OPENAI|GRAPH|DATABASE|PORT|PG|DEMO)/.test(name),
  );
  return { ...Object.fromEntries(clean), ESEK_DATA_DIR: dataDir, PORT: String(port), ...more };
}

function esek(args: string[], more: { env?: Record<string, string>; stdin?: string } = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["src/cli/main.ts", ...args], { cwd: ROOT, env: environment(more.env) });
    const result: Result = { code: null, out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => (result.out += chunk));
    child.stderr.on("data", (chunk: Buffer) => (result.err += chunk));
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...result, code }));
    child.stdin.end(more.stdin ?? "");
  });
}

const simulator = () => (JSON.parse(readFileSync(join(dataDir, "simulator.json"), "utf8")) as { url: string }).url;
async function control(path: string, body: object): Promise<void> {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${simulator()}/_sim/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  expect(answer.status).toBe(200);
}
/** The demo's file for another merchant, of another WABA. */
function merchantFile(slug: string, wabaId: string, phoneId: string, change = (yaml: string) => yaml): string {
  for (const name of ["prompt.md", "knowledge"])
    cpSync(join(ROOT, "merchants/demo", name), join(folder, name), { recursive: true });
  const yaml = readFileSync(join(ROOT, FILE), "utf8")
    .replace("slug: demo", `slug: ${slug}`)
    .replace(WABA_ID, wabaId)
    .replace(PHONE_ID, phoneId)
    .replace("DEMO_ACCESS_TOKEN", `${slug.toUpperCase()}_TOKEN`)
    .replace("506914307656634", `9${wabaId}`);
  writeFileSync(join(folder, `${slug}.yaml`), change(yaml));
  return join(folder, `${slug}.yaml`);
}
/** Live mode over the demo's database, with the simulator as Meta. */
const live = () => ({
  META_APP_ID: "670843887433847",
  META_APP_SECRET: "demo-app-secret",
  META_VERIFY_TOKEN: "demo-verify-token",
  ESEK_MASTER_KEY: readFileSync(join(dataDir, "master.key"), "utf8").trim(),
  GRAPH_API_URL: simulator(),
  OPENAI_BASE_URL: `${simulator()}/v1`,
  OPENAI_API_KEY: "any",
});

describe("merchant connect, at the command line", () => {
  it("connects the demo's file; PIN from the environment; a second time everything is there already", async () => {
    await control("phones", { id: PHONE_ID, status: "PENDING", pin: PIN });
    const wrong = await esek(["merchant", "connect", FILE], { env: { ESEK_PIN: "000000" } });
    expect(wrong.code).toBe(1);
    expect(wrong.out).toMatch(/^BAD {3}registration 106540352242922: Meta refused: wrong two-step .*133005/m);
    const first = await esek(["merchant", "connect", FILE], { env: { ESEK_PIN: PIN } });
    expect([first.code, first.err]).toEqual([0, ""]);
    expect(first.out).toMatch(/^ok {4}registration 106540352242922: registered$/m);
    expect(first.out).toMatch(/^ok {4}webhook, end to end: .*a signed event arrived$/m);
    const second = await esek(["merchant", "connect", FILE]);
    expect(second.code).toBe(0);
    expect(second.out).toMatch(/registered \(already\)$/m);
    for (const { out, err } of [wrong, first, second]) expect(out + err).not.toMatch(/161803|000000|demo-access-token/);
  });

  it("by ids, with token and PIN from stdin: kept, and neither printed nor in the arguments", async () => {
    await control("phones", { id: PHONE_ID, status: "PENDING", pin: PIN });
    await control("settings", { tokens: { "stdin-canary": { wabaIds: [WABA_ID] } } });
    const args = ["merchant", "connect", "--slug", "demo", "--waba", WABA_ID, "--number", PHONE_ID];
    const given = { stdin: `stdin-canary\n${PIN}\n`, env: live() };
    const { code, out, err } = await esek([...args, "--token-stdin", "--pin-stdin"], given);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toContain("merchant: demo; the token is kept encrypted");
    expect(out).not.toMatch(/canary|161803/);
    const again = await esek(args, { env: live() });
    expect([again.code, again.out]).toEqual([0, expect.stringContaining("merchant: demo (already)")]);
  });

  it("a merchant whose token came by stdin answers its customers with it, in the process that was running already", async () => {
    await control("phones", { id: "703000000", wabaId: "503000000", displayNumber: "+1 555-000-0703" });
    await control("settings", { tokens: { "kept-canary": { wabaIds: ["503000000"] } } });
    const file = merchantFile("kept", "503000000", "703000000");
    const connected = await esek(["merchant", "connect", file, "--token-stdin"], { stdin: "kept-canary" });
    expect([connected.code, connected.out.includes("canary")]).toEqual([0, false]);
    await new Promise((resolve) => setTimeout(resolve, 3200));
    const from = "972500000802";
    const message = { type: "text", text: { body: "When do you deliver?" } };
    await control("inbound", { phoneId: "703000000", from, message });
    const sent = async () => {
      const answer = await fetch(`${simulator()}/_sim/thread?user=${from}&phoneId=703000000`);
      return ((await answer.json()) as { items: { direction: string }[] }).items.filter(
        (item) => item.direction === "out",
      );
    };
    const deadline = Date.now() + 10_000;
    while ((await sent()).length === 0 && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await sent()).toHaveLength(1);
  });

  it("says what it needs", async () => {
    const missing = await esek(["merchant", "connect", "--slug", "demo"]);
    expect([missing.code, missing.err]).toEqual([1, expect.stringContaining("all of --slug, --waba and --number")]);
    const empty = await esek(["merchant", "connect", FILE, "--token-stdin"]);
    expect([empty.code, empty.err]).toEqual([1, expect.stringContaining("access token was expected on stdin")]);
    const pin = await esek(["merchant", "connect", FILE, "--pin-stdin"], { stdin: "12345canary\n" });
    expect([pin.code, pin.err]).toEqual([1, "esek: A PIN has six digits.\n"]);
  });
});

describe("doctor --live", () => {
  const lines = (out: string, slug: string) =>
    out
      .split("\n")
      .filter((line) => line.includes(`  ${slug}, `))
      .map((line) => line.replace(/^(\S+)\s+\S+ (.*?): .*/, "$1 $2"));

  it("a complete merchant has nothing left but opt-ins; the key is the demo's own", async () => {
    await fetch(`${simulator()}/v26.0/${PHONE_ID}/whatsapp_business_profile`, {
      method: "POST",
      headers: { authorization: "Bearer demo-access-token", "content-type": "application/json" },
      body: JSON.stringify({ messaging_product: "whatsapp", email: "support@demo-shop.example" }),
    });
    const { code, out } = await esek(["doctor", "--live"], {
      env: { ...live(), DEMO_ACCESS_TOKEN: "demo-access-token" },
    });
    expect(lines(out, "demo")).toEqual([
      "ok token",
      "ok number",
      "ok webhooks",
      "ok callback",
      "ok support contact",
      "ok escalation",
      "ok fallback template",
      "warn opt-in",
    ]);
    expect(out).toMatch(/^ok {4}model demo-model: answers$/m);
    expect(out).toMatch(/^BAD {3}master key: the demo's own/m);
    expect(code).toBe(1);
    expect(out).not.toContain("demo-access-token");
  });

  it("an opt-in on record settles the last of it, and a token close to its end is told", async () => {
    const proof = JSON.stringify({
      person: "+972500000801",
      scope: "utility",
      at: new Date().toISOString(),
      proof: "form",
    });
    writeFileSync(join(folder, "optins.jsonl"), `${proof}\n`);
    await esek(["consent", "import", join(folder, "optins.jsonl"), "--merchant", "demo"]);
    await control("settings", { tokens: { short: { expiresAt: Date.now() + 3 * 86_400_000 } } });
    const { out } = await esek(["doctor", "--live"], { env: { ...live(), DEMO_ACCESS_TOKEN: "short" } });
    expect(out).toMatch(/^warn {2}demo, token: ends on/m);
    expect(out).toMatch(/^ok {4}demo, opt-in: 1 on record$/m);
  });

  it("a bare merchant: everything that blocks it is named; in demo mode the mode is", async () => {
    await control("wabas", { id: "502000000", notify: false });
    const homePage = (yaml: string) => yaml.replace("support@demo-shop.example", "https://demo-shop.example");
    await esek(["merchant", "apply", merchantFile("bare", "502000000", "702000000", homePage)]);
    const { code, out } = await esek(["doctor", "--live"]);
    expect(code).toBe(1);
    expect(out).toMatch(/^BAD {3}mode: demo/m);
    expect(lines(out, "bare")).toEqual([
      "BAD token",
      "BAD number",
      "BAD webhooks",
      "warn callback",
      "BAD support contact",
      "BAD escalation",
      "BAD fallback template",
      "warn opt-in",
    ]);
  });

  it("plain doctor asks nobody and stays as it was", async () => {
    const { out } = await esek(["doctor"]);
    expect(out).not.toContain("demo, token");
  });
});
