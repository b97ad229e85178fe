import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { type MerchantId, newId } from "../domain/ids.ts";
import { EsekError } from "../errors.ts";
import { transaction } from "./database.ts";
import type { Store } from "./store.ts";

export type ApiCaller = { merchantId: MerchantId; keyId: string; scopes: string[] };

const PATTERN = /^esek_(demo|live)_([0-9a-f]{32})_([A-Za-z0-9_-]{43})$/;

/** A new key, shown once: `esek_<mode>_<id>_<secret>`. Only the secret's SHA-256 is kept. */
export async function createApiKey(
  store: Store,
  merchantId: MerchantId,
  name: string,
  scopes: readonly string[],
  mode: "demo" | "live",
): Promise<{ id: string; key: string }> {
  const id = newId();
  const secret = randomBytes(32).toString("base64url");
  await transaction(store.sql, [merchantId], async (tx) => {
    await tx`insert into api_key (id, merchant_id, name, secret_hash, scopes) values (${id}, ${merchantId}, ${name}, ${sha256(secret)}, ${[...scopes]})`;
    await tx`insert into route (kind, meta_id, merchant_id) values ('apikey', ${id}, ${merchantId})`;
  });
  return { id, key: `esek_${mode}_${id.replaceAll("-", "")}_${secret}` };
}

/** Throws `EsekError("apikey/unknown")` when there is no such active key. */
export async function revokeApiKey(store: Store, id: string): Promise<void> {
  const [route] = await store.sql<
    { merchantId: MerchantId }[]
  >`select merchant_id as "merchantId" from route where kind = 'apikey' and meta_id = ${id}`;
  if (!route) throw new EsekError("apikey/unknown", `There is no API key ${id}. \`esek apikey list\` shows them.`);
  await transaction(
    store.sql,
    [route.merchantId],
    (tx) => tx`update api_key set revoked_at = coalesce(revoked_at, clock_timestamp()) where id = ${id}`,
  );
}

/** Who calls, by the key in `Authorization: Bearer`; undefined for a wrong, unknown or revoked key. Constant time in the secret. */
export async function authenticate(store: Store, header: string | undefined): Promise<ApiCaller | undefined> {
  const match = PATTERN.exec(header?.replace(/^Bearer /, "") ?? "");
  if (!match) return undefined;
  const id = match[2]!.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const [route] = await store.sql<
    { merchantId: MerchantId }[]
  >`select merchant_id as "merchantId" from route where kind = 'apikey' and meta_id = ${id}`;
  if (!route) return undefined;
  const [row] = await transaction(
    store.sql,
    [route.merchantId],
    (tx) =>
      tx<
        { hash: Uint8Array; scopes: string[] }[]
      >`select secret_hash as hash, scopes from api_key where id = ${id} and revoked_at is null`,
  );
  if (!row || !timingSafeEqual(row.hash, sha256(match[3]!))) return undefined;
  return { merchantId: route.merchantId, keyId: id, scopes: row.scopes };
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** Keys of a merchant, without secrets. */
export async function listApiKeys(
  store: Store,
  merchantId: MerchantId,
): Promise<{ id: string; name: string; scopes: string; state: string }[]> {
  return transaction(
    store.sql,
    [merchantId],
    (tx) =>
      tx<{ id: string; name: string; scopes: string; state: string }[]>`
        select id, name, array_to_string(scopes, ' ') as scopes, case when revoked_at is null then 'active' else 'revoked' end as state from api_key where merchant_id = ${merchantId} order by created_at`,
  );
}
