import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Scratch, scratchDatabase } from "../../test/world.ts";
import { localKeyProvider } from "../crypto/key-provider.ts";
import { connect, type Sql, transaction } from "./database.ts";
import { Keyring, type MerchantKeys } from "./keyring.ts";

let scratch: Scratch;
let sql: Sql;
const master = randomBytes(32);

beforeAll(async () => {
  scratch = await scratchDatabase();
  sql = connect({ socketDir: scratch.socketDir, database: scratch.database, max: 4, runtimeRole: true });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await scratch.drop();
});

let a: string;
let b: string;
let keyring: Keyring;
beforeEach(async () => {
  [a, b] = [randomUUID(), randomUUID()];
  keyring = new Keyring(sql, localKeyProvider(master));
  for (const id of [a, b]) await transaction(sql, [id], (tx) => keyring.ensure(tx, id));
});

/** What a process that starts now would read. */
const fresh = (key = master) => new Keyring(sql, localKeyProvider(key));

/** Seven minutes pass: a new version is older than every cache. */
async function letVersionsSettle(merchantId: string): Promise<void> {
  await transaction(sql, [merchantId], (tx) => tx`update data_key set created_at = created_at - interval '7 minutes'`);
}

const rotate = (merchantId: string) => transaction(sql, [merchantId], (tx) => keyring.rotateDataKey(tx, merchantId));

describe("a merchant's keys", () => {
  it("are made once, however often and however many at once", async () => {
    const before = await (await fresh().of(a)).blind("x");
    await Promise.all(
      [1, 2, 3].map(() => transaction(sql, [a], (tx) => new Keyring(sql, localKeyProvider(master)).ensure(tx, a))),
    );
    const rows = await transaction(sql, [a], (tx) => tx`select purpose, version from data_key order by 1`);
    expect(rows.map((row) => ({ ...row }))).toEqual([
      { purpose: "blind", version: 1 },
      { purpose: "data", version: 1 },
    ]);
    expect((await fresh().of(a)).blind("x")).toEqual(before);
  });

  it("open what they sealed, in this process and in the next", async () => {
    const row = randomUUID();
    const sealed = (await keyring.of(a)).seal("inbox", "body_ct", row, "שלום 👋");
    expect((await fresh().of(a)).open("inbox", "body_ct", row, sealed)).toBe("שלום 👋");
  });

  it.each([
    ["another table", (keys: MerchantKeys, row: string, sealed: Buffer) => keys.open("outbox", "body_ct", row, sealed)],
    ["another column", (keys: MerchantKeys, row: string, sealed: Buffer) => keys.open("inbox", "raw_ct", row, sealed)],
    [
      "another row",
      (keys: MerchantKeys, _row: string, sealed: Buffer) => keys.open("inbox", "body_ct", randomUUID(), sealed),
    ],
  ])("do not open a value moved to %s", async (_name, attempt) => {
    const keys = await keyring.of(a);
    const row = randomUUID();
    const sealed = keys.seal("inbox", "body_ct", row, "text");
    expect(() => attempt(keys, row, sealed)).toThrow(expect.objectContaining({ code: "crypto/sealed" }));
  });

  it("do not open another merchant's value", async () => {
    const row = randomUUID();
    const sealed = (await keyring.of(a)).seal("inbox", "body_ct", row, "text");
    const other = await keyring.of(b);
    expect(() => other.open("inbox", "body_ct", row, sealed)).toThrow(
      expect.objectContaining({ code: "crypto/unknown-key" }),
    );
  });

  it("do not open a changed value", async () => {
    const keys = await keyring.of(a);
    const row = randomUUID();
    const sealed = keys.seal("inbox", "body_ct", row, "text");
    sealed[sealed.length - 1]! ^= 1;
    expect(() => keys.open("inbox", "body_ct", row, sealed)).toThrow(
      expect.objectContaining({ code: "crypto/sealed" }),
    );
  });

  it("give each merchant a blind index of its own", async () => {
    const [first, second] = await Promise.all([keyring.of(a), keyring.of(b)]);
    expect(first.blind("wa:1")).toEqual((await fresh().of(a)).blind("wa:1"));
    expect(first.blind("wa:1")).not.toEqual(second.blind("wa:1"));
    expect(first.blindAll("wa:1")).toEqual([first.blind("wa:1")]);
  });

  it("of a merchant that has none are refused with what to do", async () => {
    await expect(keyring.of(randomUUID())).rejects.toMatchObject({
      code: "crypto/no-keys",
      message: expect.stringContaining("esek merchant apply"),
    });
  });

  it("lie in the database wrapped, never in the clear, and wrapped for their own row", async () => {
    const [first, second] = await transaction(
      sql,
      [a],
      (tx) => tx<{ id: string; wrapped: Buffer; kek: string }[]>`select id, wrapped, kek_id as kek from data_key`,
    );
    const provider = localKeyProvider(master);
    const place = (rowId: string) => ({ merchantId: a, table: "data_key", column: "wrapped", rowId });
    const key = provider.unwrap(place(first!.id), first!.wrapped, first!.kek);
    expect(key).toHaveLength(32);
    expect(Buffer.from(first!.wrapped).includes(key)).toBe(false);
    expect(() => provider.unwrap(place(second!.id), first!.wrapped, first!.kek)).toThrow(
      expect.objectContaining({ code: "crypto/sealed" }),
    );
  });
});

describe("rotation of data keys", () => {
  it("keeps old values readable, and writes with the new version once every process knows it", async () => {
    const row = randomUUID();
    const old = (await keyring.of(a)).seal("inbox", "body_ct", row, "old");
    expect(await rotate(a)).toBe(2);

    const young = await fresh().of(a);
    const between = young.seal("inbox", "body_ct", row, "between");
    expect(between.subarray(1, 17)).toEqual(old.subarray(1, 17)); // nobody may meet a key unprepared
    expect(young.open("inbox", "body_ct", row, old)).toBe("old");

    await letVersionsSettle(a);
    const settled = await fresh().of(a);
    const later = settled.seal("inbox", "body_ct", row, "later");
    expect(later.subarray(1, 17)).not.toEqual(old.subarray(1, 17));
    expect([old, between, later].map((sealed) => settled.open("inbox", "body_ct", row, sealed))).toEqual([
      "old",
      "between",
      "later",
    ]);
  });

  it("leaves the blind index as it is, so that look-ups and suppressions still find", async () => {
    const before = (await keyring.of(a)).blind("wa:1");
    await rotate(a);
    await letVersionsSettle(a);
    expect((await fresh().of(a)).blind("wa:1")).toEqual(before);
  });

  it("is met by a process with old keys: it fails once and reads the keys anew", async () => {
    const stale = fresh();
    const keys = await stale.of(a);
    await rotate(a);
    await letVersionsSettle(a);
    const row = randomUUID();
    const sealed = (await fresh().of(a)).seal("inbox", "body_ct", row, "new");
    expect(() => keys.open("inbox", "body_ct", row, sealed)).toThrow(
      expect.objectContaining({ code: "crypto/unknown-key" }),
    );
    expect((await stale.of(a)).open("inbox", "body_ct", row, sealed)).toBe("new");
  });

  it("touches one merchant only", async () => {
    await rotate(a);
    const rows = await transaction(sql, [b], (tx) => tx`select 1 from data_key where purpose = 'data'`);
    expect(rows).toHaveLength(1);
  });
});

describe("another master key", () => {
  it("is refused with both fingerprints and what to do, and opens nothing", async () => {
    const wrong = randomBytes(32);
    await expect(fresh(wrong).of(a)).rejects.toMatchObject({
      code: "crypto/master-key",
      message: `The data is encrypted under master key ${localKeyProvider(master).kekId}, but ESEK_MASTER_KEY is ${localKeyProvider(wrong).kekId}. Give the key this database was made with.`,
    });
  });

  it("works after a re-wrap: old values open, the blind index stays, the old master key opens nothing", async () => {
    const row = randomUUID();
    const keys = await keyring.of(a);
    const sealed = keys.seal("inbox", "body_ct", row, "kept");
    await rotate(a);
    const next = randomBytes(32);
    const wrapped = await transaction(sql, [a], (tx) => keyring.rewrap(tx, a, localKeyProvider(next)));
    expect(wrapped).toBe(3);
    const after = await fresh(next).of(a);
    expect(after.open("inbox", "body_ct", row, sealed)).toBe("kept");
    expect(after.blind("wa:1")).toEqual(keys.blind("wa:1"));
    await expect(fresh().of(a)).rejects.toMatchObject({ code: "crypto/master-key" });
  });

  it("is not half in place when the transaction of a re-wrap fails", async () => {
    const next = localKeyProvider(randomBytes(32));
    const failing = transaction(sql, [a], async (tx) => {
      await keyring.rewrap(tx, a, next);
      throw new Error("the process dies here");
    });
    await expect(failing).rejects.toThrow("dies here");
    expect((await fresh().of(a)).blindVersion).toBe(1);
  });
});
