import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";

export type LedgerEntry = {
  n: number;
  at: number;
  /** `message` is a send, `receipt` a read receipt or typing indicator, `other` any other Graph call. */
  kind: "message" | "receipt" | "other";
  phoneId?: string;
  to?: string;
  recipient?: string;
  type: string;
  body: unknown;
  /** `stalled`: the request arrived and a fault held it before Meta decided; its own decision is a later entry. */
  outcome: "accepted" | "rejected" | "stalled";
  wamid?: string;
  errorCode?: number;
  /** What the caller sent as `biz_opaque_callback_data`. */
  attemptId?: string;
  /** The fault that was in force, e.g. `accept-drop`: accepted, but the caller never got an answer. */
  fault?: string;
};

export type LedgerQuery = {
  after?: number;
  kind?: LedgerEntry["kind"];
  outcome?: LedgerEntry["outcome"];
  phoneId?: string;
  attemptId?: string;
  limit?: number;
};

/**
 * An append-only list of what reached the Graph routes, and what became of it. It is the oracle of the crash tests: with
 * a file, each entry is written before the HTTP answer, so that it outlives a kill of the simulator (not of the machine).
 */
export class Ledger {
  readonly #entries: LedgerEntry[] = [];
  #file: number | undefined;

  constructor(path?: string) {
    if (path === undefined) return;
    const old = existsSync(path) ? readFileSync(path, "utf8") : "";
    this.#load(old);
    this.#file = openSync(path, "a");
    // A kill in the middle of a write leaves half a line; end it, so that the next entry is readable.
    if (old !== "" && !old.endsWith("\n")) writeSync(this.#file, "\n");
  }

  get size(): number {
    return this.#entries.length;
  }

  append(entry: Omit<LedgerEntry, "n">): LedgerEntry {
    const numbered: LedgerEntry = { n: this.#entries.length + 1, ...entry };
    if (this.#file !== undefined) writeSync(this.#file, `${JSON.stringify(numbered)}\n`);
    this.#entries.push(numbered);
    return numbered;
  }

  list(query: LedgerQuery = {}): LedgerEntry[] {
    const { after = 0, limit = Number.POSITIVE_INFINITY } = query;
    const found: LedgerEntry[] = [];
    for (let i = after; i < this.#entries.length && found.length < limit; i++) {
      const entry = this.#entries[i]!;
      if (query.kind !== undefined && entry.kind !== query.kind) continue;
      if (query.outcome !== undefined && entry.outcome !== query.outcome) continue;
      if (query.phoneId !== undefined && entry.phoneId !== query.phoneId) continue;
      if (query.attemptId !== undefined && entry.attemptId !== query.attemptId) continue;
      found.push(entry);
    }
    return found;
  }

  /** The accepted sends, in the order in which they were accepted. */
  accepted(): LedgerEntry[] {
    return this.list({ kind: "message", outcome: "accepted" });
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  #load(text: string): void {
    for (const line of text.split("\n")) {
      if (line === "") continue;
      try {
        this.#entries.push({ ...(JSON.parse(line) as LedgerEntry), n: this.#entries.length + 1 });
      } catch {
        // Half a line from a kill: that request got no answer, and it is not in the ledger as decided either.
      }
    }
  }
}
