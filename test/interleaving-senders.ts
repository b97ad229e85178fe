import type { Wamid } from "../src/domain/ids.ts";
import { deliver } from "../src/pipeline.ts";
import type { DueRow, GraphPort, OutboxPort, Ports, SenderLease, SendOutcome } from "../src/ports.ts";
import type { Random } from "../src/simulator/random.ts";
import type { People } from "./interleaving-people.ts";
import type { Promises } from "./interleaving-promises.ts";
import type { Rig } from "./interleaving-rig.ts";
import { Actor, gated, type Process } from "./stage.ts";

export type Sender = { actor: Actor; process: Process; ports: Ports; lease: SenderLease | undefined };

/** A lease is 6 s of the database's clock; nothing is said about one that may have run out by itself. */
const SURE_MS = 4000;

/** The senders of the one number: who holds its lease, who only thinks so, and what Meta answers them. */
export class Senders {
  readonly all: Sender[];
  isDraining = false;
  readonly #rig: Rig;
  readonly #random: Random;
  readonly #people: People;
  readonly #promises: Promises;
  readonly #running = new Set<string>();
  #holder: { token: string; since: number } | undefined;

  constructor(rig: Rig, random: Random, people: People, promises: Promises) {
    this.#rig = rig;
    this.#random = random;
    this.#people = people;
    this.#promises = promises;
    this.all = [0, 1].map((n) => this.#sender(n));
  }

  /** The process died; its lease stands until it runs out. */
  replace(index: number): void {
    this.#running.clear();
    this.all[index] = this.#sender(index);
  }

  get isHeld(): boolean {
    return this.#holder !== undefined;
  }

  claim(sender: Sender): Promise<void> {
    return sender.actor.start(() =>
      this.#promises.guarded(sender.actor.name, async () => {
        await sender.actor.gate("claim");
        const [lease] = await sender.process.senders.claimSenders(8);
        if (!lease) return;
        if (this.#isSure()) this.#promises.problems.push("two senders hold one lease");
        sender.lease = lease;
        this.#holder = { token: lease.token, since: performance.now() };
      }),
    );
  }

  /** As the sender's heart does. */
  async beat(sender: Sender): Promise<void> {
    const lease = sender.lease!;
    const isKept = (await sender.process.senders.extend([lease])).has(lease.phoneId);
    const isOurs = this.#holder?.token === lease.token;
    if (isKept && !isOurs) this.#promises.problems.push("a lease that was lost was extended");
    if (!isKept && isOurs && this.#isSure()) this.#promises.problems.push("a lease that stands was not extended");
    if (isKept) this.#holder = { token: lease.token, since: performance.now() };
    else this.#lose(sender);
  }

  #lose(sender: Sender): void {
    sender.lease = undefined;
    this.#rig.totals.leaseLost++;
  }

  #isSure(): boolean {
    return this.#holder !== undefined && performance.now() - this.#holder.since < SURE_MS;
  }

  /** Its holder stood still for longer than the lease, and does not know it. */
  async leaseRunsOut(): Promise<void> {
    this.#holder = undefined;
    await this.#rig.sql(
      (tx) =>
        tx`update mailbox set lease_until = clock_timestamp() - interval '1 ms' where kind = 'sender' and phone_id = ${this.#rig.phoneId} and lease_until is not null`,
    );
  }

  /** One of the rows that are due; now and then one that another sender is busy with. */
  async send(sender: Sender): Promise<void> {
    const rows = (await sender.process.senders.dueRows(this.#rig.phoneId, 20)).filter(
      (row) => !this.#running.has(row.outboxId) || this.#random.chance(0.2),
    );
    const row = rows[this.#random.between(0, Math.max(0, rows.length - 1))];
    if (row) await this.#deliver(sender, row);
  }

  /** A new holder does everything that is due, and gives the lease back. */
  async sendAll(sender: Sender): Promise<void> {
    if (this.#holder) await this.leaseRunsOut();
    await toEnd(sender.actor, () => this.claim(sender));
    for (let rounds = 8; rounds > 0 && sender.lease; rounds--) {
      const due = await sender.process.senders.dueRows(this.#rig.phoneId, 20);
      if (due.length === 0) break;
      for (const row of due) await toEnd(sender.actor, () => this.#deliver(sender, row));
    }
    if (!sender.lease) return;
    await sender.process.senders.release([sender.lease]);
    sender.lease = undefined;
    this.#holder = undefined;
  }

  /** POSTs that are about to leave, leave: between mark and POST lie milliseconds. */
  async letPostsLeave(): Promise<void> {
    const posts = this.all.filter(({ actor }) => actor.isParked && actor.where === "post");
    await Promise.all(posts.map(({ actor }) => actor.step()));
  }

  #deliver(sender: Sender, row: DueRow): Promise<void> {
    this.#running.add(row.outboxId);
    return sender.actor.start(() =>
      this.#promises.guarded(sender.actor.name, async () => {
        await deliver(sender.ports, row);
        this.#running.delete(row.outboxId);
      }),
    );
  }

  #sender(n: number): Sender {
    const actor = new Actor(`sender${n}`);
    const process = this.#rig.processes[n]!;
    const real = process.ports.outbox;
    const markSending: OutboxPort["markSending"] = async (row, decide, settleOpen) => {
      await actor.gate("markSending");
      const marked = await real.markSending(row, decide, settleOpen);
      if (marked.type === "sending") await this.#promises.marked(marked.attemptId);
      return marked;
    };
    const outbox = { ...gated(actor, real, ["recordOutcome"]), markSending };
    const sender: Sender = { actor, process, ports: process.ports, lease: undefined };
    sender.ports = { ...process.ports, outbox, graph: this.#graph(sender) };
    return sender;
  }

  #graph(sender: Sender): GraphPort {
    const { actor } = sender;
    return {
      markRead: () => {},
      send: async (cleared, { attemptId, content, recipient }) => {
        await actor.gate("post");
        if (sender.lease && sender.lease.token !== this.#holder?.token) this.#rig.totals.zombiePosts++;
        const draw = this.isDraining ? 0 : this.#random.next();
        const mayBe = draw < 0.85;
        const wamid = this.#people.wamid();
        const sent = this.#promises.posted(cleared.outboxId, attemptId, content.type === "template", mayBe);
        if (mayBe && sent) {
          sent.hasFailed = this.#people.receipts(wamid, attemptId, this.isDraining);
          if (content.type === "template" && !sent.hasFailed) this.#people.invite(content.template, wamid, recipient);
        }
        await actor.gate("answer");
        return outcomeOf(draw, wamid);
      },
    };
  }
}

export async function toEnd(actor: Actor, start: () => Promise<unknown>): Promise<void> {
  await start();
  while (actor.isParked) await actor.step();
}

function outcomeOf(draw: number, wamid: string): SendOutcome {
  if (draw < 0.75) return { type: "accepted", wamid: wamid as Wamid };
  if (draw < 0.9) return { type: "unknown", code: "timeout" };
  if (draw < 0.93) return { type: "refused", code: 131000, isTransient: true };
  if (draw < 0.96) return { type: "refused", code: 131056, isTransient: false };
  return { type: "not-sent", code: "ECONNREFUSED" };
}
