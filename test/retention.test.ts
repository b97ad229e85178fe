import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decideOutbound } from "../src/policy/outbound-gate.ts";
import { explain } from "../src/store/inspect.ts";
import { type RetentionLine, retainAll, runRetention, runUnrouted } from "../src/store/retention.ts";
import { reweighDeferred } from "../src/store/upkeep-jobs.ts";
import { optIn, sqlOf, until } from "./scene.ts";
import { demoMerchant, startWorld, type TestWorld } from "./world.ts";

const DANA = "972500000901";
const OPEN_HELD = "972500000902";

let world: TestWorld;
let sql: ReturnType<typeof sqlOf>;
const merchantId = () => world.merchantId as never;
const run = (isDryRun: boolean) => runRetention(world.runtime.store, merchantId(), { isDryRun });
const rowsOf = (lines: RetentionLine[]) =>
  Object.fromEntries(lines.filter((line) => line.rows > 0).map((line) => [line.class, line.rows]));

beforeAll(async () => {
  world = await startWorld({
    merchants: [
      demoMerchant((config) => {
        config.retention = { messages: 30, rawPayloads: 3 };
      }),
    ],
  });
  sql = sqlOf(world);
});
afterAll(() => world.stop());

/** Everything that is written by now becomes so much older. The clocks are left alone: they would age what comes later, too. */
async function age(days: number): Promise<void> {
  const by = `${days} days`;
  await sql(async (tx) => {
    await tx`update inbox set received_at = received_at - ${by}::interval`;
    await tx`update outbox set created_at = created_at - ${by}::interval`;
    await tx`update decision set decided_at = decided_at - ${by}::interval`;
    await tx`update send_attempt set started_at = started_at - ${by}::interval`;
    await tx`update event_key set seen_at = seen_at - ${by}::interval`;
    await tx`update notice set last_at = last_at - ${by}::interval`;
    await tx`update consent_event set recorded_at = recorded_at - ${by}::interval`;
    await tx`update pair_limit set paid_until = paid_until - ${by}::interval`;
    await tx`update contact set created_at = created_at - ${by}::interval`;
    await tx`update mailbox set window_at = window_at - ${by}::interval where kind = 'conversation'`;
  });
}

describe("retention", () => {
  it("forgets nothing that is young", async () => {
    await world.say(DANA, "When do you deliver?");
    await world.replies(DANA, 1);
    expect(rowsOf(await run(true))).toEqual({});
    expect(rowsOf(await run(false))).toEqual({});
  });

  it("what the dry run counts is what the run does, class by class and each after its own days; then nothing is left", async () => {
    await age(4);
    const raw = await run(true);
    expect(rowsOf(raw)).toEqual({ rawPayloads: 1 });
    expect(await run(false)).toEqual(raw);
    await age(180);
    const all = await run(true);
    expect(Object.keys(rowsOf(all)).sort()).toEqual(["attempts", "decisionFacts", "eventKeys", "limits", "messages"]);
    expect(rowsOf(all).messages).toBe(2);
    expect(all.find((line) => line.class === "messages")).toMatchObject({ days: 30, fate: "blanked" });
    expect(await run(true)).toEqual(all);
    expect(await run(false)).toEqual(all);
    expect(rowsOf(await run(true))).toEqual({});
  });

  it("leaves the rows for counting, and explain says erased", async () => {
    const [row] = await sql((tx) => tx<{ id: string; state: string }[]>`select id, state from outbox limit 1`);
    expect(row!.state).toBe("accepted");
    const found = await explain(world.runtime.store, row!.id, decideOutbound);
    expect(found.decisions.length).toBeGreaterThan(1);
    for (const decision of found.decisions) expect(decision.facts).toBe("erased");
    expect(found.decisions.find((decision) => decision.subject === "outbound")).toMatchObject({ replay: "erased" });
    expect(found.attempts).toMatchObject([{ state: "accepted", status: "read" }]);
  });

  it("a conversation whose past is erased goes on", async () => {
    await world.say(DANA, "And on Friday?");
    const replies = await world.replies(DANA, 2);
    expect(replies.at(-1)!.text).toContain("You wrote");
    expect(rowsOf(await run(true))).toEqual({});
  });

  it("never touches an unhandled event, an open row, or the question of a held answer", async () => {
    // The window closes on an answer: it is held, with its question.
    await optIn(world, OPEN_HELD, "utility");
    await sql((tx) => tx`update phone set paused_until = now() + interval '1 day'`);
    await world.say(OPEN_HELD, "Hold this question please");
    await world.settle();
    await sql(async (tx) => {
      await tx`update mailbox set window_at = window_at - interval '25 hours' where kind = 'conversation'`;
      await tx`update phone set paused_until = null`;
    });
    await reweighDeferred(world.runtime.store);
    await until(async () => (await sql((tx) => tx`select 1 from outbox where state = 'held'`)).length > 0);
    await world.settle();
    await age(400);
    const kept = () =>
      sql(
        (tx) => tx<{ held: number; asked: number }[]>`
          select (select count(*)::int from outbox where state = 'held' and content_ct <> '') as held,
            (select count(*)::int from inbox i join held_answer h on i.id = any(h.question_event_ids) where i.body_ct <> '') as asked`,
      );
    await run(false);
    expect(await kept()).toMatchObject([{ held: 1, asked: 1 }]);
    // An event nobody has handled: as if every worker had been away for a year.
    await sql(
      (tx) =>
        tx`update inbox set body_ct = '\\x01', seq = 1000 where id = (select id from inbox where body_ct = '' limit 1)`,
    );
    await run(false);
    expect(await sql((tx) => tx`select 1 from inbox where body_ct = '\\x01'`)).toHaveLength(1);
    await sql((tx) => tx`update mailbox set handled_seq = 1000, last_seq = 1000 where kind = 'conversation'`);
    expect(rowsOf(await run(false)).messages).toBe(1);
    expect(await kept()).toMatchObject([{ held: 1, asked: 1 }]);
  });

  it("a dead letter goes after its own days, leaves the list, and is not replayed", async () => {
    await sql(
      (tx) =>
        tx`update inbox set state = 'dead', body_ct = '\\x01', received_at = now() - interval '31 days' where id = (select id from inbox where body_ct = '' limit 1)`,
    );
    expect(rowsOf(await run(true))).toEqual({ deadLetters: 1 });
    expect(rowsOf(await run(false))).toEqual({ deadLetters: 1 });
    expect(await sql((tx) => tx`select 1 from inbox where state = 'dead'`)).toHaveLength(0);
  });

  it("batches are bounded, and a run that ends between two of them is finished by the next", async () => {
    await sql(
      (
        tx,
      ) => tx`insert into decision (id, merchant_id, subject, step, type, reason, facts_ct, versions, decided_at, last_at)
        select gen_random_uuid(), ${world.merchantId}, 'turn', 's', 't', 'r', '\\x01', '{}', now() - interval '400 days', now() from generate_series(1, 1200)`,
    );
    const stop = new AbortController();
    const halfway = runRetention(world.runtime.store, merchantId(), { isDryRun: false, signal: stop.signal });
    await until(async () => (await left()) < 1200);
    stop.abort();
    await halfway;
    expect([200, 700, 0]).toContain(await left());
    await run(false);
    expect(await left()).toBe(0);
    async function left(): Promise<number> {
      const [row] = await sql(
        (tx) => tx<{ n: number }[]>`select count(*)::int as n from decision where facts_ct = '\\x01'`,
      );
      return row!.n;
    }
  });

  it("events of nobody go after 30 days", async () => {
    await world.scratch.owner.begin(async (tx) => {
      await tx`select set_config('app.merchant_ids', '{00000000-0000-0000-0000-000000000000}', true)`;
      await tx`insert into inbox_unrouted (id, merchant_id, reason, body_ct, received_at) values (gen_random_uuid(), '00000000-0000-0000-0000-000000000000', 'x', '\\x01', now() - interval '31 days')`;
    });
    expect(await runUnrouted(world.runtime.store, { isDryRun: true })).toMatchObject({ rows: 1 });
    await retainAll(world.runtime.store);
    expect(await runUnrouted(world.runtime.store, { isDryRun: true })).toMatchObject({ rows: 0 });
  });

  it("people nobody has heard of for three years are erased with a proof; who opted in lately is not", async () => {
    await sql((tx) => tx`update outbox set state = 'canceled' where state in ('held', 'queued', 'deferred')`);
    await age(1200);
    await optIn(world, DANA, "marketing");
    expect(rowsOf(await run(true))).toMatchObject({ contacts: 1 });
    await run(false);
    const proofs = await sql((tx) => tx<{ actor: string }[]>`select actor from erasure`);
    expect(proofs).toMatchObject([{ actor: "retention" }]);
    expect(await sql((tx) => tx`select 1 from contact where erased_at is null and phone_ct is not null`)).toHaveLength(
      1,
    );
  });
});
