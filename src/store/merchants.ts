import { createHash } from "node:crypto";
import type { Route } from "../domain/event.ts";
import { type MerchantId, newId, type PhoneId, SYSTEM_MERCHANT } from "../domain/ids.ts";
import type { MerchantConfig } from "../domain/merchant.ts";
import { EsekError } from "../errors.ts";
import { type Sql, type Tx, transaction } from "./database.ts";
import type { Keyring } from "./keyring.ts";
import { indexKnowledge } from "./knowledge.ts";

export type Merchant = { id: MerchantId; config: MerchantConfig; version: string };
export type PhoneRoute = {
  merchantId: MerchantId;
  phoneId: PhoneId | undefined;
  wabaId: string | undefined;
  portfolioId: string;
};

const TTL_MS = 3000;

/** Who owns which WABA and number, and what each merchant's file says; cached for three seconds. */
export class MerchantDirectory {
  readonly #sql: Sql;
  #routes: { byKey: Map<string, { merchantId: MerchantId; phoneId: PhoneId | undefined }>; until: number } | undefined;
  readonly #merchants = new Map<string, { value: Promise<Merchant>; until: number }>();
  readonly #portfolios = new Map<string, string>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  /** Number before WABA: `phone_number_id`, else the display number inside its WABA, else the WABA alone. */
  async route(route: Route): Promise<PhoneRoute | undefined> {
    const routes = await this.#allRoutes();
    const byPhone = route.phoneNumberId ? routes.get(`phone:${route.phoneNumberId}`) : undefined;
    const byDisplay = route.displayNumber
      ? routes.get(`display:${route.wabaId ?? ""}:${route.displayNumber}`)
      : undefined;
    const byWaba = route.wabaId ? routes.get(`waba:${route.wabaId}`) : undefined;
    if (route.phoneNumberId && !byPhone) return undefined;
    const found = byPhone ?? byDisplay ?? byWaba;
    if (!found) return undefined;
    const merchant = await this.get(found.merchantId);
    const waba = merchant.config.wabas.find(
      (candidate) =>
        candidate.id === route.wabaId || candidate.numbers.some((number) => number.id === route.phoneNumberId),
    );
    return { ...found, wabaId: waba?.id, portfolioId: merchant.config.portfolio };
  }

  get(merchantId: MerchantId): Promise<Merchant> {
    const known = this.#merchants.get(merchantId);
    if (known && known.until > Date.now()) return known.value;
    const value = this.#load(merchantId);
    value.catch(() => this.#merchants.delete(merchantId));
    this.#merchants.set(merchantId, { value, until: Date.now() + TTL_MS });
    return value;
  }

  async all(): Promise<MerchantId[]> {
    const rows = await this.#sql<
      { merchantId: MerchantId }[]
    >`select distinct merchant_id as "merchantId" from route where kind = 'waba' order by 1`;
    return rows.map((row) => row.merchantId);
  }

  forget(): void {
    this.#routes = undefined;
    this.#merchants.clear();
  }

  async #load(merchantId: MerchantId): Promise<Merchant> {
    const [row] = await transaction(
      this.#sql,
      [merchantId],
      (tx) =>
        tx<
          { config: MerchantConfig; hash: string }[]
        >`select config, config_hash as hash from merchant where merchant_id = ${merchantId}`,
    );
    if (!row) throw new EsekError("merchant/unknown", `There is no merchant ${merchantId}.`);
    this.#portfolios.set(merchantId, row.config.portfolio);
    return { id: merchantId, config: row.config, version: row.hash.slice(0, 12) };
  }

  async #allRoutes() {
    if (this.#routes && this.#routes.until > Date.now()) return this.#routes.byKey;
    const rows = await this.#sql<{ kind: string; metaId: string; merchantId: MerchantId; phoneId: PhoneId | null }[]>`
      select kind, meta_id as "metaId", merchant_id as "merchantId", phone_id as "phoneId" from route where kind <> 'apikey'`;
    const byKey = new Map(
      rows.map((row) => [
        `${row.kind}:${row.metaId}`,
        { merchantId: row.merchantId, phoneId: row.phoneId ?? undefined },
      ]),
    );
    this.#routes = { byKey, until: Date.now() + TTL_MS };
    return byKey;
  }
}

/** The system's own merchant and keys, under which unrouted events are kept. */
export async function ensureSystem(sql: Sql, keyring: Keyring): Promise<void> {
  await transaction(sql, [SYSTEM_MERCHANT], (tx) => keyring.ensure(tx, SYSTEM_MERCHANT));
}

/**
 * Makes the database say what the file says, in one transaction; twice is as once. A number or WABA that another merchant
 * owns is refused and nothing is applied. Removed numbers stop being routed; their history stays.
 */
export async function applyMerchant(
  sql: Sql,
  keyring: Keyring,
  config: MerchantConfig,
): Promise<{ id: MerchantId; changed: boolean }> {
  const hash = createHash("sha256").update(JSON.stringify(config)).digest("hex");
  const owner = await sql<
    { merchantId: MerchantId }[]
  >`select distinct merchant_id as "merchantId" from route where kind = 'waba' and meta_id = any(${config.wabas.map((waba) => waba.id)})`;
  if (owner.length > 1)
    throw new EsekError("merchant/conflict", `The WABAs of ${config.slug} belong to different merchants already.`);
  const id = owner[0]?.merchantId ?? newId<MerchantId>();
  const changed = await transaction(sql, [id], async (tx) => {
    const [old] = await tx<
      { slug: string; hash: string }[]
    >`select slug, config_hash as hash from merchant where merchant_id = ${id} for update`;
    if (old && old.slug !== config.slug)
      throw new EsekError(
        "merchant/conflict",
        `WABA ${config.wabas[0]!.id} belongs to merchant "${old.slug}", not "${config.slug}".`,
      );
    await tx`insert into merchant (merchant_id, slug, config, config_hash) values (${id}, ${config.slug}, ${tx.json(config as never)}, ${hash})
      on conflict (merchant_id) do update set slug = excluded.slug, config = excluded.config, config_hash = excluded.config_hash, updated_at = now()`;
    await keyring.ensure(tx, id);
    await indexKnowledge(tx, id, config);
    await applyNumbers(tx, id, config);
    return old?.hash !== hash;
  });
  return { id, changed };
}

async function applyNumbers(tx: Tx, merchantId: MerchantId, config: MerchantConfig): Promise<void> {
  const keep: string[] = [];
  for (const waba of config.wabas) {
    await tx`insert into waba (merchant_id, waba_id, portfolio_id) values (${merchantId}, ${waba.id}, ${config.portfolio})
      on conflict (merchant_id, waba_id) do update set portfolio_id = excluded.portfolio_id, token_broken_at = null`;
    keep.push(await claimRoute(tx, "waba", waba.id, merchantId, null));
    for (const number of waba.numbers) {
      const [row] = await tx<{ id: PhoneId }[]>`
        insert into phone (id, merchant_id, waba_id, phone_number_id, display_number, coexistence, throughput_mps)
        values (${newId()}, ${merchantId}, ${waba.id}, ${number.id}, ${number.display}, ${number.coexistence}, ${number.coexistence ? 20 : 80})
        on conflict (phone_number_id) do update set display_number = excluded.display_number, coexistence = excluded.coexistence, waba_id = excluded.waba_id
        returning id`;
      await tx`insert into mailbox (id, merchant_id, kind, phone_id) values (${newId()}, ${merchantId}, 'sender', ${row!.id}) on conflict do nothing`;
      keep.push(await claimRoute(tx, "phone", number.id, merchantId, row!.id));
      keep.push(
        await claimRoute(tx, "display", `${waba.id}:${number.display.replace(/\D/g, "")}`, merchantId, row!.id),
      );
    }
  }
  await tx`insert into mailbox (id, merchant_id, kind) values (${newId()}, ${merchantId}, 'job') on conflict do nothing`;
  await tx`delete from route where merchant_id = ${merchantId} and kind <> 'apikey' and not (kind || ':' || meta_id = any(${keep}))`;
}

async function claimRoute(
  tx: Tx,
  kind: string,
  metaId: string,
  merchantId: MerchantId,
  phoneId: PhoneId | null,
): Promise<string> {
  const rows =
    await tx`insert into route (kind, meta_id, merchant_id, phone_id) values (${kind}, ${metaId}, ${merchantId}, ${phoneId})
    on conflict (kind, meta_id) do update set phone_id = excluded.phone_id where route.merchant_id = excluded.merchant_id returning 1`;
  if (rows.length === 0)
    throw new EsekError(
      "merchant/conflict",
      `The ${kind} ${metaId} belongs to another merchant. Remove it from that merchant's file first.`,
    );
  return `${kind}:${metaId}`;
}
