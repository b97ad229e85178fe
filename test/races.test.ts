import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MerchantId, Wamid } from "../src/domain/ids.ts";
import { errorCode } from "../src/errors.ts";
import { deliver, receive, recordStatus, takeTurn } from "../src/pipeline.ts";
import type { DueRow, GraphPort } from "../src/ports.ts";
import { showConsent } from "../src/store/consent-admin.ts";
import { type Tx, transaction } from "../src/store/database.ts";
import { GroupCommit, type Request } from "../src/store/ingest.ts";
import { upkeepOnce } from "../src/store/upkeep-jobs.ts";
import { openProcess, type Process, textMessage, type Who, webhook } from "./stage.ts";
import { apply, demoMerchant, type Scratch, scratchDatabase } from "./world.ts";

const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** The races that architecture.md marks [T], each on a real Postgres, with two processes where it takes two. */
describe("races", () => {
  let scratch: Scratch;
  let merchantId: MerchantId;
  let processes: Process[];
  let wamids = 0;
  /** What Graph does with a POST; each test says. */
  let send: GraphPort["send"] = async () => ({ type: "accepted", wamid: nextWamid() });
  const nextWamid = () => `wamid.race.${++wamids}` as Wamid;

  beforeAll(async () => {
    scratch = await scratchDatabase();
    const merchant = demoMerchant((config) => {
      config.burst = { windowMs: 0, capMs: 0 };
    });
    merchantId = (await apply(scratch, merchant)) as MerchantId;
    const graph: GraphPort = { markRead: () => {}, send: (cleared, message) => send(cleared, message) };
    processes = [0, 1].map(() => openProcess(scratch, { graph, max: 10 }));
  });
  afterAll(async () => {
    for (const process of processes) await process.stop();
    await scratch.drop();
  });
  beforeEach(() => {
    send = async () => ({ type: "accepted", wamid: nextWamid() });
  });

  const sql = <T>(work: (tx: Tx) => Promise<T>) => transaction(processes[0]!.store.sql, [merchantId], work);
  const post = (process: Process, ...changes: Parameters<typeof webhook>) => {
    const { body, signature } = webhook(...changes);
    return receive(process.ports, body, signature);
  };
  const message = (who: Who, text: string) => textMessage(who, nextWamid(), text, Date.now());

  /** As the turn worker does: takes what is due, and gives it back when it fails. */
  async function turns(process: Process): Promise<number> {
    const claims = await process.mailbox.claim(32);
    await Promise.all(
      claims.map((claim) =>
        takeTurn(process.ports, claim, new AbortController().signal).catch((err) =>
          process.mailbox.fail(claim, errorCode(err)),
        ),
      ),
    );
    return claims.length;
  }

  const fallDue = () =>
    sql(
      (tx) =>
        tx`update mailbox set due_at = clock_timestamp(), backoff_until = null where kind = 'conversation' and due_at < 'infinity'`,
    );

  async function turnsUntilRest(): Promise<void> {
    for (let n = 0; n < 50; n++) {
      await fallDue();
      if ((await turns(processes[n % 2]!)) === 0) return;
    }
    throw new Error("the turns do not come to an end");
  }

  it("an event that is kept while a turn commits is never below the watermark", async () => {
    const who = { wa_id: "972560000001" };
    let writing = true;
    const writers = Array.from({ length: 16 }, async (_, writer) => {
      for (let n = 0; n < 8; n++) {
        await post(processes[writer % 2]!, message(who, `Is item w${writer}n${n} in stock?`));
        await pause(40 + ((writer * 17 + n * 53) % 160));
      }
    });
    const workers = processes.map(async (process) => {
      while (writing) {
        await fallDue();
        if ((await turns(process)) === 0) await pause(2);
      }
    });
    await Promise.all(writers);
    writing = false;
    await Promise.all(workers);
    await turnsUntilRest();
    const events = await sql(
      (tx) => tx<{ id: string; seq: number }[]>`select id, seq::float8 as seq from inbox where kind = 'message'`,
    );
    expect(events).toHaveLength(128);
    expect(new Set(events.map((event) => event.seq)).size).toBe(128);
    const keys = await processes[0]!.store.keyring.of(merchantId);
    const records = await sql(
      (tx) =>
        tx<
          { id: string; facts: Uint8Array }[]
        >`select id, facts_ct as facts from decision where subject = 'turn' and type = 'answer'`,
    );
    const answered = records.flatMap(
      ({ id, facts }) => (JSON.parse(keys.open("decision", "facts_ct", id, facts)) as { events: string[] }).events,
    );
    expect(records.length).toBeGreaterThan(3);
    expect(answered.toSorted()).toEqual(events.map((event) => event.id).toSorted());
  });

  describe("a status and the POST's own answer, whichever is first", () => {
    const statusOf = (wamid: string, status: string, attemptId?: string) => ({
      value: {
        statuses: [
          {
            id: wamid,
            status,
            timestamp: String(Math.floor(Date.now() / 1000)),
            ...(attemptId ? { biz_opaque_callback_data: attemptId } : {}),
          },
        ],
      },
    });

    /** One answer on its way to the door; `during` runs while its POST is open. */
    async function answer(who: string, during: (attemptId: string, wamid: Wamid) => Promise<unknown>): Promise<string> {
      const [one] = processes;
      await post(one!, message({ wa_id: who }, "Do you have roses?"));
      await turnsUntilRest();
      let attempt = "";
      send = async (_cleared, { attemptId }) => {
        attempt = attemptId;
        const wamid = nextWamid();
        await during(attemptId, wamid);
        return { type: "accepted", wamid };
      };
      const rows = await sql(
        (tx) =>
          tx<
            DueRow[]
          >`select outbox_id as "outboxId", merchant_id as "merchantId", phone_id as "phoneId" from outbox_due where outbox_id in (select id from outbox where state = 'queued') order by outbox_id desc limit 1`,
      );
      await deliver(one!.ports, rows[0]!);
      return attempt;
    }
    const attemptRow = async (id: string) =>
      (
        await sql(
          (tx) => tx<
            { state: string; status: string | null; isKnown: boolean; rowState: string; isOpen: boolean }[]
          >`select a.state, a.status, a.wamid_hash is not null as "isKnown", o.state as "rowState", exists (select 1 from outbox_due d where d.outbox_id = o.id) as "isOpen"
            from send_attempt a join outbox o on o.id = a.outbox_id where a.id = ${id}`,
        )
      )[0]!;
    const parked = async () =>
      (await sql((tx) => tx<{ n: number }[]>`select count(*)::int as n from status_parked`))[0]!.n;
    const settled = { state: "accepted", status: "delivered", isKnown: true, rowState: "accepted", isOpen: false };

    it("the status first, by attempt id", async () => {
      const id = await answer("972561000001", (attemptId, wamid) =>
        post(processes[1]!, statusOf(wamid, "delivered", attemptId)),
      );
      expect(await attemptRow(id)).toEqual(settled);
    });

    it("the answer first, by wamid alone", async () => {
      let wamid = "";
      const id = await answer("972561000002", async (_id, own) => {
        wamid = own;
      });
      await post(processes[1]!, statusOf(wamid, "delivered"));
      expect(await attemptRow(id)).toEqual(settled);
    });

    it("the status first, by wamid alone: parked, and found by the sweep", async () => {
      const id = await answer("972561000003", (_id, wamid) => post(processes[1]!, statusOf(wamid, "delivered")));
      expect(await parked()).toBe(1);
      await sql((tx) => tx`update status_parked set next_try_at = clock_timestamp()`);
      await upkeepOnce(processes[1]!.store, recordStatus);
      expect(await parked()).toBe(0);
      expect(await attemptRow(id)).toEqual(settled);
    });

    it("both at the same moment, 40 times", async () => {
      for (let n = 0; n < 40; n++) {
        let told: Promise<unknown> = Promise.resolve();
        const id = await answer("972561000004", async (attemptId, wamid) => {
          told = pause(n % 4).then(() => post(processes[1]!, statusOf(wamid, "delivered", attemptId)));
        });
        await told;
        expect(await attemptRow(id)).toEqual(settled);
      }
    });
  });

  it("a connection that served a merchant and names none sees nothing, and no error", async () => {
    const connection = await processes[0]!.store.sql.reserve();
    try {
      const setting = async () =>
        (await connection<{ value: string | null }[]>`select current_setting('app.merchant_ids', true) as value`)[0]!
          .value;
      const seen = async () => (await connection<{ n: number }[]>`select count(*)::int as n from phone`)[0]!.n;
      await connection.unsafe("begin");
      await connection`select set_config('app.merchant_ids', ${`{${merchantId}}`}, true)`;
      expect(await seen()).toBe(1);
      await connection.unsafe("commit");
      expect(await setting()).toBe("");
      expect(await seen()).toBe(0);
      await expect(connection`update phone set status = 'GONE' returning id`.then((rows) => rows.length)).resolves.toBe(
        0,
      );
    } finally {
      connection.release();
    }
  });

  it("a deadlock is tried again, and both transactions are kept", async () => {
    await sql(
      (tx) => tx`insert into notice (id, merchant_id, kind, dedupe_key) values
      ('00000000-0000-0000-0000-00000000000a', ${merchantId}, 'race', 'a'), ('00000000-0000-0000-0000-00000000000b', ${merchantId}, 'race', 'b')`,
    );
    let begun = 0;
    let release: () => void = () => {};
    const both = new Promise<void>((resolve) => {
      release = resolve;
    });
    let tries = 0;
    const crossing = (process: Process, first: string, second: string) =>
      transaction(process.store.sql, [merchantId], async (tx) => {
        tries++;
        await tx`update notice set count = count + 1 where kind = 'race' and dedupe_key = ${first}`;
        if (++begun === 2) release();
        await both;
        await tx`update notice set count = count + 1 where kind = 'race' and dedupe_key = ${second}`;
      });
    await Promise.all([crossing(processes[0]!, "a", "b"), crossing(processes[1]!, "b", "a")]);
    expect(tries).toBe(3);
    const rows = await sql((tx) => tx<{ count: number }[]>`select count from notice where kind = 'race'`);
    expect(rows.map((row) => row.count)).toEqual([3, 3]);
  });

  it("two batches that touch the same conversations in opposite order are both kept", async () => {
    const people = Array.from({ length: 12 }, (_, n) => ({ wa_id: `97256200${String(n).padStart(4, "0")}` }));
    for (let round = 0; round < 15; round++) {
      const batch = (order: Who[]) => order.map((who) => message(who, "Hello there"));
      const receipts = await Promise.all([
        post(processes[0]!, ...batch(people)),
        post(processes[1]!, ...batch(people.toReversed())),
      ]);
      for (const receipt of receipts)
        expect(receipt).toEqual({ status: 200, kept: { kept: 12, duplicates: 0, unrouted: 0 } });
    }
    const [mailboxes] = await sql(
      (tx) => tx<
        { boxes: number; wrong: number }[]
      >`select count(*)::int as boxes, count(*) filter (where last_seq <> 30)::int as wrong from mailbox where contact_id in
        (select contact_id from inbox i join mailbox m on m.id = i.conversation_id where i.type = 'text' and m.last_seq between 29 and 31)`,
    );
    expect(mailboxes).toEqual({ boxes: 12, wrong: 0 });
  });

  it("a merge that meets a running turn and a committing STOP: the stop holds for both identities", async () => {
    for (let n = 0; n < 20; n++) {
      const phone = { wa_id: `97256300${String(n).padStart(4, "0")}` };
      const id = { user_id: `IL.merge${n}` };
      await post(processes[0]!, message(phone, "Do you have roses?"), message(id, "Do you have palms?"));
      await post(processes[n % 2]!, message(n % 4 < 2 ? phone : id, "STOP"));
      const merge = async () => {
        if (n % 3 > 0) await pause(4 * (n % 5));
        await post(processes[1]!, message({ ...phone, ...id }, "Are you there?"));
      };
      await Promise.all([turns(processes[0]!), merge()]);
      await turnsUntilRest();
      for (const person of [{ waId: phone.wa_id }, { bsuid: id.user_id }]) {
        const [shown] = await showConsent(processes[1]!.store, merchantId, person);
        expect(shown!.standing.marketing.isSuppressed, `round ${n}, ${Object.keys(person)[0]}`).toBe(true);
      }
    }
    const [contacts] = await sql(
      (tx) => tx<
        { merged: number; twice: number }[]
      >`select (select count(*)::int from contact where merged_into is not null) as merged,
        (select count(*)::int from (select 1 from outbox where purpose = 'opt-out-confirmation' and state <> 'blocked' group by contact_id having count(*) > 1) t) as twice`,
    );
    expect(contacts).toEqual({ merged: 20, twice: 0 });
    const open = await sql(
      (tx) =>
        tx`select 1 from inbox i join mailbox m on m.id = i.conversation_id where i.seq > m.handled_seq and i.state = 'kept' and m.merged_into is null`,
    );
    expect(open).toHaveLength(0);
  });
});

describe("group commit", () => {
  const kept = (requests: Request<string>[]) =>
    requests.map(({ items }) => ({ kept: items.length, duplicates: 0, unrouted: 0 }));

  it("a member that fails harms nobody else, and the order is that of arrival", async () => {
    const written: string[] = [];
    const batches: number[] = [];
    const group = new GroupCommit<string>(async (requests, isWritten) => {
      batches.push(requests.length);
      await pause(2);
      const items = requests.flatMap((request) => request.items);
      if (items.includes("bad")) throw new Error("bad member");
      written.push(...items);
      isWritten();
      return kept(requests);
    });
    const items = Array.from({ length: 40 }, (_, n) => (n === 17 ? "bad" : `item ${n}`));
    const results = await Promise.allSettled(items.map((item) => group.add([item])));
    await group.idle();
    expect(results.flatMap((result, n) => (result.status === "rejected" ? [n] : []))).toEqual([17]);
    expect(written).toEqual(items.filter((item) => item !== "bad"));
    expect(Math.max(...batches)).toBeGreaterThan(1);
  });

  it("a POST is wholly in one batch, and batches stay in order while one waits for its commit", async () => {
    const written: string[] = [];
    const group = new GroupCommit<string>(
      async (requests, isWritten) => {
        written.push(...requests.flatMap((request) => request.items));
        isWritten();
        await pause(Math.random() * 4);
        return kept(requests);
      },
      { maxItems: 4, maxWaiting: 1000 },
    );
    const posts = Array.from({ length: 30 }, (_, n) => Array.from({ length: 1 + (n % 6) }, (_x, m) => `${n}.${m}`));
    const answers = await Promise.all(posts.map((items) => group.add(items)));
    expect(answers.map((answer) => answer.kept)).toEqual(posts.map((items) => items.length));
    expect(written).toEqual(posts.flat());
  });

  it("refuses what is too much with inbox/full, and takes more when there is room again", async () => {
    let finish: () => void = () => {};
    const stuck = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const group = new GroupCommit<string>(
      async (requests) => {
        await stuck;
        return kept(requests);
      },
      { maxItems: 10, maxWaiting: 5 },
    );
    const first = group.add(["a", "b", "c", "d"]);
    await expect(group.add(["e", "f"])).rejects.toMatchObject({ code: "inbox/full" });
    const second = group.add(["g"]);
    finish();
    await expect(Promise.all([first, second])).resolves.toHaveLength(2);
    await group.idle();
    // One POST alone is always taken, however large it is.
    await expect(group.add(["h", "i", "j", "k", "l", "m"])).resolves.toMatchObject({ kept: 6 });
  });
});
