import type { PhoneId } from "../domain/ids.ts";
import { HEARTBEAT_MS, LEASE_MS } from "../domain/lease.ts";
import type { Logger } from "../logger.ts";
import { deliver } from "../pipeline.ts";
import type { DueRow, Ports, SenderLease, SendSource } from "../ports.ts";
import { Loop } from "./loop.ts";

type Held = {
  lease: SenderLease;
  deadline: number;
  tokens: number;
  /** Messages the number received per second, as of the last heartbeat. */
  received: number;
  filledAt: number;
  busy: Set<string>;
};

/** Stands around a delivery, to see it; must give back what the work gives. */
export type AroundDelivery = <T extends string>(row: DueRow, work: () => Promise<T>) => Promise<T>;

const POLL_MS = 50;
/** A POST must not start in the lease's last second: another holder may already be on its way. */
const MARGIN_MS = 1000;
const IN_FLIGHT = 48;
/** Meta counts both directions together: what came in lately is taken off, and a little room is left for what comes next. */
const SHARE = 0.95;
/** However much comes in, answers keep this share of the number's throughput. */
const LEAST_SHARE = 0.25;

/**
 * The one sender of each phone number: holds its lease, takes due rows, posts within the number's throughput. A new
 * holder starts with an empty bucket, so two holders in a row never burst together.
 */
export class SenderWorker {
  readonly #ports: Ports;
  readonly #source: SendSource;
  readonly #logger: Logger;
  readonly #around: AroundDelivery;
  readonly #held = new Map<PhoneId, Held>();
  readonly #loop: Loop;
  #heart: NodeJS.Timeout | undefined;
  #isStopping = false;
  #claimedAt = 0;

  constructor(ports: Ports, source: SendSource, logger: Logger, around: AroundDelivery = (_row, work) => work()) {
    this.#ports = ports;
    this.#source = source;
    this.#logger = logger;
    this.#around = around;
    this.#loop = new Loop(
      () => this.#step(),
      POLL_MS,
      (err) => logger.error({ err }, "sender failed"),
    );
  }

  start(): void {
    this.#heart = setInterval(() => void this.#beat(), HEARTBEAT_MS);
    this.#loop.start();
  }

  nudge(): void {
    this.#loop.nudge();
  }

  async stop(graceMs = 5000): Promise<void> {
    this.#isStopping = true;
    await this.#loop.stop();
    const deadline = Date.now() + graceMs;
    while ([...this.#held.values()].some((held) => held.busy.size > 0) && Date.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    clearInterval(this.#heart);
    await this.#source.release([...this.#held.values()].map((held) => held.lease));
  }

  /** What is held is served first; new numbers are looked for every poll, not at every nudge. */
  async #step(): Promise<boolean> {
    for (const held of this.#held.values()) await this.#pump(held);
    if (this.#held.size > 0 && performance.now() - this.#claimedAt < POLL_MS) return false;
    this.#claimedAt = performance.now();
    const fresh = await this.#source.claimSenders(8);
    const now = performance.now();
    for (const lease of fresh) {
      const held = {
        lease,
        deadline: now + LEASE_MS,
        tokens: 0,
        // Not known yet: a quarter of the throughput is left to it.
        received: lease.mps / 4,
        filledAt: now,
        busy: new Set<string>(),
      };
      this.#held.set(lease.phoneId, held);
      await this.#pump(held);
    }
    return false;
  }

  async #pump(held: Held): Promise<void> {
    const free = Math.min(IN_FLIGHT - held.busy.size, this.#fill(held));
    if (free <= 0 || this.#isStopping) return;
    const rows = await this.#source.dueRows(held.lease.phoneId, free + held.busy.size);
    let started = 0;
    for (const row of rows) {
      if (held.busy.has(row.outboxId) || started >= free) continue;
      if (performance.now() > held.deadline - MARGIN_MS) break;
      started++;
      held.tokens--;
      held.busy.add(row.outboxId);
      void this.#deliver(held, row);
    }
  }

  async #deliver(held: Held, row: DueRow): Promise<void> {
    try {
      if ((await this.#around(row, () => deliver(this.#ports, row))) === "not-now") held.tokens++;
    } catch (err) {
      // The row stays as it was, or `sending` until its deadline; it is set aside so that it holds up nobody else.
      held.tokens++;
      this.#logger.error({ err, outbox: row.outboxId }, "delivery failed");
      await this.#ports.outbox
        .setAside(row)
        .catch((cause) => this.#logger.error({ err: cause }, "could not set a row aside"));
    } finally {
      held.busy.delete(row.outboxId);
      this.#loop.nudge();
    }
  }

  /** Whole messages the bucket allows now; holds at most one second's worth. */
  #fill(held: Held): number {
    const now = performance.now();
    const { mps } = held.lease;
    const rate = Math.max(mps * LEAST_SHARE, mps * SHARE - held.received);
    held.tokens = Math.min(rate, held.tokens + ((now - held.filledAt) / 1000) * rate);
    held.filledAt = now;
    return Math.floor(held.tokens + 1);
  }

  async #beat(): Promise<void> {
    const held = [...this.#held.values()];
    if (held.length === 0) return;
    try {
      const started = performance.now();
      const kept = await this.#source.extend(held.map(({ lease }) => lease));
      for (const entry of held) {
        const received = kept.get(entry.lease.phoneId);
        if (received !== undefined) Object.assign(entry, { deadline: started + LEASE_MS, received });
        else if (this.#held.get(entry.lease.phoneId) === entry) this.#held.delete(entry.lease.phoneId);
      }
    } catch (err) {
      this.#logger.warn({ err }, "sender heartbeat failed");
    }
  }
}
