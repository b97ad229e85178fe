import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { MerchantId } from "../src/domain/ids.ts";
import { decideOutbound } from "../src/policy/outbound-gate.ts";
import { startSimulator } from "../src/simulator/server.ts";
import { sendBusinessMessage } from "../src/store/business-messages.ts";
import { recordConsent } from "../src/store/consent-admin.ts";
import { asMerchant, freePort, letLeasesRunOut, letOpenPostsRunOut, startChild } from "./crash.ts";
import {
  businessApi,
  clockFrom,
  HOUR,
  known,
  notices,
  optIn,
  orderUpdate,
  outboxRow,
  posted,
  sent,
  sqlOf,
  until,
  words,
} from "./scene.ts";
import { knownTemplates, openProcess, webhook } from "./stage.ts";
import { apply, demoMerchant, SECRETS, scratchDatabase, settled, startWorld, type TestWorld } from "./world.ts";

type AttemptRow = {
  state: string;
  status: string | null;
  rank: number;
  isDuplicate: boolean;
  category: string | null;
  rowState: string;
  reason: string;
  resent: boolean;
  tries: number;
};

const ATTEMPT_COLUMNS = `a.state, a.status, a.status_rank as rank, a.duplicate_detected as "isDuplicate", a.pricing_category as category,
  o.state as "rowState", o.state_reason as reason, o.resent, o.tries`;

/** The attempts behind what Graph got for a person, in its order. */
async function attemptsOf(world: TestWorld, to: string): Promise<AttemptRow[]> {
  const ids = (await posted(world, to)).map((entry) => entry.attemptId!);
  const rows = await asMerchant(
    world.scratch,
    world.merchantId,
    (tx) =>
      tx<
        AttemptRow[]
      >`select ${tx.unsafe(ATTEMPT_COLUMNS)} from send_attempt a join outbox o on o.id = a.outbox_id where a.id = any(${ids}) order by a.number, a.started_at`,
  );
  return [...rows];
}

type Entry = { wamid: string; attemptId?: string; at: number };

/** A status as Meta would send it, whatever the faults say. */
async function tell(world: TestWorld, entry: Entry, status: string, more: Record<string, unknown> = {}): Promise<void> {
  const about = { id: entry.wamid, status, timestamp: String(Math.floor(entry.at / 1000) + 1), recipient_id: "1" };
  const callback = entry.attemptId ? { biz_opaque_callback_data: entry.attemptId } : {};
  const { body } = webhook({ value: { statuses: [{ ...about, ...callback, ...more }] } });
  await world.control("webhook", { body: JSON.parse(body.toString("utf8")) });
  await world.settle();
}

const entriesOf = async (world: TestWorld, to: string) => (await sent(world, to)) as unknown as Entry[];
const DROP = { webhooks: { statuses: { drop: 1 } } };
const KEEP = { webhooks: { statuses: null } };

describe("a POST whose answer was lost", () => {
  let world: TestWorld;
  let count = 0;
  const someone = () => `9725100${String(++count).padStart(5, "0")}`;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom("2026-11-16T08:00:00Z").now });
  });
  afterAll(() => world.stop());
  afterEach(() => world.control("faults", KEEP));

  const wait = async () => {
    await letOpenPostsRunOut(world.scratch, world.merchantId);
    await world.settle();
  };
  const loseAnswer = async (who: string) => {
    await world.control("faults", DROP);
    await world.control("faults", { kind: "accept-drop", user: who, next: 1 });
  };

  it("a reply goes once more after the wait, and only once", async () => {
    const who = someone();
    await loseAnswer(who);
    await world.control("faults", { kind: "accept-drop", user: who, next: 1 });
    await world.say(who, "Is the ficus in stock?");
    await until(async () => (await sent(world, who)).length === 1);
    await world.settle();
    expect(await sent(world, who)).toHaveLength(1);
    expect(await attemptsOf(world, who)).toMatchObject([{ state: "unknown", rowState: "unknown", resent: false }]);
    await wait();
    await until(async () => (await sent(world, who)).length === 2);
    const [first, second] = await words(world, who);
    expect(second).toBe(first);
    // The second answer was lost too: nobody resends a resend.
    await wait();
    await wait();
    expect(await sent(world, who)).toHaveLength(2);
    expect(await attemptsOf(world, who)).toMatchObject([
      { state: "unknown" },
      { state: "unknown", rowState: "failed", reason: "outcome-unknown", resent: true },
    ]);
    expect(await notices(world, "send-outcome-unknown")).toHaveLength(1);
    const resends = await sqlOf(world)(
      (tx) => tx<{ type: string; reason: string }[]>`select type, reason from decision where step = 'sender'`,
    );
    expect(resends).toEqual([{ type: "resend", reason: "resent-after-unknown" }]);
  });

  it("a status in time settles it, and nothing goes again", async () => {
    const who = someone();
    await loseAnswer(who);
    await world.say(who, "Is the fern in stock?");
    const [entry] = await until(async () => {
      const found = await entriesOf(world, who);
      return found.length === 1 && found;
    });
    await until(async () => (await attemptsOf(world, who))[0]?.state === "unknown");
    await tell(world, entry!, "delivered");
    await wait();
    expect(await sent(world, who)).toHaveLength(1);
    expect(await attemptsOf(world, who)).toMatchObject([
      { state: "accepted", status: "delivered", rowState: "accepted", resent: false, isDuplicate: false },
    ]);
  });

  it("later answers wait behind it, and follow in order", async () => {
    const who = someone();
    await loseAnswer(who);
    await world.say(who, "first question about palms?");
    await until(async () => (await sent(world, who)).length === 1);
    await world.say(who, "second question about roses?");
    await world.settle();
    expect(await sent(world, who)).toHaveLength(1);
    await wait();
    await until(async () => (await sent(world, who)).length === 3);
    const heard = await words(world, who);
    expect(heard.map((text) => (text.includes("palms") ? "first" : "second"))).toEqual(["first", "first", "second"]);
  });

  it("a late status of the first POST counts one duplicate, told twice or higher still one", async () => {
    const who = someone();
    await loseAnswer(who);
    await world.say(who, "Is the cactus in stock?");
    await until(async () => (await attemptsOf(world, who))[0]?.state === "unknown");
    await wait();
    const entries = await until(async () => {
      const found = await entriesOf(world, who);
      return found.length === 2 && found;
    });
    await world.settle();
    for (const status of ["sent", "delivered", "delivered", "read"]) await tell(world, entries[0]!, status);
    await tell(world, entries[1]!, "read");
    expect(await attemptsOf(world, who)).toMatchObject([
      { isDuplicate: true, status: "read", rowState: "accepted" },
      { isDuplicate: false, status: "read", rowState: "accepted", resent: true },
    ]);
    expect(await sent(world, who)).toHaveLength(2);
  });

  it("a template is never sent again: it fails as outcome-unknown, and the merchant is told", async () => {
    const who = someone();
    const api = await businessApi(world);
    await known(world, who);
    await optIn(world, who, "utility");
    await loseAnswer(who);
    const { body } = await api(orderUpdate(who));
    await until(async () => (await attemptsOf(world, who))[0]?.state === "unknown");
    const before = (await notices(world, "send-outcome-unknown")).length;
    for (let n = 0; n < 3; n++) await wait();
    expect(await sent(world, who)).toHaveLength(1);
    expect(await attemptsOf(world, who)).toMatchObject([
      { state: "unknown", rowState: "failed", reason: "outcome-unknown", resent: false, tries: 1 },
    ]);
    const told = await notices(world, "send-outcome-unknown");
    expect(told).toHaveLength(before + 1);
    expect(told.at(-1)!.detail.outbox).toBe(body.id);
  });

  it("a status that comes before the POST's answer and names no attempt is parked, and joined later", async () => {
    const who = someone();
    await world.control("faults", DROP);
    await world.control("faults", { kind: "accept-stall", ms: 800, user: who, next: 1 });
    await world.say(who, "Is the tulip in stock?");
    const [entry] = await until(async () => {
      const found = await entriesOf(world, who);
      return found.length === 1 && found;
    });
    const { body } = webhook({
      value: { statuses: [{ id: entry!.wamid, status: "delivered", timestamp: String(Math.floor(entry!.at / 1000)) }] },
    });
    await world.control("webhook", { body: JSON.parse(body.toString("utf8")) });
    const parked = () => sqlOf(world)((tx) => tx<{ n: number }[]>`select count(*)::int as n from status_parked`);
    await until(async () => (await parked())[0]!.n === 1);
    expect(await attemptsOf(world, who)).toMatchObject([{ state: "sending", status: null }]);
    await until(async () => (await parked())[0]!.n === 0);
    expect(await attemptsOf(world, who)).toMatchObject([{ state: "accepted", status: "delivered", rank: 2 }]);
  });

  it("statuses in any order never lower what is known, and the price's category is kept", async () => {
    const who = someone();
    await world.control("faults", DROP);
    await world.say(who, "Is the orchid in stock?");
    const [entry] = await until(async () => {
      const found = await entriesOf(world, who);
      return found.length === 1 && found;
    });
    await world.settle();
    const pricing = { billable: false, pricing_model: "PMP", category: "service", type: "free_customer_service" };
    for (const status of ["read", "sent", "delivered"]) await tell(world, entry!, status, { pricing });
    expect(await attemptsOf(world, who)).toMatchObject([{ status: "read", rank: 3, category: "service" }]);
    await tell(world, entry!, "played");
    await tell(world, entry!, "read");
    expect(await attemptsOf(world, who)).toMatchObject([{ status: "played", rank: 4, category: "service" }]);
  });

  it("the category of a template's price is what Meta says", async () => {
    const who = someone();
    const api = await businessApi(world);
    await known(world, who);
    await optIn(world, who, "utility");
    await api(orderUpdate(who), "priced");
    await until(async () => (await sent(world, who)).length === 1);
    await world.settle();
    expect(await attemptsOf(world, who)).toMatchObject([{ rank: 3, category: "utility" }]);
  });

  describe("the error table", () => {
    it("130429 is tried again", async () => {
      const who = someone();
      await world.control("faults", { kind: "error", code: 130429, user: who, next: 1 });
      await world.say(who, "Too fast?");
      await until(async () => (await sent(world, who)).length === 1);
      await world.settle();
      expect((await posted(world, who)).map((entry) => entry.outcome)).toEqual(["rejected", "accepted"]);
      expect((await attemptsOf(world, who)).map(({ state }) => state)).toEqual(["rejected", "accepted"]);
    });

    it("131056 waits for this person alone, and success clears it", async () => {
      const who = someone();
      const other = someone();
      await world.control("faults", { kind: "error", code: 131056, user: who, next: 1 });
      await world.say(who, "Am I too fast?");
      await until(async () => (await posted(world, who)).length === 1);
      const refusals = () =>
        sqlOf(world)((tx) => tx<{ n: number }[]>`select coalesce(sum(refusals), 0)::int as n from pair_limit`);
      await until(async () => (await refusals())[0]!.n === 1);
      expect(await attemptsOf(world, who)).toMatchObject([{ rowState: "deferred", reason: "pair-limit" }]);
      await world.say(other, "And me?");
      await until(async () => (await sent(world, other)).length === 1);
      await until(async () => (await sent(world, who)).length === 1);
      await world.settle();
      expect((await refusals())[0]!.n).toBe(0);
    });

    it("131026 ends it, later by a status as well as at once", async () => {
      for (const kind of ["error", "fail"]) {
        const who = someone();
        await world.control("faults", { kind, code: 131026, user: who, next: 1 });
        await world.say(who, `Can you reach me (${kind})?`);
        await until(async () => (await attemptsOf(world, who))[0]?.rowState === "failed");
        await world.settle();
        expect(await attemptsOf(world, who)).toMatchObject([{ reason: "recipient-unreachable", tries: 1 }]);
        expect(await posted(world, who)).toHaveLength(1);
      }
    });

    it("131048 holds back everything the business starts from the number, and no answer", async () => {
      const [who, other, third] = [someone(), someone(), someone()];
      const api = await businessApi(world);
      for (const person of [who, other]) {
        await known(world, person);
        await optIn(world, person, "all");
      }
      await world.control("faults", { kind: "error", code: 131048, user: who, next: 1 });
      const first = await api(orderUpdate(who), "spam-1");
      await until(async () => (await outboxRow(world, first.body.id))?.reason === "retry");
      expect(await notices(world, "number-spam-limited")).toHaveLength(1);
      const second = await api(orderUpdate(other), "spam-2");
      expect(second.body).toMatchObject({ state: "deferred", reason: "number-spam-limited" });
      await world.say(third, "Do you still answer?");
      await until(async () => (await sent(world, third)).length === 1);
      await world.advance(HOUR + 60_000);
      await until(async () => (await sent(world, other)).length === 1);
    });

    it("131047 by a status closes the window: the answer is held behind one fallback template", async () => {
      const who = someone();
      await optIn(world, who, "utility");
      await world.control("faults", { kind: "fail", code: 131047, user: who, next: 1 });
      await world.say(who, "When is my sofa delivered?");
      await until(async () => (await sent(world, who)).length === 2);
      await world.settle();
      const rows = await attemptsOf(world, who);
      expect(rows.find((row) => row.rowState === "held")).toBeDefined();
      expect((await words(world, who))[1]).toBe("[answer_ready en]");
    });

    it("131047 by a status, where nobody may be messaged: blocked, and the merchant is told", async () => {
      const who = someone();
      await world.control("faults", { kind: "fail", code: 131047, user: who, next: 1 });
      await world.say(who, "When is my table delivered?");
      await until(async () => (await attemptsOf(world, who))[0]?.rowState === "blocked");
      expect(await attemptsOf(world, who)).toMatchObject([{ rowState: "blocked", reason: "window-closed" }]);
      expect((await notices(world, "message-blocked")).at(-1)!.detail).toMatchObject({ reason: "window-closed" });
    });

    it("190 stops the merchant's sends until the token is mended, and loses none", async () => {
      const [who, other] = [someone(), someone()];
      await world.control("faults", { kind: "error", code: 190, user: who, next: 1 });
      await world.say(who, "Is your token broken?");
      await until(async () => (await attemptsOf(world, who))[0]?.reason === "token-broken");
      expect(await notices(world, "token-broken")).toHaveLength(1);
      await world.say(other, "Can you still write?");
      await world.settle();
      expect(await posted(world, other)).toHaveLength(0);
      expect(await posted(world, who)).toHaveLength(1);
      await apply(world.scratch, demoMerchant());
      await world.advance(61_000);
      await until(async () => (await sent(world, who)).length === 1 && (await sent(world, other)).length === 1);
    });
  });
});

describe("the process dies between POST and answer, and no status ever comes", () => {
  const open: (() => Promise<unknown>)[] = [];
  afterEach(async () => {
    for (const close of open.splice(0).reverse()) await close();
  });

  async function start() {
    const scratch = await scratchDatabase();
    open.push(() => scratch.drop());
    const sim = await startSimulator({
      ...SECRETS,
      seed: 5,
      settings: { throughputLimit: false, pairRateLimit: false },
    });
    open.push(() => sim.stop());
    const merchantId = (await apply(scratch, demoMerchant())) as MerchantId;
    const port = await freePort();
    const control = async <T>(path: string, body?: unknown): Promise<T> => {
      const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
      return (await fetch(`${sim.url}/_sim/${path}`, body === undefined ? {} : init)).json() as Promise<T>;
    };
    await control("webhook-url", { url: `http://127.0.0.1:${port}/webhooks/whatsapp` });
    await control("faults", DROP);
    const child = async (crash?: Parameters<typeof startChild>[3]) => {
      const started = await startChild(scratch, sim, port, crash);
      open.push(async () => started.process.kill("SIGKILL"));
      return started;
    };
    const accepted = async () =>
      (await control<{ entries: { body: unknown; attemptId: string }[] }>("ledger?kind=message&outcome=accepted"))
        .entries;
    const wait = async () => {
      await letOpenPostsRunOut(scratch, merchantId);
      await settled(scratch.owner, control, 15_000);
    };
    const rows = () =>
      asMerchant(
        scratch,
        merchantId,
        (tx) =>
          tx<
            AttemptRow[]
          >`select ${tx.unsafe(ATTEMPT_COLUMNS)} from send_attempt a join outbox o on o.id = a.outbox_id order by a.number`,
      );
    return { scratch, sim, merchantId, control, child, accepted, wait, rows };
  }

  for (const when of ["inside", "after"] as const)
    it(`${when} graph.send: the reply is resent once, after the deadline and 90 s`, async () => {
      const { scratch, control, child, accepted, wait, rows } = await start();
      const first = await child({ port: "graph.send", when, nth: 1 });
      await control("inbound", {
        from: "972520000001",
        message: { type: "text", text: { body: "Where is my vase?" } },
      });
      await first.died;
      const before = (await accepted()).length;
      expect(before).toBeLessThanOrEqual(1);
      await child();
      await letLeasesRunOut(scratch);
      await settled(scratch.owner, control, 15_000);
      expect(await accepted()).toHaveLength(before);
      await wait();
      expect(await accepted()).toHaveLength(before);
      expect(await rows()).toMatchObject([{ state: "unknown", rowState: "unknown" }]);
      await wait();
      expect(await accepted()).toHaveLength(before + 1);
      await wait();
      await wait();
      expect(await accepted()).toHaveLength(before + 1);
      expect(await rows()).toMatchObject([
        { state: "unknown", isDuplicate: false },
        { state: "accepted", rowState: "accepted", resent: true },
      ]);
    });

  it("after graph.send: a template is never resent", async () => {
    const { scratch, merchantId, control, child, accepted, wait, rows } = await start();
    const shop = openProcess(scratch, { max: 2 });
    open.push(() => shop.stop());
    await knownTemplates(shop.store, merchantId);
    await control("customers", { phone: "972520000002" });
    const person = { waId: "972520000002" };
    const consent = { act: "opt-in", scope: "utility", source: "human", proof: "test", actor: "test" } as const;
    await recordConsent(shop.store, merchantId, { person, ...consent });
    const first = await child({ port: "graph.send", when: "after", nth: 1 });
    const body = ["A-1", "shipped"].map((text) => ({ type: "text" as const, text }));
    await sendBusinessMessage(
      shop.store,
      {
        merchantId,
        phoneNumberId: undefined,
        person,
        content: { type: "template", template: { name: "order_update", language: "en", body } },
        verdict: await shop.ports.guard.check("A-1 shipped", "outbound"),
        author: "api",
        idempotencyKey: "one",
        body: "one",
        expiresAt: undefined,
      },
      decideOutbound,
    );
    await first.died;
    expect(await accepted()).toHaveLength(1);
    await child();
    await letLeasesRunOut(scratch);
    for (let n = 0; n < 4; n++) await wait();
    expect(await accepted()).toHaveLength(1);
    expect(await rows()).toMatchObject([{ state: "unknown", rowState: "failed", reason: "outcome-unknown" }]);
    const told = await asMerchant(
      scratch,
      merchantId,
      (tx) => tx`select kind from notice where kind = 'send-outcome-unknown'`,
    );
    expect(told).toHaveLength(1);
  });
});
