import type { KeyProvider } from "../../crypto/key-provider.ts";
import type { ContactId, MerchantId } from "../../domain/ids.ts";
import type { Logger } from "../../logger.ts";
import { connect, type Sql, transaction } from "../database.ts";
import { eraseContact } from "../erase.ts";
import { Keyring } from "../keyring.ts";
import { MerchantDirectory } from "../merchants.ts";
import type { Store } from "../store.ts";

/** What the replaced database knew and the backup did not: lines of the consent ledger, and people erased again. */
export type Carried = { consentLines: number; erasures: number };

type Options = { socketDir: string; provider: KeyProvider; logger: Logger; from: string; into: string };

/** A clock may have been set back a little between the two. */
const OVERLAP_MS = 3_600_000;
const BATCH = 1000;

/**
 * A restore that replaces a database must not lift a stop or bring back the erased: what that database knew of both
 * since the backup is copied first. Only for merchants that both have, under the same blind-index key: otherwise hashes
 * mean nothing. What cannot be read there (another schema, damaged) is left, and the operator is told by the numbers.
 */
export async function carryOver(admin: Sql, madeAt: Date, options: Options): Promise<Carried> {
  const old = connect({ socketDir: options.socketDir, user: "esek_admin", database: options.from, max: 2 });
  try {
    const merchants = await sharedMerchants(old, admin);
    const since = new Date(madeAt.getTime() - OVERLAP_MS);
    const consentLines = await copyRows(
      old,
      admin,
      "consent_event",
      "t.merchant_id = any($1) and t.recorded_at >= $2",
      [merchants, since],
    );
    await copyRows(
      old,
      admin,
      "consent_key",
      "t.merchant_id = any($1) and exists (select 1 from consent_event e where e.id = t.consent_event_id and e.recorded_at >= $2)",
      [merchants, since],
    );
    return { consentLines, erasures: await eraseAgain(old, admin, merchants, since, options) };
  } finally {
    await old.end({ timeout: 5 });
  }
}

async function sharedMerchants(old: Sql, made: Sql): Promise<string[]> {
  const keysOf = (sql: Sql) =>
    sql<
      { id: string; merchantId: string }[]
    >`select id, merchant_id as "merchantId" from data_key where purpose = 'blind'`;
  const known = new Set((await keysOf(made)).map((row) => row.id));
  return [...new Set((await keysOf(old)).filter((row) => known.has(row.id)).map((row) => row.merchantId))];
}

/** Rows travel as JSON, so that a column that only one of the two schemas has does no harm. */
async function copyRows(
  old: Sql,
  made: Sql,
  table: "consent_event" | "consent_key" | "erasure",
  where: string,
  values: (string[] | Date)[],
): Promise<number> {
  let count = 0;
  for await (const rows of old
    .unsafe<{ row: string }[]>(`select to_jsonb(t)::text as row from ${table} t where ${where}`, values as never[])
    .cursor(BATCH)) {
    const only =
      table === "consent_key" ? "where exists (select 1 from consent_event e where e.id = r.consent_event_id)" : "";
    const added = await made.unsafe(
      `insert into ${table} select r.* from jsonb_populate_recordset(null::${table}, $1::text::jsonb) r ${only} on conflict do nothing`,
      [`[${rows.map((one) => one.row).join(",")}]`],
    );
    count += added.count;
  }
  return count;
}

async function eraseAgain(
  old: Sql,
  made: Sql,
  merchants: readonly string[],
  since: Date,
  options: Options,
): Promise<number> {
  const [table] = await old<{ exists: boolean }[]>`select to_regclass('public.erasure') is not null as exists`;
  if (!table!.exists) return 0;
  const found = await old<
    { merchantId: MerchantId; contactId: ContactId }[]
  >`select distinct merchant_id as "merchantId", contact_id as "contactId" from erasure where merchant_id = any(${[...merchants]}) and erased_at >= ${since}`;
  await copyRows(old, made, "erasure", "t.merchant_id = any($1) and t.erased_at >= $2", [[...merchants], since]);
  const sql = connect({ socketDir: options.socketDir, database: options.into, max: 2, runtimeRole: true });
  const store: Store = {
    sql,
    keyring: new Keyring(sql, options.provider),
    merchants: new MerchantDirectory(sql),
    clock: { now: () => new Date() },
    logger: options.logger,
    nudge: () => {},
  };
  try {
    let count = 0;
    for (const { merchantId, contactId } of found) {
      const [open] = await transaction(
        sql,
        [merchantId],
        (tx) => tx`select 1 from contact where id = ${contactId} and erased_at is null`,
      );
      if (!open) continue;
      await eraseContact(store, merchantId, contactId, { actor: "restore", cause: "request" });
      count++;
    }
    return count;
  } finally {
    await sql.end({ timeout: 5 });
  }
}
