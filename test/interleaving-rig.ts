import type { MerchantId, PhoneId } from "../src/domain/ids.ts";
import { type Tx, transaction } from "../src/store/database.ts";
import { knownTemplates, openProcess, type Process } from "./stage.ts";
import { apply, demoMerchant, type Scratch, scratchDatabase } from "./world.ts";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
/** A Monday morning in Israel: marketing may leave. */
export const MONDAY = Date.parse("2026-11-16T08:00:00Z");

/** How often each thing really happened: a promise about what never happens is kept by nobody. */
export type Totals = Record<
  | "steps"
  | "posts"
  | "answered"
  | "stops"
  | "merges"
  | "kills"
  | "zombies"
  | "resent"
  | "races"
  | "held"
  | "taps"
  | "released"
  | "stopAll"
  | "retried"
  | "leaseLost"
  | "zombiePosts",
  number
>;

export type Rig = {
  scratch: Scratch;
  merchantId: MerchantId;
  phoneId: PhoneId;
  processes: Process[];
  clock: { at: number };
  totals: Totals;
  sql: <T>(work: (tx: Tx) => Promise<T>) => Promise<T>;
  stop: () => Promise<void>;
};

/** One database, two processes on it (each with its own caches), no loops and no HTTP: only the scheduler moves. */
export async function startRig(): Promise<Rig> {
  const scratch = await scratchDatabase();
  const merchant = demoMerchant((config) => {
    config.burst = { windowMs: 0, capMs: 0 };
    config.humanIdleHours = 2;
    config.caps = { perDay: 50, perWeek: 50, perMonth: 50 };
  });
  const merchantId = (await apply(scratch, merchant)) as MerchantId;
  const clock = { at: MONDAY };
  const processes = [0, 1].map(() => openProcess(scratch, { clock: { now: () => new Date(clock.at) }, max: 5 }));
  const { store } = processes[0]!;
  await knownTemplates(store, merchantId);
  const sql = <T>(work: (tx: Tx) => Promise<T>) => transaction(store.sql, [merchantId], work);
  const [phone] = await sql((tx) => tx<{ id: PhoneId }[]>`select id from phone`);
  return {
    scratch,
    merchantId,
    phoneId: phone!.id,
    processes,
    clock,
    totals: noTotals(),
    sql,
    async stop() {
      for (const process of processes) await process.stop();
      await scratch.drop();
    },
  };
}

function noTotals(): Totals {
  return {
    steps: 0,
    posts: 0,
    answered: 0,
    stops: 0,
    merges: 0,
    kills: 0,
    zombies: 0,
    resent: 0,
    races: 0,
    held: 0,
    taps: 0,
    released: 0,
    stopAll: 0,
    retried: 0,
    leaseLost: 0,
    zombiePosts: 0,
  };
}
