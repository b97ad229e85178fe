import type { SimClock } from "./clock.ts";
import { asObject, objectsOf } from "./json.ts";
import type { Random } from "./random.ts";
import { metaJson, signBody } from "./signature.ts";
import { fateOf, NO_FAULTS, type WebhookFaults } from "./webhook-faults.ts";
import { createPoster } from "./webhook-post.ts";

export type WebhookKind = "messages" | "statuses" | "other";

export type WebhookEvent = {
  kind: WebhookKind;
  wabaId: string;
  phoneId?: string;
  field: string;
  value: unknown;
  /** Unix seconds; only account and template events carry it. */
  time?: number;
};

type Delivery = { url: string; body: Buffer; signature: string; attempts: number; firstAt: number; after?: () => void };

/** Meta retries at once and then less and less often (reference 1.3); the steps are shortened, the end is not. */
const RETRY_AFTER_MS = [0, 200, 500, 1000, 2000, 5000] as const;
const GIVE_UP_AFTER_MS = 36 * 60 * 60 * 1000;
const MAX_CONCURRENT = 64;
const ANSWER_TIMEOUT_MS = 10_000;

export type WebhooksOptions = {
  appSecret: string;
  clock: SimClock;
  random: Random;
  /** The callback for an event: phone override, then account override, then the app's. Undefined sends nothing. */
  target: (event: Pick<WebhookEvent, "wabaId" | "phoneId" | "field">) => string | undefined;
};

/** Signs and delivers webhooks with retries, concurrently and, when told so, badly. */
export class Webhooks {
  readonly counts = { delivered: 0, failedAttempts: 0, dropped: 0, duplicated: 0, givenUp: 0, undirected: 0 };
  readonly #options: WebhooksOptions;
  readonly #poster = createPoster(ANSWER_TIMEOUT_MS);
  readonly #faults = new Map<WebhookKind, WebhookFaults>();
  readonly #batches = new Map<WebhookKind, WebhookEvent[]>();
  readonly #heldBack = new Map<WebhookKind, (() => void)[]>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #queue: Delivery[] = [];
  #head = 0;
  #inFlight = 0;
  #waiting = 0;
  #paused = false;
  #stopped = false;

  constructor(options: WebhooksOptions) {
    this.#options = options;
  }

  /** Everything not yet delivered or given up, receipts that are still to be written included. */
  get pending(): number {
    return this.#queue.length - this.#head + this.#inFlight + this.#waiting;
  }

  setFaults(kind: WebhookKind, faults: Partial<WebhookFaults> | null): void {
    if (faults === null) this.#faults.delete(kind);
    else this.#faults.set(kind, { ...NO_FAULTS, ...faults });
  }

  faults(): Record<string, WebhookFaults> {
    return Object.fromEntries(this.#faults);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#pump();
  }

  /** Sends an event, subject to the faults set for its kind. */
  emit(event: WebhookEvent): void {
    const faults = this.#faults.get(event.kind) ?? NO_FAULTS;
    const fate = fateOf(faults, this.#options.random);
    if (fate.copies.length === 0) this.counts.dropped++;
    if (fate.copies.length > 1) this.counts.duplicated++;
    for (const { delayMs } of fate.copies) {
      if (fate.heldBack) this.#holdBack(event, faults.reorderMs);
      else if (delayMs > 0) this.later(delayMs, () => this.#hand(event, faults));
      else this.#hand(event, faults);
    }
  }

  /** Signs and sends any body, past all faults. */
  sendRaw(url: string, body: unknown): void {
    this.#enqueue(url, metaJson(body));
  }

  /** Runs `task` after `delayMs` of real time; until then it counts as pending. */
  later(delayMs: number, task: () => void): void {
    this.#waiting++;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#waiting--;
      if (!this.#stopped) task();
    }, delayMs);
    this.#timers.add(timer);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#poster.close();
  }

  #holdBack(event: WebhookEvent, maxMs: number): void {
    const held = this.#heldBack.get(event.kind) ?? [];
    let isHeld = true;
    const release = () => {
      if (!isHeld || this.#stopped) return;
      isHeld = false;
      held.splice(held.indexOf(release), 1);
      this.#post([event]);
    };
    held.push(release);
    this.#heldBack.set(event.kind, held);
    this.later(maxMs, release);
  }

  #hand(event: WebhookEvent, faults: WebhookFaults): void {
    if (faults.batch <= 1) {
      this.#post([event]);
      return;
    }
    const batch = this.#batches.get(event.kind) ?? [];
    batch.push(event);
    this.#batches.set(event.kind, batch);
    const flush = () => {
      if (this.#batches.get(event.kind) !== batch) return;
      this.#batches.delete(event.kind);
      this.#post(this.#options.random.chance(faults.merge) ? mergeValues(batch) : batch);
    };
    if (batch.length >= faults.batch) flush();
    else if (batch.length === 1) this.later(faults.batchMs, flush);
  }

  #post(events: readonly WebhookEvent[]): void {
    const releases = this.#heldBack.get(events[0]!.kind)?.slice();
    const after = releases?.length ? () => releases.forEach((release) => void release()) : undefined;
    for (const [url, group] of this.#byTarget(events)) this.#enqueue(url, metaJson(envelope(group)), after);
  }

  #byTarget(events: readonly WebhookEvent[]): Map<string, WebhookEvent[]> {
    const groups = new Map<string, WebhookEvent[]>();
    for (const event of events) {
      const url = this.#options.target(event);
      if (url === undefined) {
        this.counts.undirected++;
        continue;
      }
      const group = groups.get(url);
      if (group === undefined) groups.set(url, [event]);
      else group.push(event);
    }
    return groups;
  }

  #enqueue(url: string, body: Buffer, after?: () => void): void {
    const signature = signBody(this.#options.appSecret, body);
    this.#queue.push({ url, body, signature, attempts: 0, firstAt: this.#options.clock.now(), after });
    this.#pump();
  }

  #pump(): void {
    while (!this.#paused && !this.#stopped && this.#inFlight < MAX_CONCURRENT && this.#head < this.#queue.length) {
      const delivery = this.#queue[this.#head++]!;
      if (this.#head > 1024) {
        this.#queue = this.#queue.slice(this.#head);
        this.#head = 0;
      }
      this.#inFlight++;
      void this.#attempt(delivery);
    }
  }

  async #attempt(delivery: Delivery): Promise<void> {
    delivery.attempts++;
    const status = await this.#poster.post(delivery.url, delivery.body, delivery.signature).catch(() => 0);
    this.#inFlight--;
    if (this.#stopped) return;
    if (status === 200) this.counts.delivered++;
    else this.#retry(delivery);
    const after = delivery.after;
    delivery.after = undefined;
    after?.();
    this.#pump();
  }

  #retry(delivery: Delivery): void {
    this.counts.failedAttempts++;
    if (this.#options.clock.now() - delivery.firstAt >= GIVE_UP_AFTER_MS) {
      this.counts.givenUp++;
      return;
    }
    const delayMs = RETRY_AFTER_MS[Math.min(delivery.attempts, RETRY_AFTER_MS.length) - 1]!;
    this.later(delayMs, () => {
      this.#queue.push(delivery);
      this.#pump();
    });
  }
}

/** Joins what concerns the same number into one value with several messages or statuses, as Meta may. */
export function mergeValues(events: readonly WebhookEvent[]): WebhookEvent[] {
  const merged = new Map<string, WebhookEvent>();
  for (const event of events) {
    const value = asObject(event.value);
    const list = ["messages", "statuses"].find((key) => Array.isArray(value[key]));
    const key = `${event.wabaId}|${event.phoneId}|${event.field}|${list ?? merged.size}`;
    const first = merged.get(key);
    if (first === undefined || list === undefined) {
      merged.set(key, event);
      continue;
    }
    const into = asObject(first.value);
    const both = (name: string) => [...objectsOf(into[name]), ...objectsOf(value[name])];
    const contacts = both("contacts");
    merged.set(key, {
      ...first,
      value: { ...into, ...(contacts.length > 0 ? { contacts } : {}), [list]: both(list) },
    });
  }
  return [...merged.values()];
}

/** The envelope of reference 1.4: one entry per account, one change per event. */
export function envelope(events: readonly WebhookEvent[]): unknown {
  const entries = new Map<string, { id: string; time?: number; changes: unknown[] }>();
  for (const { wabaId, field, value, time } of events) {
    const entry = entries.get(wabaId) ?? { id: wabaId, ...(time === undefined ? {} : { time }), changes: [] };
    entry.changes.push({ value, field });
    entries.set(wabaId, entry);
  }
  return { object: "whatsapp_business_account", entry: [...entries.values()] };
}
