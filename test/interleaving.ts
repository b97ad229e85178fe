import type { ConsentEvent } from "../src/domain/consent.ts";
import { type MerchantId, newId, type PhoneId, type Wamid } from "../src/domain/ids.ts";
import { errorCode } from "../src/errors.ts";
import { buryTurn, deliver, receive, recordStatus, takeTurn } from "../src/pipeline.ts";
import { standing } from "../src/policy/consent.ts";
import { decideOutbound } from "../src/policy/outbound-gate.ts";
import type { Claim, DueRow, GraphPort, OutboxPort, Ports, SendOutcome } from "../src/ports.ts";
import { createRandom, type Random } from "../src/simulator/random.ts";
import { sendBusinessMessage } from "../src/store/business-messages.ts";
import { recordConsent } from "../src/store/consent-admin.ts";
import { type Tx, transaction } from "../src/store/database.ts";
import { reweighDeferred, upkeepOnce } from "../src/store/upkeep-jobs.ts";
import { Actor, gated, knownTemplates, openProcess, type Post, type Process, webhook } from "./stage.ts";
import { apply, demoMerchant, type Scratch, scratchDatabase } from "./world.ts";

const HOUR = 3_600_000;
/** A Monday morning in Israel: marketing may leave. */
const MONDAY = Date.parse("2026-11-16T08:00:00Z");
const STEPS = 70;

type Change = { field?: string; value: Record<string, unknown> };
type Person = { waId: string; bsuid: string };
type Sent = {
  outboxId: string;
  lane: string | null;
  laneSeq: number;
  merges: number;
  isTemplate: boolean;
  mayBe: boolean;
};
type Event = { id: string; kind: string; type: string; seq: number | null; state: string };

export type Totals = {
  steps: number;
  posts: number;
  answered: number;
  stops: number;
  merges: number;
  kills: number;
  zombies: number;
  resent: number;
  races: number;
  nobody: number;
};

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
  const totals = {
    steps: 0,
    posts: 0,
    answered: 0,
    stops: 0,
    merges: 0,
    kills: 0,
    zombies: 0,
    resent: 0,
    races: 0,
    nobody: 0,
  };
  return {
    scratch,
    merchantId,
    phoneId: phone!.id,
    processes,
    clock,
    totals,
    sql,
    async stop() {
      for (const process of processes) await process.stop();
      await scratch.drop();
    },
  };
}

/** Plays one seed to its end and says which promises were broken; empty is well. */
export async function playSeed(rig: Rig, seed: number): Promise<string[]> {
  const play = new Play(rig, seed);
  await play.open();
  for (let step = 0; step < STEPS && play.problems.length === 0; step++) {
    await play.step();
    await play.check();
  }
  if (play.problems.length === 0) await play.drain();
  if (play.problems.length === 0) await play.checkAll();
  await play.close();
  return play.problems.length > 0 ? [...play.problems, `after: ${play.log.slice(-14).join(" > ")}`] : [];
}

type Worker = {
  actor: Actor;
  process: Process;
  ports: Ports;
  claim: Claim | undefined;
  hasClaimed: boolean;
  abort: AbortController;
};
type Deliverer = { actor: Actor; ports: Ports; post: Post | undefined; changes: Change[] };
type Sender = { actor: Actor; process: Process; ports: Ports };

class Play {
  readonly problems: string[] = [];
  readonly log: string[] = [];
  readonly #rig: Rig;
  readonly #random: Random;
  readonly #seed: number;
  readonly #since = newId();
  readonly #people: Person[];
  readonly #queue: Change[] = [];
  readonly #delivered: Post[] = [];
  readonly #sent: Sent[] = [];
  readonly #handled = new Map<string, Set<string>>();
  readonly #commanded = new Set<string>();
  readonly #seen = new Set<string>();
  readonly #running = new Set<string>();
  #workers: Worker[] = [];
  #deliverers: Deliverer[] = [];
  #senders: Sender[] = [];
  #shop = new Actor("shop");
  #isRacing = false;
  #isDraining = false;
  #merges = 0;
  #written = 0;
  #wamids = 0;

  constructor(rig: Rig, seed: number) {
    this.#rig = rig;
    this.#seed = seed;
    this.#random = createRandom(seed);
    const digits = String(seed % 100_000).padStart(5, "0");
    this.#people = [1, 2, 3].map((n) => ({ waId: `97254${digits}${n}0`, bsuid: `IL.${seed}x${n}` }));
  }

  async open(): Promise<void> {
    const { processes, merchantId } = this.#rig;
    this.#rig.clock.at = MONDAY;
    this.#workers = [0, 1].map((n) => this.#worker(n));
    this.#deliverers = [0, 1].map((n) => this.#deliverer(n));
    this.#senders = [0, 1].map((n) => this.#sender(n));
    for (const person of this.#people)
      await recordConsent(processes[0]!.store, merchantId, {
        person: { waId: person.waId },
        act: "opt-in",
        scope: "marketing",
        source: "human",
        proof: "test",
        actor: "test",
        at: new Date(MONDAY - HOUR),
      });
  }

  /** One move of one actor, or of two at once. */
  async step(): Promise<void> {
    this.#rig.totals.steps++;
    this.#rig.clock.at += 1000;
    const moves = this.#moves();
    let left = this.#random.next() * moves.reduce((sum, [weight]) => sum + weight, 0);
    const [, name, move] =
      moves.find(([weight]) => {
        left -= weight;
        return left < 0;
      }) ?? moves[0]!;
    this.log.push(name);
    await move();
  }

  #moves(): [number, string, () => Promise<unknown>][] {
    const moves: [number, string, () => Promise<unknown>][] = [];
    const add = (weight: number, name: string, move: () => Promise<unknown>) => moves.push([weight, name, move]);
    if (this.#written < 14) {
      add(5, "write", async () => this.#write(`Do you have item q${this.#written} in stock?`));
      add(1, "STOP", async () => this.#write("STOP"));
      add(0.7, "START", async () => this.#write("START"));
    }
    add(0.3, "preference", async () => this.#prefer());
    add(0.4, "echo", async () => this.#echo());
    add(0.5, "change number", async () => this.#changeNumber());
    if (!this.#shop.isBusy) add(1.5, "offer", () => this.#offer());
    for (const one of this.#deliverers)
      if (!one.actor.isBusy) {
        if (this.#queue.length > 0) add(4, `${one.actor.name} delivers`, () => this.#deliver(one));
        if (this.#delivered.length > 0) add(0.5, `${one.actor.name} again`, () => this.#deliverAgain(one));
      }
    for (const one of this.#workers)
      if (!one.actor.isBusy) add(3, `${one.actor.name} claims`, () => this.#takeTurn(one));
    for (const one of this.#senders) if (!one.actor.isBusy) add(3, `${one.actor.name} sends`, () => this.#send(one));
    const parked = this.#actors().filter((actor) => actor.isParked);
    for (const actor of parked) add(3, `${actor.name}.${actor.where}`, () => this.#run([actor]));
    if (parked.length >= 2) add(4, "race", () => this.#race(parked));
    for (const [index, worker] of this.#workers.entries())
      if (worker.actor.isParked) {
        add(0.3, `kill ${worker.actor.name}`, async () =>
          this.#kill(() => (this.#workers[index] = this.#worker(index))),
        );
        if (worker.claim) add(0.6, `${worker.actor.name} beats`, () => this.#beat(worker));
      }
    for (const [index, one] of this.#deliverers.entries())
      if (one.actor.isParked)
        add(0.3, `kill ${one.actor.name}`, async () => {
          this.#queue.push(...one.changes);
          this.#kill(() => (this.#deliverers[index] = this.#deliverer(index)));
        });
    for (const [index, one] of this.#senders.entries())
      if (one.actor.isParked)
        add(0.4, `kill ${one.actor.name}`, async () =>
          this.#kill(() => {
            this.#running.clear();
            this.#senders[index] = this.#sender(index);
          }),
        );
    add(1.5, "turns fall due", () => this.#turnsFallDue());
    add(1, "leases run out", () => this.#leasesRunOut());
    add(1, "rows fall due", () => this.#rowsFallDue());
    add(0.7, "90 s", () => this.#ninetySeconds());
    add(0.4, "clock", async () => this.#moveClock());
    add(0.3, "upkeep", () => this.#upkeep());
    return moves;
  }

  #actors(): Actor[] {
    return [...this.#workers, ...this.#deliverers, ...this.#senders].map(({ actor }) => actor).concat(this.#shop);
  }

  async #run(actors: Actor[]): Promise<void> {
    await Promise.all(actors.map((actor) => actor.step()));
  }

  /** Two port calls at the same moment: their transactions meet in the database. */
  async #race(parked: Actor[]): Promise<void> {
    const first = parked[this.#random.between(0, parked.length - 1)]!;
    const others = parked.filter((actor) => actor !== first);
    const second = others[this.#random.between(0, others.length - 1)]!;
    this.log.push(`[${first.name}.${first.where} | ${second.name}.${second.where}]`);
    this.#rig.totals.races++;
    this.#isRacing = true;
    await this.#run([first, second]);
    this.#isRacing = false;
  }

  #kill(replace: () => void): void {
    this.#rig.totals.kills++;
    replace();
  }

  // what people do

  #write(text: string): void {
    this.#written++;
    if (text === "STOP") this.#rig.totals.stops++;
    this.#queue.push({
      value: {
        messages: [
          { ...this.#from(), id: this.#wamid(), timestamp: this.#seconds(), type: "text", text: { body: text } },
        ],
      },
    });
  }

  /** As a phone, as a business-scoped id, or as both: the last makes one contact of two. */
  #from(): Record<string, string> {
    const person = this.#person();
    const kind = this.#random.next();
    if (kind < 0.6) return { from: person.waId };
    return kind < 0.85 ? { from_user_id: person.bsuid } : { from: person.waId, from_user_id: person.bsuid };
  }

  #prefer(): void {
    const value = this.#random.chance(0.7) ? "stop" : "resume";
    const preference = { wa_id: this.#person().waId, category: "marketing_messages", value };
    this.#queue.push({
      field: "user_preferences",
      value: {
        user_preferences: [{ ...preference, detail: "test", timestamp: Math.floor(this.#rig.clock.at / 1000) }],
      },
    });
  }

  #echo(): void {
    const echo = { from: "15550783881", to: this.#person().waId, id: this.#wamid(), timestamp: this.#seconds() };
    this.#queue.push({
      field: "smb_message_echoes",
      value: { message_echoes: [{ ...echo, type: "text", text: { body: "I take this" } }] },
    });
  }

  #changeNumber(): void {
    const [from, to] = [this.#person(), this.#person()];
    const system = { type: "user_changed_number", wa_id: to.waId, body: "changed" };
    this.#queue.push({
      value: { messages: [{ from: from.waId, id: this.#wamid(), timestamp: this.#seconds(), type: "system", system }] },
    });
  }

  async #offer(): Promise<void> {
    const person = this.#person();
    const n = newId();
    await this.#shop.start(() =>
      this.#guarded("shop", async () => {
        await this.#shop.gate("send");
        await sendBusinessMessage(
          this.#rig.processes[0]!.store,
          {
            merchantId: this.#rig.merchantId,
            phoneNumberId: undefined,
            person: { waId: person.waId },
            content: {
              type: "template",
              template: { name: "weekly_offer", language: "en", body: [{ type: "text", text: "20% off" }] },
            },
            verdict: await this.#rig.processes[0]!.ports.guard.check("20% off", "outbound"),
            author: "api",
            idempotencyKey: n,
            body: n,
            expiresAt: undefined,
          },
          decideOutbound,
        );
      }),
    );
  }

  #person(): Person {
    return this.#people[this.#random.between(0, this.#people.length - 1)]!;
  }

  #wamid(): string {
    return `wamid.${this.#seed}.${++this.#wamids}`;
  }

  #seconds(): string {
    return String(Math.floor(this.#rig.clock.at / 1000));
  }

  // the webhook

  #deliverer(n: number): Deliverer {
    const actor = new Actor(`webhook${n}`);
    const { ports } = this.#rig.processes[n]!;
    return { actor, ports: { ...ports, inbox: gated(actor, ports.inbox, ["keep"]) }, post: undefined, changes: [] };
  }

  /** Any of what is under way, in any order, one to three changes in a POST. */
  #deliver(one: Deliverer): Promise<void> {
    const count = Math.min(this.#queue.length, this.#random.between(1, 3));
    one.changes = Array.from(
      { length: count },
      () => this.#queue.splice(this.#random.between(0, this.#queue.length - 1), 1)[0]!,
    );
    return this.#receive(one, webhook(...one.changes));
  }

  #deliverAgain(one: Deliverer): Promise<void> {
    one.changes = [];
    return this.#receive(one, this.#delivered[this.#random.between(0, this.#delivered.length - 1)]!);
  }

  #receive(one: Deliverer, post: Post): Promise<void> {
    return one.actor.start(() =>
      this.#guarded(one.actor.name, async () => {
        const receipt = await receive(one.ports, post.body, post.signature);
        if (receipt.status !== 200) this.problems.push(`the webhook answered ${receipt.status}`);
        this.#delivered.push(post);
        one.changes = [];
      }),
    );
  }

  // the turns

  #worker(n: number): Worker {
    const actor = new Actor(`worker${n}`);
    const process = this.#rig.processes[n]!;
    const mailbox = gated(actor, process.mailbox, ["facts", "commitCommands", "commitTurn", "release", "fail", "bury"]);
    const agent = {
      version: () => "test",
      draft: async ({ question }: { question: string }) => {
        await actor.gate("draft");
        if (this.#random.chance(0.08) && !this.#isDraining) throw new Error("the model is away");
        const more = this.#random.chance(0.12) ? `\n\n${"We have many plants. ".repeat(230)}` : "";
        return { draft: { type: "answer" as const, text: `Re: ${question}${more}` }, usage: undefined };
      },
    };
    return {
      actor,
      process,
      ports: { ...process.ports, mailbox, agent },
      claim: undefined,
      hasClaimed: false,
      abort: new AbortController(),
    };
  }

  #takeTurn(worker: Worker): Promise<void> {
    const { actor, process, ports } = worker;
    return actor.start(() =>
      this.#guarded(actor.name, async () => {
        worker.claim = undefined;
        const [claim] = await process.mailbox.claim(1);
        worker.hasClaimed = claim !== undefined;
        if (!claim) return;
        worker.claim = claim;
        worker.abort = new AbortController();
        try {
          const result =
            claim.attempts >= 5 ? await buryTurn(ports, claim) : await takeTurn(ports, claim, worker.abort.signal);
          if (result === "lost") this.#rig.totals.zombies++;
        } catch (err) {
          // A command whose contact was merged away meanwhile: known to throw where it should be lost.
          if (errorCode(err) !== "consent/nobody") throw err;
          await process.mailbox.fail(claim, errorCode(err));
          this.#rig.totals.nobody++;
        }
        worker.claim = undefined;
      }),
    );
  }

  /** As the worker's heart does: keeps the lease, and stops a model whose answer could not be committed any more. */
  async #beat({ process, claim, abort }: Worker): Promise<void> {
    const beat = (await process.mailbox.heartbeat([claim!])).get(claim!.conversationId);
    const isOvertaken =
      beat && (beat.fenceSeq > claim!.lastSeq || (claim!.supersedes < 2 && beat.lastSeq > claim!.lastSeq));
    if (!beat || isOvertaken) abort.abort();
  }

  // the sender

  #sender(n: number): Sender {
    const actor = new Actor(`sender${n}`);
    const process = this.#rig.processes[n]!;
    const real = process.ports.outbox;
    const markSending: OutboxPort["markSending"] = async (row, decide, settleOpen) => {
      await actor.gate("markSending");
      const marked = await real.markSending(row, decide, settleOpen);
      if (marked.type === "sending") await this.#weighMark(marked.attemptId);
      return marked;
    };
    const outbox = { ...gated(actor, real, ["recordOutcome"]), markSending };
    return { actor, process, ports: { ...process.ports, outbox, graph: this.#graph(actor) } };
  }

  #graph(actor: Actor): GraphPort {
    return {
      markRead: () => {},
      send: async (cleared, { attemptId, content }) => {
        await actor.gate("post");
        const draw = this.#isDraining ? 0 : this.#random.next();
        const mayBe = draw < 0.85;
        this.#post(cleared.outboxId, attemptId, content.type === "template", mayBe);
        const wamid = this.#wamid();
        if (mayBe) this.#receipts(wamid, attemptId);
        await actor.gate("answer");
        return outcomeOf(draw, wamid);
      },
    };
  }

  #pending = new Map<string, Pick<Sent, "lane" | "laneSeq" | "merges">>();

  #post(outboxId: string, attemptId: string, isTemplate: boolean, mayBe: boolean): void {
    this.#rig.totals.posts++;
    const marked = this.#pending.get(attemptId);
    if (!marked) return void this.problems.push(`a POST without a mark: ${outboxId}`);
    const before = this.#sent.findLast((one) => one.lane !== null && one.lane === marked.lane);
    if (before && before.merges === marked.merges && before.laneSeq > marked.laneSeq)
      this.problems.push(`lane order: ${marked.laneSeq} after ${before.laneSeq}`);
    this.#sent.push({ outboxId, isTemplate, mayBe, ...marked });
    const count = this.#sent.filter((one) => one.outboxId === outboxId && one.mayBe).length;
    if (mayBe && count > (isTemplate ? 1 : 2)) this.problems.push(`${outboxId} posted ${count} times`);
    if (mayBe && count === 2) this.#rig.totals.resent++;
  }

  /** What Meta says of a message it has: nothing, some of it or all of it, in any order. */
  #receipts(wamid: string, attemptId: string): void {
    if (this.#random.chance(0.4)) return;
    const failed = !this.#isDraining && this.#random.chance(0.05);
    for (const status of failed ? ["failed"] : ["sent", "delivered", "read"]) {
      if (!this.#random.chance(this.#isDraining ? 0.2 : 0.8)) continue;
      const about = { id: wamid, status, timestamp: this.#seconds(), recipient_id: "1" };
      const errors = failed ? { errors: [{ code: 131026, title: "Message undeliverable" }] } : {};
      this.#queue.push({
        value: { statuses: [{ ...about, ...errors, biz_opaque_callback_data: attemptId }] },
      });
    }
  }

  async #send(sender: Sender): Promise<void> {
    const rows = (await sender.process.senders.dueRows(this.#rig.phoneId, 20)).filter(
      (row) => this.#isDraining || !this.#running.has(row.outboxId) || this.#random.chance(0.2),
    );
    const row = rows[this.#random.between(0, Math.max(0, rows.length - 1))];
    if (row) await this.#deliverRow(sender, row);
  }

  #deliverRow(sender: Sender, row: DueRow): Promise<void> {
    this.#running.add(row.outboxId);
    return sender.actor.start(() =>
      this.#guarded(sender.actor.name, async () => {
        await deliver(sender.ports, row);
        this.#running.delete(row.outboxId);
      }),
    );
  }

  // time

  #turnsFallDue(): Promise<unknown> {
    return this.#rig.sql((tx) =>
      Promise.all([
        tx`update mailbox set due_at = clock_timestamp(), backoff_until = null where id > ${this.#since} and kind = 'conversation' and due_at < 'infinity'`,
      ]),
    );
  }

  #leasesRunOut(): Promise<unknown> {
    return this.#rig.sql(
      (tx) =>
        tx`update mailbox set lease_until = clock_timestamp() where id > ${this.#since} and lease_until is not null`,
    );
  }

  #rowsFallDue(): Promise<unknown> {
    return this.#rig.sql(
      (tx) => tx`update outbox_due set send_at = clock_timestamp() where outbox_id > ${this.#since}
        and outbox_id in (select id from outbox where id > ${this.#since} and state in ('queued', 'deferred'))`,
    );
  }

  /** POSTs whose answer nobody wrote down reach their deadline, unknown ones the end of their wait. A POST about to leave leaves first. */
  async #ninetySeconds(): Promise<void> {
    await this.#run(
      this.#senders.map(({ actor }) => actor).filter((actor) => actor.isParked && actor.where === "post"),
    );
    this.#rig.clock.at += 110_000;
    await this.#rig.sql(async (tx) => {
      await tx`update send_attempt set deadline_at = clock_timestamp() where id > ${this.#since} and state = 'sending'`;
      await tx`update outbox_due set send_at = clock_timestamp() where outbox_id in (select id from outbox where id > ${this.#since} and state in ('sending', 'unknown'))`;
    });
  }

  #moveClock(): void {
    if (this.#rig.clock.at < MONDAY + 10 * HOUR) this.#rig.clock.at += this.#random.between(1, 150) * 60_000;
  }

  async #upkeep(): Promise<void> {
    const { store } = this.#rig.processes[this.#random.between(0, 1)]!;
    await this.#rig.sql((tx) => tx`update status_parked set next_try_at = clock_timestamp() where id > ${this.#since}`);
    await upkeepOnce(store, recordStatus);
    await reweighDeferred(store);
  }

  /** Everything that was begun is ended, everything that is due is done, until nothing is left. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    for (let round = 0; round < 60; round++) {
      for (let parked = this.#parked(); parked.length > 0; parked = this.#parked()) await this.#run(parked);
      while (this.#queue.length > 0)
        await this.#toEnd(this.#deliverers[round % 2]!.actor, () => this.#deliverAll(round));
      await this.#turnsFallDue();
      await this.#leasesRunOut();
      for (let claims = 1; claims > 0; ) {
        claims = 0;
        for (const worker of this.#workers) {
          await this.#toEnd(worker.actor, () => this.#takeTurn(worker));
          if (worker.hasClaimed) claims++;
        }
      }
      if (round === 0) await this.#upkeep();
      await this.#rowsFallDue();
      await this.#ninetySeconds();
      for (let rows = 8; rows > 0; rows--) {
        const sender = this.#senders[rows % 2]!;
        const due = await sender.process.senders.dueRows(this.#rig.phoneId, 20);
        if (due.length === 0) break;
        for (const row of due) await this.#toEnd(sender.actor, () => this.#deliverRow(sender, row));
      }
      await this.check();
      if (this.problems.length > 0 || (await this.#isAtRest())) return;
    }
    this.problems.push("it does not come to rest");
  }

  #deliverAll(round: number): Promise<void> {
    const one = this.#deliverers[round % 2]!;
    one.changes = this.#queue.splice(0, 12);
    return this.#receive(one, webhook(...one.changes));
  }

  #parked(): Actor[] {
    return this.#actors().filter((actor) => actor.isParked);
  }

  async #toEnd(actor: Actor, start: () => Promise<unknown>): Promise<void> {
    await start();
    while (actor.isParked) await actor.step();
  }

  async #isAtRest(): Promise<boolean> {
    const [row] = await this.#rig.sql(
      (tx) => tx<{ busy: number }[]>`
        select (select count(*) from mailbox where id > ${this.#since} and kind = 'conversation' and (due_at < 'infinity' or token is not null))::int
          + (select count(*) from outbox where id > ${this.#since} and (state in ('queued', 'sending', 'unknown') or (state = 'deferred' and lane is not null)))::int as busy`,
    );
    return row!.busy === 0 && this.#queue.length === 0;
  }

  /** Promotions that wait for the morning do not wait for the next seed. */
  async close(): Promise<void> {
    // A table that grew from nothing in seconds keeps the plans of an empty one until it is analysed.
    if (this.#seed % 4 === 1) await this.#rig.scratch.owner.unsafe("analyze");
    await this.#rig.sql(async (tx) => {
      await tx`update outbox set state = 'canceled' where id > ${this.#since} and state in ('queued', 'deferred')`;
      await tx`delete from outbox_due where outbox_id > ${this.#since}`;
      await tx`update mailbox set due_at = 'infinity', token = null, lease_until = null where id > ${this.#since} and kind = 'conversation'`;
    });
  }

  // the promises

  /** At the mark: the row's verdict is a yes, nobody stopped before it, nothing stands before it in its lane. */
  async #weighMark(attemptId: string): Promise<void> {
    const isRacing = this.#isRacing;
    const merges = this.#merges;
    await this.#rig.sql(async (tx) => {
      const [row] = await tx<
        {
          id: string;
          lane: string | null;
          laneSeq: number;
          purpose: string;
          contactId: string;
          markedAt: Date;
          verdict: string | null;
          isBehind: boolean;
        }[]
      >`select o.id, o.lane, o.lane_seq::float8 as "laneSeq", o.purpose, a.contact_id as "contactId", a.started_at as "markedAt",
          (select type from decision d where d.outbox_id = o.id and d.subject = 'outbound' order by d.id desc limit 1) as verdict,
          exists (select 1 from outbox e where e.lane = o.lane and e.lane_seq < o.lane_seq and e.state in ('queued', 'deferred', 'sending', 'unknown')) as "isBehind"
        from send_attempt a join outbox o on o.id = a.outbox_id where a.id = ${attemptId}`;
      this.#pending.set(attemptId, { lane: row!.lane, laneSeq: row!.laneSeq, merges });
      if (row!.verdict !== "send")
        this.problems.push(`a POST of ${row!.purpose} whose last verdict is ${row!.verdict}`);
      if (row!.isBehind && !isRacing) this.problems.push("a POST with an open row before it in its lane");
      if (row!.purpose !== "marketing") return;
      const ledger = await tx<(ConsentEvent & { contactId: string })[]>`
        select distinct e.id, act, scope, source, event_at as at, e.contact_id as "contactId" from consent_event e join consent_key k on k.consent_event_id = e.id join contact_identity i on i.id_hash = k.id_hash
        where i.contact_id = (select contact_id from outbox where id = ${row!.id}) and e.recorded_at < (select started_at from send_attempt where id = ${attemptId})`;
      const lines = isRacing ? ledger.filter((line) => line.contactId === row!.contactId) : ledger;
      if (standing(lines).marketing.isSuppressed) this.problems.push("a promotion after a committed STOP");
    });
  }

  /** After each step: no event handled twice. */
  async check(): Promise<void> {
    const keys = await this.#rig.processes[0]!.store.keyring.of(this.#rig.merchantId);
    const [records, merged, rows] = await this.#rig.sql((tx) =>
      Promise.all([
        tx<{ id: string; turnId: string; type: string; facts: Uint8Array }[]>`
          select id, turn_id as "turnId", type, facts_ct as facts from decision where id > ${this.#since} and subject = 'turn' and not id = any(${[...this.#seen]})`,
        tx<
          { count: number }[]
        >`select count(*)::int as count from contact where id > ${this.#since} and merged_into is not null`,
        tx<{ twice: number; passed: number }[]>`select
          (select count(*)::int from (select 1 from inbox where id > ${this.#since} and seq is not null group by conversation_id, seq having count(*) > 1) t) as twice,
          (select count(*)::int from mailbox where id > ${this.#since} and handled_seq > last_seq) as passed`,
      ]),
    );
    this.#rig.totals.merges += merged[0]!.count - this.#merges;
    this.#merges = merged[0]!.count;
    if (rows[0]!.twice > 0) this.problems.push("two events share a number");
    if (rows[0]!.passed > 0) this.problems.push("a watermark above the last event");
    for (const record of records) {
      this.#seen.add(record.id);
      const facts = JSON.parse(keys.open("decision", "facts_ct", record.id, record.facts)) as {
        event?: string;
        events?: string[];
      };
      for (const id of facts.events ?? (facts.event ? [facts.event] : [])) {
        if (record.type === "command") {
          this.#commanded.add(id);
          continue;
        }
        const turns = this.#handled.get(id) ?? new Set();
        this.#handled.set(id, turns.add(record.turnId));
        if (turns.size > 1) this.problems.push(`event ${id} handled by ${turns.size} turns`);
        if (record.type === "answer") this.#rig.totals.answered++;
      }
    }
  }

  /** At the end: every event that was accepted was handled, and what was said of it was said once. */
  async checkAll(): Promise<void> {
    const events = await this.#rig.sql(
      (tx) => tx<Event[]>`select id, kind, type, seq::float8 as seq, state from inbox where id > ${this.#since}`,
    );
    const texts = events.filter((event) => event.kind === "message" && event.type === "text");
    if (texts.length !== this.#written) this.problems.push(`${texts.length} of ${this.#written} messages kept`);
    for (const event of texts) {
      const times = this.#handled.get(event.id)?.size ?? 0;
      if (times === 0 && !this.#commanded.has(event.id) && event.state !== "dead")
        this.problems.push(`event ${event.id} never handled`);
    }
    const [open] = await this.#rig.sql(
      (tx) =>
        tx<
          { count: number }[]
        >`select count(*)::int as count from inbox i join mailbox m on m.id = i.conversation_id where i.id > ${this.#since} and i.state = 'kept' and i.seq > m.handled_seq and m.merged_into is null and i.kind = 'message'`,
    );
    if (open!.count > 0) this.problems.push(`${open!.count} events above the watermark`);
  }

  async #guarded(name: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (err) {
      this.problems.push(`${name} threw ${errorCode(err)}: ${(err as Error).message}`);
    }
  }
}

function outcomeOf(draw: number, wamid: string): SendOutcome {
  if (draw < 0.75) return { type: "accepted", wamid: wamid as Wamid };
  if (draw < 0.9) return { type: "unknown", code: "timeout" };
  if (draw < 0.93) return { type: "refused", code: 131000, isTransient: true };
  if (draw < 0.96) return { type: "refused", code: 131056, isTransient: false };
  return { type: "not-sent", code: "ECONNREFUSED" };
}
