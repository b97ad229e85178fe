import { buryTurn, receive, recordStatus, takeTurn } from "../src/pipeline.ts";
import type { Claim, Ports } from "../src/ports.ts";
import { createRandom, type Random } from "../src/simulator/random.ts";
import { reweighDeferred, upkeepOnce } from "../src/store/upkeep-jobs.ts";
import { type Change, People, TOO_OLD_MS } from "./interleaving-people.ts";
import { Promises } from "./interleaving-promises.ts";
import { DAY, HOUR, MONDAY, type Rig } from "./interleaving-rig.ts";
import { Senders, toEnd } from "./interleaving-senders.ts";
import { Time } from "./interleaving-time.ts";
import { Actor, gated, type Post, type Process, webhook } from "./stage.ts";

const STEPS = 70;
const MAX_DAYS = 3;

/** Plays one seed to its end and says which promises were broken; empty is well. */
export async function playSeed(rig: Rig, seed: number): Promise<string[]> {
  const play = new Play(rig, seed);
  await play.open();
  for (let step = 0; step < STEPS && play.isWell; step++) {
    await play.step();
  }
  if (play.isWell) await play.drain();
  if (play.isWell) await play.promises.checkAll(play.people.written, play.people.tapped);
  await play.close();
  return play.isWell ? [] : [...play.promises.problems, `after: ${play.log.slice(-14).join(" > ")}`];
}

type Worker = {
  actor: Actor;
  process: Process;
  ports: Ports;
  claim: Claim | undefined;
  hasClaimed: boolean;
  abort: AbortController;
};
type Deliverer = { actor: Actor; ports: Ports; changes: Change[] };
type Move = [weight: number, name: string, move: () => unknown];

/** The scheduler: at every step one actor moves, or two at once, or time does, or a process dies. */
class Play {
  readonly log: string[] = [];
  readonly promises: Promises;
  readonly people: People;
  readonly #rig: Rig;
  readonly #random: Random;
  readonly #senders: Senders;
  readonly #time: Time;
  readonly #delivered: Post[] = [];
  readonly #shop = new Actor("shop");
  readonly #workers: Worker[];
  readonly #deliverers: Deliverer[];
  #isDraining = false;
  #days = 0;

  constructor(rig: Rig, seed: number) {
    this.#rig = rig;
    rig.clock.at = MONDAY;
    this.#random = createRandom(seed);
    this.promises = new Promises(rig);
    this.people = new People(rig, this.#random, seed);
    this.#senders = new Senders(rig, this.#random, this.people, this.promises);
    this.#time = new Time(rig, this.promises.since);
    this.#workers = [0, 1].map((n) => this.#worker(n));
    this.#deliverers = [0, 1].map((n) => this.#deliverer(n));
  }

  get isWell(): boolean {
    return this.promises.problems.length === 0;
  }

  open(): Promise<void> {
    return this.people.optIn();
  }

  close(): Promise<void> {
    return this.#time.end();
  }

  async step(): Promise<void> {
    this.#rig.totals.steps++;
    this.#rig.clock.at += 1000;
    const written = this.#peoplesMoves();
    const moves = [...written, ...this.#portMoves(), ...this.#senderMoves(), ...this.#deaths(), ...this.#timesMoves()];
    let left = this.#random.next() * moves.reduce((sum, [weight]) => sum + weight, 0);
    const chosen =
      moves.find(([weight]) => {
        left -= weight;
        return left < 0;
      }) ?? moves[0]!;
    const [, name, move] = chosen;
    this.log.push(name);
    await move();
    // What people wrote is still under way: nothing can have changed.
    if (!written.includes(chosen)) await this.promises.check();
  }

  #peoplesMoves(): Move[] {
    const { people } = this;
    const writes: Move[] = [
      [5, "write", () => people.ask()],
      [0.6, "write late", () => people.ask(TOO_OLD_MS)],
      [0.8, "STOP", () => this.#stop("STOP")],
      [0.4, "STOP ALL", () => this.#stop("STOP ALL")],
      [0.8, "START", () => people.write("START")],
    ];
    return [
      ...(people.mayWrite ? writes : []),
      ...(people.mayTap ? [[2, "tap", () => people.tap()] satisfies Move] : []),
      [0.3, "preference", () => people.prefer()],
      [0.4, "echo", () => people.echo()],
      [0.5, "change number", () => people.changeNumber()],
      ...(this.#shop.isBusy ? [] : [[1.5, "offer", () => this.#offer()] satisfies Move]),
    ];
  }

  #portMoves(): Move[] {
    const moves: Move[] = [];
    for (const one of this.#deliverers) {
      if (one.actor.isBusy) continue;
      if (this.people.queue.length > 0) moves.push([4, `${one.actor.name} delivers`, () => this.#deliver(one)]);
      if (this.#delivered.length > 0) moves.push([0.5, `${one.actor.name} again`, () => this.#deliverAgain(one)]);
    }
    for (const one of this.#workers)
      if (!one.actor.isBusy) moves.push([3, `${one.actor.name} claims`, () => this.#takeTurn(one)]);
    const parked = this.#parked();
    for (const actor of parked) moves.push([3, `${actor.name}.${actor.where}`, () => actor.step()]);
    if (parked.length >= 2) moves.push([4, "race", () => this.#race(parked)]);
    return moves;
  }

  #senderMoves(): Move[] {
    const senders = this.#senders;
    const moves: Move[] = [];
    for (const one of senders.all) {
      const { name, isBusy } = one.actor;
      if (one.lease) moves.push([0.5, `${name} beats`, () => senders.beat(one)]);
      if (isBusy) continue;
      if (one.lease) moves.push([4, `${name} sends`, () => senders.send(one)]);
      else moves.push([senders.isHeld ? 0.4 : 4, `${name} claims`, () => senders.claim(one)]);
    }
    if (senders.isHeld) moves.push([1, "the sender's lease runs out", () => senders.leaseRunsOut()]);
    return moves;
  }

  #deaths(): Move[] {
    const moves: Move[] = [];
    for (const [index, worker] of this.#workers.entries()) {
      if (!worker.actor.isParked) continue;
      moves.push([0.3, `kill ${worker.actor.name}`, () => this.#kill(() => this.#replaceWorker(index))]);
      if (worker.claim) moves.push([0.6, `${worker.actor.name} beats`, () => this.#beat(worker)]);
    }
    for (const [index, { actor }] of this.#deliverers.entries())
      if (actor.isParked)
        moves.push([0.3, `kill ${actor.name}`, () => this.#kill(() => this.#replaceDeliverer(index))]);
    for (const [index, { actor }] of this.#senders.all.entries())
      if (actor.isParked) moves.push([0.4, `kill ${actor.name}`, () => this.#kill(() => this.#senders.replace(index))]);
    return moves;
  }

  #timesMoves(): Move[] {
    const time = this.#time;
    return [
      [1.5, "turns fall due", () => time.turnsFallDue()],
      [1, "leases run out", () => time.turnLeasesRunOut()],
      [1, "rows fall due", () => time.rowsFallDue()],
      [0.7, "90 s", () => this.#ninetySeconds()],
      [0.4, "clock", () => this.#moveClock()],
      ...(this.#days < MAX_DAYS ? [[0.3, "a day", () => this.#aDay()] satisfies Move] : []),
      [0.3, "upkeep", () => this.#upkeep()],
    ];
  }

  #actors(): Actor[] {
    return [...this.#workers, ...this.#deliverers, ...this.#senders.all].map(({ actor }) => actor).concat(this.#shop);
  }

  #parked(): Actor[] {
    return this.#actors().filter((actor) => actor.isParked);
  }

  /** Two port calls at the same moment: their transactions meet in the database. */
  async #race(parked: Actor[]): Promise<void> {
    const first = parked[this.#random.between(0, parked.length - 1)]!;
    const others = parked.filter((actor) => actor !== first);
    const second = others[this.#random.between(0, others.length - 1)]!;
    this.log.push(`[${first.name}.${first.where} | ${second.name}.${second.where}]`);
    this.#rig.totals.races++;
    this.promises.isRacing = true;
    await Promise.all([first.step(), second.step()]);
    this.promises.isRacing = false;
  }

  #kill(replace: () => void): void {
    this.#rig.totals.kills++;
    replace();
  }

  #stop(text: string): void {
    this.#rig.totals.stops++;
    this.people.write(text);
  }

  #offer(): Promise<void> {
    return this.#shop.start(() =>
      this.promises.guarded("shop", async () => {
        await this.#shop.gate("send");
        await this.people.offer();
      }),
    );
  }

  // the webhook

  #deliverer(n: number): Deliverer {
    const actor = new Actor(`webhook${n}`);
    const { ports } = this.#rig.processes[n]!;
    return { actor, ports: { ...ports, inbox: gated(actor, ports.inbox, ["keep"]) }, changes: [] };
  }

  /** What it had not answered with a 200 comes again. */
  #replaceDeliverer(index: number): void {
    this.people.queue.push(...this.#deliverers[index]!.changes);
    this.#deliverers[index] = this.#deliverer(index);
  }

  /** Any of what is under way, in any order, one to three changes in a POST. */
  #deliver(one: Deliverer): Promise<void> {
    const { queue } = this.people;
    const count = Math.min(queue.length, this.#random.between(1, 3));
    one.changes = Array.from({ length: count }, () => queue.splice(this.#random.between(0, queue.length - 1), 1)[0]!);
    return this.#receive(one, webhook(...one.changes));
  }

  #deliverAgain(one: Deliverer): Promise<void> {
    one.changes = [];
    return this.#receive(one, this.#delivered[this.#random.between(0, this.#delivered.length - 1)]!);
  }

  #receive(one: Deliverer, post: Post): Promise<void> {
    return one.actor.start(() =>
      this.promises.guarded(one.actor.name, async () => {
        const receipt = await receive(one.ports, post.body, post.signature);
        if (receipt.status !== 200) this.promises.problems.push(`the webhook answered ${receipt.status}`);
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
    const ports = { ...process.ports, mailbox, agent };
    return { actor, process, ports, claim: undefined, hasClaimed: false, abort: new AbortController() };
  }

  #replaceWorker(index: number): void {
    this.#workers[index] = this.#worker(index);
  }

  #takeTurn(worker: Worker): Promise<void> {
    const { actor, process, ports } = worker;
    return actor.start(() =>
      this.promises.guarded(actor.name, async () => {
        worker.claim = undefined;
        const [claim] = await process.mailbox.claim(1);
        worker.hasClaimed = claim !== undefined;
        if (!claim) return;
        worker.claim = claim;
        worker.abort = new AbortController();
        const result =
          claim.attempts >= 5 ? await buryTurn(ports, claim) : await takeTurn(ports, claim, worker.abort.signal);
        if (result === "lost") this.#rig.totals.zombies++;
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

  // time

  async #ninetySeconds(): Promise<void> {
    await this.#senders.letPostsLeave();
    await this.#time.openAttemptsFallDue();
  }

  #moveClock(): void {
    if ((this.#rig.clock.at - MONDAY) % DAY < 10 * HOUR) this.#rig.clock.at += this.#random.between(1, 150) * 60_000;
  }

  /** Longer than the window: answers that still wait are held, taps are late. */
  async #aDay(): Promise<void> {
    this.#days++;
    await this.#senders.letPostsLeave();
    this.#rig.clock.at += DAY + this.#random.between(0, 30) * 60_000;
  }

  async #upkeep(): Promise<void> {
    const { store } = this.#rig.processes[this.#random.between(0, 1)]!;
    await this.#time.parkedStatusesFallDue();
    await upkeepOnce(store, recordStatus);
    await reweighDeferred(store);
  }

  /** Everything that was begun is ended, everything that is due is done, until nothing is left. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    for (let round = 0; round < 60; round++) {
      this.#senders.isDraining = round > 2;
      for (let parked = this.#parked(); parked.length > 0; parked = this.#parked())
        await Promise.all(parked.map((actor) => actor.step()));
      if (this.people.mayTap && this.#random.chance(0.7)) this.people.tap();
      await this.#deliverAll(this.#deliverers[round % 2]!);
      await this.#takeAllTurns();
      if (round === 0) await this.#upkeep();
      await this.#time.rowsFallDue();
      await this.#ninetySeconds();
      await this.#senders.sendAll(this.#senders.all[round % 2]!);
      await this.promises.check();
      if (!this.isWell || (this.people.queue.length === 0 && (await this.#time.isAtRest()))) return;
    }
    this.promises.problems.push("it does not come to rest");
  }

  async #deliverAll(one: Deliverer): Promise<void> {
    while (this.people.queue.length > 0)
      await toEnd(one.actor, () => {
        one.changes = this.people.queue.splice(0, 12);
        return this.#receive(one, webhook(...one.changes));
      });
  }

  async #takeAllTurns(): Promise<void> {
    await this.#time.turnsFallDue();
    await this.#time.turnLeasesRunOut();
    for (let claims = 1; claims > 0; ) {
      claims = 0;
      for (const worker of this.#workers) {
        await toEnd(worker.actor, () => this.#takeTurn(worker));
        if (worker.hasClaimed) claims++;
      }
    }
  }
}
