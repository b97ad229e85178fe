import { createHmac } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { sqlOf, until, words } from "./scene.ts";
import { demoMerchant, startWorld, type TestWorld } from "./world.ts";

type Told = { id: string; type: string; merchant: string; data: Record<string, unknown> };

/** The merchant's own system, as a developer there would write it: checks the signature, keeps each delivery once. */
describe("the merchant's own system is told", () => {
  const secret = "merchant-side-secret";
  let target: Server;
  let answerWith = 200;
  let told: Told[] = [];
  let posts = 0;
  let forged = 0;
  let world: TestWorld;

  beforeAll(async () => {
    target = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        posts++;
        const body = Buffer.concat(chunks).toString();
        const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(request.headers["esek-signature"])) ?? [];
        if (createHmac("sha256", secret).update(`${t}.${body}`).digest("hex") !== v1) forged++;
        const delivery = JSON.parse(body) as Told;
        expect(request.headers["esek-delivery"]).toBe(delivery.id);
        if (answerWith === 200 && !told.some(({ id }) => id === delivery.id)) told.push(delivery);
        response.writeHead(answerWith).end();
      });
    });
    await new Promise<void>((resolve) => target.listen(0, "127.0.0.1", resolve));
    const origin = `http://127.0.0.1:${(target.address() as AddressInfo).port}`;
    const merchant = demoMerchant((config) => {
      config.burst = { windowMs: 0, capMs: 0 };
      config.webhook = {
        url: `${origin}/esek`,
        secret: { env: "HOOK_SECRET" },
        events: ["message", "decision", "notice"],
        texts: false,
      };
    });
    world = await startWorld({ merchants: [merchant], openOrigins: [origin], secrets: { HOOK_SECRET: secret } });
  });
  afterAll(async () => {
    await world.stop();
    target.close();
  });
  beforeEach(() => {
    answerWith = 200;
    told = [];
    posts = 0;
  });

  const waiting = async () =>
    (
      await sqlOf(world)(
        (tx) => tx<{ n: number }[]>`select count(*)::int as n from webhook_delivery where state = 'due'`,
      )
    )[0]!.n;
  const allTold = () => until(async () => (await waiting()) === 0, 15_000);
  const dueNow = () =>
    sqlOf(world)((tx) => tx`update webhook_delivery set next_try_at = clock_timestamp() where state = 'due'`);

  it("of a message, its decisions and a notice, signed, without a word of the customer", async () => {
    await world.say("972572000001", "I want to talk to a person, quokka");
    await world.replies("972572000001", 1);
    await allTold();
    expect(told.map(({ type }) => type).sort()).toEqual(expect.arrayContaining(["decision", "message", "notice"]));
    expect(told.find(({ type }) => type === "notice")).toMatchObject({ merchant: "demo", data: { kind: "hand-off" } });
    expect(told.some(({ type, data }) => type === "decision" && data.reason === "hand-off")).toBe(true);
    expect(forged).toBe(0);
    const everything = JSON.stringify(told);
    for (const canary of ["quokka", "972572000001", "wamid"]) expect(everything).not.toContain(canary);
  });

  it("later, when it was away: every event once", async () => {
    answerWith = 503;
    await world.say("972572000002", "Are you there?");
    await world.replies("972572000002", 1);
    await until(async () => posts >= 2);
    expect(told).toEqual([]);
    const open = await waiting();
    expect(open).toBeGreaterThan(1);
    answerWith = 200;
    await until(async () => {
      await dueNow();
      return (await waiting()) === 0;
    }, 15_000);
    expect(told.length).toBe(open);
    expect(new Set(told.map(({ id }) => id)).size).toBe(open);
  });

  it("no more after three days: given up, counted, and new events still go", async () => {
    answerWith = 500;
    await world.say("972572000003", "Hello?");
    await world.replies("972572000003", 1);
    await sqlOf(world)(
      (tx) =>
        tx`update webhook_delivery set created_at = clock_timestamp() - interval '73 hours', next_try_at = clock_timestamp() where state = 'due'`,
    );
    await until(async () => (await waiting()) === 0, 15_000);
    const [row] = await sqlOf(world)(
      (tx) =>
        tx<
          { n: number }[]
        >`select count(*)::int as n from webhook_delivery where state = 'failed' and last_status = 500`,
    );
    expect(row!.n).toBeGreaterThan(0);
    answerWith = 200;
    await world.say("972572000003", "Still there?");
    await until(async () => (await words(world, "972572000003")).length === 2);
    await allTold();
    expect(told.length).toBeGreaterThan(1);
  });
});
