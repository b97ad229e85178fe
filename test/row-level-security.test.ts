import { createHmac, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { connect, type Sql, transaction } from "../src/store/database.ts";
import { asMerchant } from "./crash.ts";
import { apply, demoMerchant, SECRETS, startWorld, type TestWorld } from "./world.ts";

type Column = { table: string; name: string; type: string };

const OTHER_WABA = "202290129340398";
const OTHER_PHONE = "206540352242922";
/** The ledger and the proofs of erasure are append-only and decisions are kept: for these the role may not even try. */
const NO_UPDATE = ["consent_event", "consent_key", "erasure"];
const NO_DELETE = [...NO_UPDATE, "decision"];
/** What a check constraint allows. */
const ALLOWED: Record<string, string> = {
  "data_key.purpose": "data",
  "contact_identity.kind": "wa_id",
  "consent_event.act": "opt-in",
  "consent_event.scope": "marketing",
  "inbox.state": "kept",
  "send_attempt.state": "sending",
  "held_answer.state": "held",
  "decision.subject": "turn",
  "webhook_delivery.kind": "notice",
};

let world: TestWorld;
let superuser: Sql;
let runtime: Sql;
let tables: string[];
let columns: Column[];
let a: string;
let b: string;

beforeAll(async () => {
  const other = demoMerchant((config) => {
    config.slug = "other";
    config.wabas = [{ id: OTHER_WABA, numbers: [{ id: OTHER_PHONE, display: "+972550783881", coexistence: false }] }];
  });
  world = await startWorld();
  await apply(world.scratch, other);
  const { socketDir, database } = world.scratch;
  superuser = connect({ socketDir, database, user: "esek_admin", max: 1 });
  runtime = connect({ socketDir, database, max: 2, runtimeRole: true });
  tables = (
    await superuser<{ name: string }[]>`
      select relname as name from pg_class where relrowsecurity and relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`
  ).map((row) => row.name);
  columns = await superuser<Column[]>`
    select c.relname as table, t.attname as name, format_type(t.atttypid, null) as type
    from pg_attribute t join pg_class c on c.oid = t.attrelid
    where c.relname = any(${tables}) and t.attnum > 0 and not t.attisdropped and t.attnotnull and not t.atthasdef order by 1, t.attnum`;
  const merchants = await superuser<{ id: string; slug: string }[]>`select merchant_id as id, slug from merchant`;
  a = merchants.find((row) => row.slug === "demo")!.id;
  b = merchants.find((row) => row.slug === "other")!.id;
  // Foreign keys and triggers aside, so that every table can get a row of its own without a story around it.
  await superuser`set session_replication_role = replica`;
  for (const table of tables)
    for (const merchantId of [a, b])
      if ((await countOf(table, merchantId)) === 0) await superuser.unsafe(insertOf(table, merchantId));
});

afterAll(async () => {
  await superuser.end({ timeout: 1 });
  await runtime.end({ timeout: 1 });
  await world.stop();
});

/** A statement that puts a row with only what is required into a table. */
function insertOf(table: string, merchantId: string): string {
  const needed = columns.filter((column) => column.table === table);
  const values = needed.map(({ name, type }) => {
    if (name === "merchant_id") return `'${merchantId}'`;
    const allowed = ALLOWED[`${table}.${name}`];
    if (allowed) return `'${allowed}'`;
    if (type === "date") return "'2026-11-22'";
    if (type === "tsvector") return "''";
    if (type === "uuid") return `'${randomUUID()}'`;
    if (type === "uuid[]" || type === "text[]") return "'{}'";
    if (type === "jsonb") return "'{}'";
    if (type === "bytea") return `'\\x${randomUUID().replaceAll("-", "")}'`;
    if (type.startsWith("timestamp")) return "'infinity'"; // due for no worker
    if (type === "integer") return String(1000 + Math.floor(Math.random() * 1e9));
    return `'${randomUUID()}'`;
  });
  return `insert into ${table} (${needed.map((column) => column.name).join(", ")}) values (${values.join(", ")})`;
}

const as = <T>(merchantIds: string[], statement: string): Promise<T> =>
  transaction(runtime, merchantIds, async (tx) => (await tx.unsafe(statement)) as T);

/** Insufficient privilege or a row that violates a policy: both are SQLSTATE 42501. */
const refused = { code: "database/42501" };

async function countOf(table: string, merchantId: string): Promise<number> {
  const [row] = await superuser.unsafe<{ n: number }[]>(
    `select count(*)::int as n from ${table} where merchant_id = '${merchantId}'`,
  );
  return row!.n;
}

describe("the runtime role", () => {
  it("is neither superuser, nor owner of anything, nor free of row-level security", async () => {
    const [role] = await runtime`
      select current_user as name, rolsuper as super, rolbypassrls as bypasses, rolcreaterole as makes_roles,
        (select count(*)::int from pg_class where relowner = r.oid and relnamespace = 'public'::regnamespace) as owns
      from pg_roles r where rolname = current_user`;
    expect(role).toEqual({ name: "esek_app", super: false, bypasses: false, makes_roles: false, owns: 0 });
  });

  it("meets forced policies in every table that names a merchant, but those that only hold ids and times", async () => {
    const rows = await superuser<{ name: string; forced: boolean; policies: number }[]>`
      select c.relname as name, c.relrowsecurity and c.relforcerowsecurity as forced,
        (select count(*)::int from pg_policy p where p.polrelid = c.oid) as policies
      from pg_class c join pg_attribute t on t.attrelid = c.oid and t.attname = 'merchant_id'
      where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace order by 1`;
    const open = rows.filter((row) => !row.forced || row.policies === 0).map((row) => row.name);
    expect(open).toEqual(["mailbox", "outbox_due", "route"]);
    expect(tables.length).toBeGreaterThan(20);
  });

  it("cannot change the history of migrations", async () => {
    await expect(as([a], "update schema_migration set checksum = 'x'")).rejects.toMatchObject(refused);
    await expect(as([a], "delete from schema_migration")).rejects.toMatchObject(refused);
  });

  it("cannot switch a policy off", async () => {
    await expect(as([a], "alter table contact disable row level security")).rejects.toMatchObject(refused);
    await expect(as([a], "drop policy one_merchant on contact")).rejects.toMatchObject(refused);
  });
});

describe("another merchant's rows", () => {
  it("are really there in every table, so that not seeing them means something", async () => {
    for (const table of tables) expect.soft(await countOf(table, b), table).toBeGreaterThan(0);
  });

  it("cannot be selected; one's own can", async () => {
    for (const table of tables) {
      const foreign = await as<unknown[]>([a], `select 1 from ${table} where merchant_id <> '${a}'`);
      expect.soft(foreign.length, table).toBe(0);
      const own = await as<unknown[]>([a], `select 1 from ${table}`);
      expect.soft(own.length, table).toBe(await countOf(table, a));
    }
  });

  it("cannot be inserted", async () => {
    for (const table of tables) {
      const before = await countOf(table, b);
      await expect.soft(as([a], insertOf(table, b)), table).rejects.toMatchObject(refused);
      expect.soft(await countOf(table, b), table).toBe(before);
    }
  });

  it("cannot be updated, nor can one's own be given away", async () => {
    for (const table of tables) {
      const foreign = `update ${table} set merchant_id = merchant_id where merchant_id = '${b}'`;
      const given = `update ${table} set merchant_id = '${b}'`;
      const before = await countOf(table, b);
      if (NO_UPDATE.includes(table)) await expect.soft(as([a], foreign), table).rejects.toMatchObject(refused);
      else expect.soft((await as<{ count: number }>([a], foreign)).count, table).toBe(0);
      await expect.soft(as([a], given), table).rejects.toMatchObject(refused);
      expect.soft(await countOf(table, b), table).toBe(before);
    }
  });

  it("cannot be deleted", async () => {
    for (const table of tables) {
      const before = await countOf(table, b);
      const statement = `delete from ${table} where merchant_id = '${b}'`;
      if (NO_DELETE.includes(table)) await expect.soft(as([a], statement), table).rejects.toMatchObject(refused);
      else expect.soft((await as<{ count: number }>([a], statement)).count, table).toBe(0);
      expect.soft(await countOf(table, b), table).toBe(before);
    }
  });

  it("stay out of reach through a join and a subselect", async () => {
    const joined = `select 1 from mailbox m join contact c on c.merchant_id = m.merchant_id where m.merchant_id = '${b}'`;
    expect(await as<unknown[]>([a], joined)).toHaveLength(0);
    const [sub] = await as<{ n: number }[]>(
      [a],
      `select (select count(*)::int from phone where merchant_id = '${b}') as n`,
    );
    expect(sub!.n).toBe(0);
  });
});

describe("without a merchant", () => {
  it("nothing is seen and nothing can be written", async () => {
    for (const table of tables) {
      expect.soft((await runtime.unsafe(`select 1 from ${table}`)).length, table).toBe(0);
      await expect.soft(runtime.unsafe(insertOf(table, a)), table).rejects.toMatchObject({ code: "42501" });
    }
  });

  it("a transaction's merchants are forgotten by the connection that served it", async () => {
    const one = connect({
      socketDir: world.scratch.socketDir,
      database: world.scratch.database,
      max: 1,
      runtimeRole: true,
    });
    const inside = await transaction(one, [a], (tx) => tx`select 1 from merchant`);
    const after = await one`select 1 from merchant`;
    await one.end({ timeout: 1 });
    expect([inside.length, after.length]).toEqual([1, 0]);
  });
});

describe("the consent ledger", () => {
  it("cannot be changed by the runtime role, not even by the merchant it belongs to", async () => {
    for (const table of ["consent_event", "consent_key"]) {
      expect(await countOf(table, a)).toBeGreaterThan(0);
      await expect(as([a], `update ${table} set waba_id = 'x'`), table).rejects.toMatchObject(refused);
      await expect(as([a], `delete from ${table}`), table).rejects.toMatchObject(refused);
      await expect(as([a], `truncate ${table} cascade`), table).rejects.toMatchObject(refused);
    }
  });
});

describe("one POST with events of two merchants", () => {
  it("is kept whole, each event under its own merchant", async () => {
    const change = (display: string, phone: string, from: string, text: string) => ({
      field: "messages",
      value: {
        messaging_product: "whatsapp",
        metadata: { display_phone_number: display, phone_number_id: phone },
        contacts: [{ profile: { name: "Person" }, wa_id: from }],
        messages: [
          {
            from,
            id: `wamid.${Buffer.from(`${from}${randomUUID()}`).toString("base64")}`,
            timestamp: String(Math.floor(world.sim.clock.now() / 1000)),
            type: "text",
            text: { body: text },
          },
        ],
      },
    });
    const body = JSON.stringify({
      object: "whatsapp_business_account",
      entry: [
        { id: "102290129340398", changes: [change("15550783881", "106540352242922", "972500000811", "To the first")] },
        { id: OTHER_WABA, changes: [change("972550783881", OTHER_PHONE, "972500000812", "To the second")] },
      ],
    });
    const countBefore = [await countOf("inbox", a), await countOf("inbox", b)];
    const response = await fetch(`http://127.0.0.1:${world.runtime.port}/webhooks/whatsapp`, {
      method: "POST",
      headers: {
        "x-hub-signature-256": `sha256=${createHmac("sha256", SECRETS.appSecret).update(body).digest("hex")}`,
      },
      body,
    });
    expect(response.status).toBe(200);
    expect([await countOf("inbox", a), await countOf("inbox", b)]).toEqual(countBefore.map((count) => count + 1));
    const contacts = (merchantId: string) =>
      asMerchant(world.scratch, merchantId, (tx) => tx`select 1 from contact where phone_ct is not null`);
    expect(await contacts(a)).toHaveLength(1);
    expect(await contacts(b)).toHaveLength(1);
  });
});
