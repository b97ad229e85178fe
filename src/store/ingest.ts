import { EsekError } from "../errors.ts";
import type { Kept } from "../ports.ts";

/** One webhook POST on its way into the database. */
export type Request<Item> = { items: Item[]; resolve: (kept: Kept) => void; reject: (err: unknown) => void };

export type BatchLimits = { maxItems: number; maxWaiting: number };

/** Writes a batch; calls `written` when only its commit is left to wait for. */
export type Write<Item> = (requests: Request<Item>[], written: () => void) => Promise<Kept[]>;

/**
 * Group commit: while one batch is being written, the next gathers, so the cost of a commit is shared by everything that
 * arrived meanwhile. The next batch starts while the one before it waits for its commit: its rows are locked by then, so
 * the order within a conversation stays that of arrival. A POST is atomic: it is wholly in one batch. A batch that fails is
 * retried one POST at a time, so that one bad member harms nobody else. Bounded: past the limit a POST is refused and
 * Meta delivers it again.
 */
export class GroupCommit<Item> {
  readonly #write: Write<Item>;
  readonly #limits: BatchLimits;
  readonly #open = new Set<Promise<void>>();
  #queue: Request<Item>[] = [];
  #waiting = 0;
  #running: Promise<void> | undefined;

  constructor(write: Write<Item>, limits: BatchLimits = { maxItems: 400, maxWaiting: 20_000 }) {
    this.#write = write;
    this.#limits = limits;
  }

  /** Resolves when the items are durable. Rejects with `EsekError("inbox/full")` when too much is waiting. */
  add(items: Item[]): Promise<Kept> {
    if (this.#waiting + items.length > this.#limits.maxWaiting && this.#waiting > 0)
      return Promise.reject(
        new EsekError(
          "inbox/full",
          `${this.#waiting} events are waiting to be written; Meta will deliver this POST again.`,
        ),
      );
    this.#waiting += items.length;
    return new Promise<Kept>((resolve, reject) => {
      this.#queue.push({ items, resolve, reject });
      this.#running ??= this.#drain();
    });
  }

  /** Resolves when nothing is waiting any more. */
  async idle(): Promise<void> {
    await this.#running;
    await Promise.all(this.#open);
  }

  async #drain(): Promise<void> {
    // One turn of the event loop, so that requests parsed in the same tick share the first batch too.
    await new Promise(setImmediate);
    while (this.#queue.length > 0) {
      if (this.#open.size >= 2) await Promise.race(this.#open);
      await this.#start(this.#take());
    }
    this.#running = undefined;
  }

  /** Resolves when the next batch may start; the commit of this one may still be under way. */
  #start(batch: Request<Item>[]): Promise<void> {
    return new Promise((next) => {
      const done = this.#commit(batch, next).finally(() => {
        this.#open.delete(done);
        this.#waiting -= batch.reduce((sum, request) => sum + request.items.length, 0);
        next();
      });
      this.#open.add(done);
    });
  }

  #take(): Request<Item>[] {
    let items = 0;
    let count = 0;
    for (const request of this.#queue) {
      if (count > 0 && items + request.items.length > this.#limits.maxItems) break;
      items += request.items.length;
      count++;
    }
    return this.#queue.splice(0, count);
  }

  async #commit(batch: Request<Item>[], written: () => void): Promise<void> {
    try {
      const kept = await this.#write(batch, written);
      for (const [index, request] of batch.entries()) request.resolve(kept[index]!);
    } catch (err) {
      if (batch.length === 1) return batch[0]!.reject(err);
      for (const request of batch) await this.#commit([request], () => {});
    }
  }
}
