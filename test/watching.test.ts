import { createHmac } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readConfig } from "../src/config.ts";
import { createLogger } from "../src/logger.ts";
import { startRuntime } from "../src/runtime.ts";
import { freePort } from "./crash.ts";
import { sent, until } from "./scene.ts";
import { apply, demoMerchant, SECRETS, startWorld, type TestWorld } from "./world.ts";

const ROOT = join(import.meta.dirname, "..");
const ALERTS = parse(readFileSync(join(ROOT, "ops/alerts.yaml"), "utf8")) as {
  groups: { rules: { alert: string; expr: string; annotations: { summary: string; runbook: string } }[] }[];
};
const DASHBOARD = JSON.parse(readFileSync(join(ROOT, "ops/grafana-dashboard.json"), "utf8")) as {
  panels: { title: string; gridPos: { x: number; y: number; w: number; h: number }; targets: { expr: string }[] }[];
};
const rules = ALERTS.groups.flatMap((group) => group.rules);
const panels = DASHBOARD.panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const));

type Sample = { name: string; labels: Record<string, string>; value: number };

let world: TestWorld;
/** Metric names that Prometheus would know, with the suffixes of their type. */
let names: Set<string>;
let samples: Sample[];
let born: Sample[];
let isPoisoned = false;

const base = () => `http://127.0.0.1:${world.runtime.port}`;

/** Everything that an alert watches is made to happen once. */
beforeAll(async () => {
  world = await startWorld({
    wrap: (ports) => ({
      ...ports,
      guard: {
        ...ports.guard,
        check: async (...args) => (isPoisoned ? Promise.reject(new Error("poison")) : ports.guard.check(...args)),
      },
    }),
  });
  born = samplesOf(await scrape());
  await world.say("972500000301", "When do you open?");
  await world.replies("972500000301", 1);
  await world.control("faults", { kind: "accept-drop", next: 1 });
  await world.say("972500000302", "When do you open?");
  await until(async () => sumOf(samplesOf(await scrape()), 'esek_sends_total{outcome="unknown"}') > 0);
  await deadLetter("972500000303");
  await notKept();
  await world.control("faults", { kind: "error", code: 190, next: 1 });
  await world.say("972500000304", "When do you open?");
  await until(async () => sumOf(samplesOf(await scrape()), 'esek_sends_total{code="190"}') > 0);
  const text = await scrape();
  samples = samplesOf(text);
  names = namesOf(text);
});
afterAll(() => world.stop());

async function scrape(): Promise<string> {
  return (await fetch(`${base()}/metrics`)).text();
}

/** A batch that failed as often as a batch may, without the waits between. */
async function deadLetter(from: string): Promise<void> {
  isPoisoned = true;
  await world.say(from, "When do you open?");
  await until(async () => {
    await world.scratch
      .owner`update mailbox set attempts = 5, due_at = clock_timestamp(), backoff_until = null where attempts between 1 and 4`;
    return sumOf(samplesOf(await scrape()), 'esek_notices{kind="dead-letter"}') > 0;
  });
  isPoisoned = false;
}

/** A webhook that the database does not take. */
async function notKept(): Promise<void> {
  const { owner } = world.scratch;
  const message = { from: "972500000305", id: "wamid.x", timestamp: "1795946400", type: "text", text: { body: "hi" } };
  const value = { metadata: { phone_number_id: "106540352242922" }, messages: [message] };
  const body = JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{ id: "102290129340398", changes: [{ field: "messages", value }] }],
  });
  await owner`alter table inbox rename to inbox_gone`;
  try {
    const signature = createHmac("sha256", SECRETS.appSecret).update(body).digest("hex");
    const headers = { "x-hub-signature-256": `sha256=${signature}` };
    expect((await fetch(`${base()}/webhooks/whatsapp`, { method: "POST", body, headers })).status).toBe(503);
  } finally {
    await owner`alter table inbox_gone rename to inbox`;
  }
}

const SUFFIXES: Record<string, string[]> = {
  histogram: ["_bucket", "_sum", "_count"],
  summary: ["", "_sum", "_count"],
};

function namesOf(text: string): Set<string> {
  const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)];
  return new Set(types.flatMap(([, name, type]) => (SUFFIXES[type!] ?? [""]).map((suffix) => name + suffix)));
}

function samplesOf(text: string): Sample[] {
  return [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels, value]) => ({
    name: name!,
    labels: labelsOf(labels ?? ""),
    value: Number(value),
  }));
}

function labelsOf(text: string): Record<string, string> {
  return Object.fromEntries([...text.matchAll(/(\w+)="([^"]*)"/g)].map((match) => [match[1]!, match[2]!]));
}

/** The metrics an expression reads, each with its selector. */
function readsOf(expr: string): { name: string; labels: Record<string, string> }[] {
  return [...expr.matchAll(/\b(esek_\w+)(?:\{([^}]*)\})?/g)].map((match) => ({
    name: match[1]!,
    labels: labelsOf(match[2] ?? ""),
  }));
}

function matching(all: Sample[], { name, labels }: ReturnType<typeof readsOf>[number]): Sample[] {
  const wanted = Object.entries(labels).filter(([label]) => label !== "job"); // Prometheus adds the job.
  return all.filter((sample) => sample.name === name && wanted.every(([key, value]) => sample.labels[key] === value));
}

function sumOf(all: Sample[], selector: string): number {
  return matching(all, readsOf(selector)[0]!).reduce((sum, sample) => sum + sample.value, 0);
}

describe("the Grafana dashboard", () => {
  it("covers what an operator asks for", () => {
    const read = new Set(panels.flatMap(([, expr]) => readsOf(expr).map(({ name }) => name)));
    for (const name of names) {
      const isOurs = !/^esek_(nodejs|process)_/.test(name) && !/_(sum|count|bucket)$/.test(name);
      if (isOurs) expect(read, "a metric that no panel shows").toContain(name);
    }
    for (const name of ["esek_webhook_ack_seconds_bucket", "esek_turn_seconds_bucket", "esek_model_seconds_bucket"])
      expect(read).toContain(name);
    for (const quantile of ["0.5,", "0.99,", "0.999,"])
      expect(panels.filter(([, expr]) => expr.startsWith(`histogram_quantile(${quantile}`))).not.toEqual([]);
  });

  it.each(panels)("%s reads only what /metrics shows: %s", (_title, expr) => {
    const reads = readsOf(expr);
    expect(reads.length).toBeGreaterThan(0);
    for (const read of reads) {
      expect(names).toContain(read.name);
      expect(matching(samples, read), "no sample of that name and those labels").not.toEqual([]);
      const grouped = (expr.match(/by \(([^)]*)\)/)?.[1] ?? "").split(",").map((label) => label.trim());
      for (const label of grouped.filter(Boolean))
        expect(
          matching(samples, read).some((sample) => label in sample.labels),
          label,
        ).toBe(true);
    }
  });

  it("no panel lies over another", () => {
    const places = DASHBOARD.panels.map(({ gridPos }) => `${gridPos.x} ${gridPos.y}`);
    expect(new Set(places).size).toBe(places.length);
  });
});

describe("the alert rules", () => {
  it.each(rules.map((rule) => [rule.alert, rule] as const))(
    "%s names a metric that is there, and a page that is",
    (_name, rule) => {
      for (const read of readsOf(rule.expr)) expect(names).toContain(read.name);
      expect(readsOf(rule.expr).length).toBeGreaterThan(0);
      const [page, anchor] = rule.annotations.runbook.split("#");
      expect(existsSync(join(ROOT, page!)), page).toBe(true);
      const headings = [...readFileSync(join(ROOT, page!), "utf8").matchAll(/^#+ (.+)$/gm)].map((match) =>
        match[1]!
          .toLowerCase()
          .replace(/[^\w -]/g, "")
          .replaceAll(" ", "-"),
      );
      if (anchor) expect(headings).toContain(anchor);
    },
  );

  it.each([
    ["EsekWebhooksNotKept", 1],
    ["EsekTokenRefused", 1],
    ["EsekOutcomeUnknown", 1],
    ["EsekDeadLetter", 1],
  ])("%s sees it happen", (name, count) => {
    const [read] = readsOf(rules.find((rule) => rule.alert === name)!.expr);
    expect(matching(samples, read!).reduce((sum, sample) => sum + sample.value, 0)).toBe(count);
  });

  it("every counter that an alert watches was there at 0 before anything happened", () => {
    const counted = rules.filter(({ expr }) => expr.includes("increase("));
    expect(counted.length).toBeGreaterThan(2);
    for (const { alert, expr } of counted)
      expect([alert, matching(born, readsOf(expr)[0]!).map(({ value }) => value)]).toEqual([alert, [0]]);
  });
});

describe("a refused token, as docs/operate/incidents.md tells it", () => {
  it("nothing is posted until the same merchant file is applied again; then what waited leaves", async () => {
    const posts = async () =>
      (await world.control<{ entries: unknown[] }>("ledger?kind=message&limit=1000")).entries.length;
    const before = await posts();
    await world.say("972500000306", "When do you open?");
    await world.settle();
    expect(await posts()).toBe(before);
    await apply(world.scratch, demoMerchant());
    await world.advance(61_000);
    for (const person of ["972500000304", "972500000306"])
      await until(async () => (await sent(world, person)).length === 1);
  });
});

describe("a database that does not answer", () => {
  const failing = [
    ["fails", "alter table mailbox rename to mailbox_gone", "alter table mailbox_gone rename to mailbox"],
    ["hangs", "begin; lock table mailbox in access exclusive mode", "rollback"],
  ] as const;

  it.each(failing)("and %s is said by the metrics, which are still shown", async (_how, breakIt, mendIt) => {
    const connection = await world.scratch.owner.reserve();
    await connection.unsafe(breakIt);
    try {
      const started = Date.now();
      const text = await scrape();
      expect(Date.now() - started).toBeLessThan(8000); // A scraper gives up after ten seconds.
      expect(sumOf(samplesOf(text), "esek_database_up")).toBe(0);
      expect(text).toMatch(/^esek_mailbox_lag_seconds NaN$/im);
      expect(text).toMatch(/^esek_webhook_ack_seconds_count\{status="503"\} 1$/m);
    } finally {
      await connection.unsafe(mendIt);
      connection.release();
    }
    expect(sumOf(samplesOf(await scrape()), "esek_database_up")).toBe(1);
  });
});

describe("a worker in a process of its own", () => {
  const startWorker = (port: string) =>
    startRuntime({
      config: readConfig({ ESEK_ROLE: "worker", PORT: port, ESEK_LOG_LEVEL: "silent" }),
      database: { socketDir: world.scratch.socketDir, database: world.scratch.database },
      masterKey: world.scratch.masterKey,
      appSecrets: [SECRETS.appSecret],
      verifyToken: SECRETS.verifyToken,
      graphUrl: world.sim.url,
      openai: { baseUrl: `${world.sim.url}/v1`, apiKey: "test" },
      secret: () => SECRETS.accessToken,
      logger: createLogger("silent"),
    });

  it("shows health and metrics on the port it is given, and neither Meta's door nor the API", async () => {
    const worker = await startWorker(String(await freePort()));
    try {
      const at = `http://127.0.0.1:${worker.port}`;
      const status = async (path: string, init?: RequestInit) => (await fetch(at + path, init)).status;
      expect(await Promise.all(["/healthz", "/readyz", "/metrics"].map((path) => status(path)))).toEqual([
        200, 200, 200,
      ]);
      expect(namesOf(await (await fetch(`${at}/metrics`)).text())).toEqual(names);
      const handshake = `/webhooks/whatsapp?hub.mode=subscribe&hub.challenge=1&hub.verify_token=${SECRETS.verifyToken}`;
      expect(await status(handshake)).toBe(404);
      expect(await status("/webhooks/whatsapp", { method: "POST", body: "{}" })).toBe(404);
      expect(await status("/api/v1/openapi.json")).toBe(404);
    } finally {
      await worker.stop();
    }
  });

  it("opens none without", async () => {
    const worker = await startWorker("");
    expect(worker.port).toBe(0);
    await worker.stop();
  });
});
