import { spawn } from "node:child_process";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO_PHONE_ID } from "./default-world.ts";
import { Ledger } from "./ledger.ts";
import { type Kit, startKit } from "./test-kit.ts";

const CUSTOMER = "+972501234567";
let kit: Kit;
let directory: string;

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), "simulator-"));
  kit = await startKit();
  await kit.writes(CUSTOMER);
});
afterEach(async () => {
  await kit.stop();
  rmSync(directory, { recursive: true });
});

const summary = () =>
  kit.sim.ledger.list().map(({ n, type, outcome, errorCode, fault }) => [n, type, outcome, errorCode, fault]);
const fault = (value: object) => kit.control("POST", "/faults", value);
const send = (attempt: string, ms?: number) =>
  fetch(`${kit.sim.url}/v25.0/${DEMO_PHONE_ID}/messages`, {
    method: "POST",
    headers: { authorization: "Bearer good-token", "content-type": "application/json" },
    body: JSON.stringify({
      messaging_product: "whatsapp",
      to: CUSTOMER,
      type: "text",
      text: { body: "Hello" },
      biz_opaque_callback_data: attempt,
    }),
    signal: ms === undefined ? undefined : AbortSignal.timeout(ms),
  });

describe("the ledger", () => {
  it("has every call in order, refused ones with their code", async () => {
    await kit.text(CUSTOMER, "one", { biz_opaque_callback_data: "a-1" });
    await kit.send({ to: CUSTOMER, type: "poll" });
    await kit.graph("POST", `/v25.0/${DEMO_PHONE_ID}/messages`, {}, "bad-token");
    await kit.graph("GET", `/v25.0/${DEMO_PHONE_ID}`);
    await kit.graph("GET", "/v25.0/12");
    expect(summary()).toEqual([
      [1, "text", "accepted", undefined, undefined],
      [2, "poll", "rejected", 100, undefined],
      [3, "unknown", "rejected", 190, undefined],
      [4, `GET /${DEMO_PHONE_ID}`, "accepted", undefined, undefined],
      [5, "GET /12", "rejected", 100, undefined],
    ]);
    expect(kit.sim.ledger.list()[0]).toMatchObject({
      kind: "message",
      phoneId: DEMO_PHONE_ID,
      to: CUSTOMER,
      attemptId: "a-1",
      wamid: expect.stringMatching(/^wamid\./),
      body: { text: { body: "one" } },
    });
    const page = await kit.control("GET", "/ledger?after=1&kind=message&outcome=rejected");
    expect(page.entries).toMatchObject([{ n: 2 }, { n: 3 }]);
  });

  it("on a file survives, continues its numbers and overlooks half a line", async () => {
    const path = join(directory, "ledger.jsonl");
    const first = new Ledger(path);
    const entry = { at: 1, kind: "message", type: "text", body: {}, outcome: "accepted" } as const;
    first.append({ ...entry, attemptId: "a" });
    first.close();
    appendFileSync(path, '{"n":2,"at":1,"ki');
    const second = new Ledger(path);
    expect(second.append({ ...entry, attemptId: "b" }).n).toBe(2);
    second.close();
    const third = new Ledger(path);
    expect(third.list().map((e) => [e.n, e.attemptId])).toEqual([
      [1, "a"],
      [2, "b"],
    ]);
    third.close();
  });

  it("holds every send that was answered when the process is killed", async () => {
    const path = join(directory, "killed.jsonl");
    const child = spawn(process.execPath, [new URL("./main.ts", import.meta.url).pathname], {
      env: { ...process.env, SIM_LEDGER_FILE: path, SIM_ACCESS_TOKEN: "good-token" },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const line = await new Promise<string>((resolve) => child.stdout.once("data", (data) => resolve(String(data))));
    const { url } = JSON.parse(line);
    const answered: string[] = [];
    const sending = Array.from({ length: 40 }, async (_, i) => {
      const body = {
        messaging_product: "whatsapp",
        to: `+9725011100${10 + i}`,
        text: { body: "x" },
        biz_opaque_callback_data: `k-${i}`,
      };
      const response = await fetch(`${url}/v25.0/${DEMO_PHONE_ID}/messages`, {
        method: "POST",
        headers: { authorization: "Bearer good-token", "content-type": "application/json" },
        body: JSON.stringify(body),
      }).catch(() => undefined);
      if (response?.status === 200) answered.push(`k-${i}`);
      if (answered.length === 20) child.kill("SIGKILL");
    });
    await Promise.all(sending);
    const ledger = new Ledger(path);
    const accepted = new Set(ledger.accepted().map((entry) => entry.attemptId));
    expect(answered.length).toBeGreaterThanOrEqual(20);
    expect(answered.filter((attempt) => !accepted.has(attempt))).toEqual([]);
    ledger.close();
  });
});

describe("faults around a send", () => {
  it("`error` refuses with the code and accepts nothing, as often as told", async () => {
    await fault({ kind: "error", code: 131016, next: 2 });
    const answers = [await kit.text(CUSTOMER), await kit.text(CUSTOMER), await kit.text(CUSTOMER)];
    expect(answers.map((answer) => [answer.status, answer.code])).toEqual([
      [500, 131016],
      [500, 131016],
      [200, undefined],
    ]);
    expect(kit.sim.ledger.accepted()).toHaveLength(1);
  });

  it("`fail` accepts and then fails", async () => {
    await fault({ kind: "fail", code: 131000, next: 1 });
    expect((await kit.text(CUSTOMER)).status).toBe(200);
    await kit.settled();
    expect(kit.statuses()).toMatchObject([{ status: "failed", errors: [{ code: 131000 }] }]);
  });

  it("`html` answers a web page with 500", async () => {
    await fault({ kind: "html", next: 1 });
    const answer = await kit.text(CUSTOMER);
    expect([answer.status, String(answer.json.text).slice(0, 9)]).toEqual([500, "<!DOCTYPE"]);
    expect(kit.sim.ledger.accepted()).toEqual([]);
  });

  it("`accept-drop` accepts, sends the statuses, and cuts the connection", async () => {
    await fault({ kind: "accept-drop", next: 1 });
    await expect(send("lost-answer")).rejects.toThrow();
    await kit.settled();
    expect(kit.sim.ledger.accepted()).toMatchObject([{ attemptId: "lost-answer", fault: "accept-drop" }]);
    expect(kit.statuses().at(-1)).toMatchObject({ status: "read", biz_opaque_callback_data: "lost-answer" });
  });

  it("`accept-stall` accepts at once and answers too late for the caller", async () => {
    await fault({ kind: "accept-stall", ms: 5000, next: 1 });
    await expect(send("stalled-answer", 50)).rejects.toThrow();
    expect(kit.sim.ledger.accepted()).toMatchObject([{ attemptId: "stalled-answer" }]);
  });

  it("`stall` accepts nothing from a caller that hung up", async () => {
    await fault({ kind: "stall", ms: 5000, next: 1 });
    await expect(send("gave-up", 50)).rejects.toThrow();
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(kit.sim.ledger.list().map((entry) => entry.outcome)).toEqual(["stalled"]);
    expect(kit.sim.ledger.accepted()).toEqual([]);
  });

  it("`stall` decides once when the caller waits", async () => {
    await fault({ kind: "stall", ms: 30, next: 1 });
    expect((await send("patient")).status).toBe(200);
    expect(kit.sim.ledger.list().map((entry) => entry.outcome)).toEqual(["stalled", "accepted"]);
  });

  it("`slow` accepts even what the caller gave up", async () => {
    await fault({ kind: "slow", ms: 100, next: 1 });
    await expect(send("too-slow", 30)).rejects.toThrow();
    expect(kit.sim.ledger.accepted()).toEqual([]);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(kit.sim.ledger.accepted()).toMatchObject([{ attemptId: "too-slow" }]);
  });

  it("`drop` cuts the connection and accepts nothing", async () => {
    await fault({ kind: "drop", next: 1 });
    await expect(send("dropped")).rejects.toThrow();
    expect(kit.sim.ledger.accepted()).toEqual([]);
  });

  it("can be for one person, one type, or after some sends", async () => {
    await kit.writes("+972502222222");
    await fault({ sends: [{ kind: "error", code: 2, user: CUSTOMER, skip: 1 }] });
    expect((await kit.text(CUSTOMER)).status).toBe(200);
    expect((await kit.text("+972502222222")).status).toBe(200);
    expect((await kit.text(CUSTOMER)).status).toBe(503);
    await kit.control("DELETE", "/faults");
    expect((await kit.text(CUSTOMER)).status).toBe(200);
  });
});
