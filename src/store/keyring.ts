import { randomBytes } from "node:crypto";
import { blind, type Key, open, seal, sealedWith } from "../crypto/envelope.ts";
import type { KeyProvider } from "../crypto/key-provider.ts";
import { newId } from "../domain/ids.ts";
import { EsekError } from "../errors.ts";
import { type Sql, type Tx, transaction } from "./database.ts";

/** One merchant's keys, unwrapped. */
export type MerchantKeys = {
  merchantId: string;
  seal: (table: string, column: string, rowId: string, plain: string | Buffer) => Buffer;
  open: (table: string, column: string, rowId: string, sealed: Uint8Array) => string;
  /** Blind index under the current version: what new rows carry. */
  blind: (value: string) => Buffer;
  /** Under every version that is still readable: what a look-up asks for. */
  blindAll: (value: string) => Buffer[];
  blindVersion: number;
};

type Row = {
  id: string;
  purpose: "data" | "blind";
  version: number;
  kekId: string;
  wrapped: Uint8Array;
  isSettled: boolean;
};

const TTL_MS = 5 * 60_000;

/** Merchants' keys, unwrapped once and kept for five minutes. */
export class Keyring {
  readonly #sql: Sql;
  readonly #provider: KeyProvider;
  readonly #cache = new Map<string, { keys: Promise<MerchantKeys>; until: number }>();

  constructor(sql: Sql, provider: KeyProvider) {
    this.#sql = sql;
    this.#provider = provider;
  }

  /** Throws `EsekError("crypto/...")` when the merchant has no keys or the master key is another. */
  of(merchantId: string): Promise<MerchantKeys> {
    const known = this.#cache.get(merchantId);
    if (known && known.until > Date.now()) return known.keys;
    const keys = this.#load(merchantId);
    this.#cache.set(merchantId, { keys, until: Date.now() + TTL_MS });
    keys.catch(() => this.#cache.delete(merchantId));
    return keys;
  }

  forget(merchantId: string): void {
    this.#cache.delete(merchantId);
  }

  async #load(merchantId: string): Promise<MerchantKeys> {
    const rows = await transaction(this.#sql, [merchantId], (tx) => selectKeys(tx, merchantId));
    return unwrapAll(rows, merchantId, this.#provider, () => this.forget(merchantId));
  }

  /** Makes a merchant's first keys; keeps those it has. Runs inside the transaction that creates the merchant. */
  async ensure(tx: Tx, merchantId: string): Promise<void> {
    for (const purpose of ["data", "blind"] as const) {
      const id = newId();
      const wrapped = this.#provider.wrap(
        { merchantId, table: "data_key", column: "wrapped", rowId: id },
        randomBytes(32),
      );
      await tx`insert into data_key (id, merchant_id, purpose, version, kek_id, wrapped)
        select ${id}, ${merchantId}, ${purpose}, 1, ${this.#provider.kekId}, ${wrapped}
        where not exists (select 1 from data_key where merchant_id = ${merchantId} and purpose = ${purpose})
        on conflict (merchant_id, purpose, version) do nothing`;
    }
  }

  /** A new data key version: new values use it, old ones stay readable. Blind keys rotate only by a re-index. */
  async rotateDataKey(tx: Tx, merchantId: string): Promise<number> {
    const id = newId();
    const wrapped = this.#provider.wrap(
      { merchantId, table: "data_key", column: "wrapped", rowId: id },
      randomBytes(32),
    );
    const [row] = await tx<
      { version: number }[]
    >`insert into data_key (id, merchant_id, purpose, version, kek_id, wrapped)
      select ${id}, ${merchantId}, 'data', max(version) + 1, ${this.#provider.kekId}, ${wrapped}
      from data_key where merchant_id = ${merchantId} and purpose = 'data' returning version`;
    this.forget(merchantId);
    return row!.version;
  }

  /** Wraps every key of a merchant anew under another key-encryption key. */
  async rewrap(tx: Tx, merchantId: string, next: KeyProvider): Promise<number> {
    const rows = await selectKeys(tx, merchantId);
    for (const row of rows) {
      const place = { merchantId, table: "data_key", column: "wrapped", rowId: row.id };
      const bytes = this.#provider.unwrap(place, row.wrapped, row.kekId);
      await tx`update data_key set wrapped = ${next.wrap(place, bytes)}, kek_id = ${next.kekId} where id = ${row.id}`;
    }
    return rows.length;
  }
}

function selectKeys(tx: Tx, merchantId: string): Promise<Row[]> {
  return tx<
    Row[]
  >`select id, purpose, version, kek_id as "kekId", wrapped, (version = 1 or created_at < clock_timestamp() - interval '6 minutes') as "isSettled" from data_key where merchant_id = ${merchantId} order by purpose, version`;
}

function unwrapAll(rows: Row[], merchantId: string, provider: KeyProvider, onUnknown: () => void): MerchantKeys {
  const keys = rows.map((row) => ({
    purpose: row.purpose,
    key: {
      id: row.id,
      version: row.version,
      bytes: provider.unwrap(
        { merchantId, table: "data_key", column: "wrapped", rowId: row.id },
        row.wrapped,
        row.kekId,
      ),
    } satisfies Key,
  }));
  const data = keys.filter((entry) => entry.purpose === "data").map((entry) => entry.key);
  const blinds = keys.filter((entry) => entry.purpose === "blind").map((entry) => entry.key);
  // A version younger than every cache's life is read but not yet written with, so that no process meets it unprepared.
  const current = data.findLast((key) => rows.find((row) => row.id === key.id)!.isSettled) ?? data[0];
  const currentBlind = blinds.at(-1);
  if (!current || !currentBlind)
    throw new EsekError(
      "crypto/no-keys",
      `Merchant ${merchantId} has no keys. Apply its file again: \`esek merchant apply FILE\`.`,
    );
  const byId = new Map(data.map((key) => [key.id, key]));
  return {
    merchantId,
    blindVersion: currentBlind.version,
    seal: (table, column, rowId, plain) => seal(current, { merchantId, table, column, rowId }, plain),
    open: (table, column, rowId, sealed) => {
      const key = byId.get(sealedWith(sealed));
      if (!key) {
        // Sealed by a process that has rotated since: the next attempt reads the keys anew.
        onUnknown();
        throw new EsekError(
          "crypto/unknown-key",
          `A value of ${table}.${column} was sealed with a key that merchant ${merchantId} does not have.`,
        );
      }
      return open(key, { merchantId, table, column, rowId }, sealed).toString("utf8");
    },
    blind: (value) => blind(currentBlind, value),
    blindAll: (value) => blinds.map((key) => blind(key, value)),
  };
}
