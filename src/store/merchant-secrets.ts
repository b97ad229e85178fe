import { type MerchantId, newId } from "../domain/ids.ts";
import { transaction } from "./database.ts";
import type { Store } from "./store.ts";

const NAME = "access-token";
const TTL_MS = 3000;

/** Keeps a merchant's access token, sealed; the one before it is gone. `expiresAt` is Meta's word, undefined for never. */
export async function saveToken(
  store: Store,
  merchantId: MerchantId,
  token: string,
  expiresAt: Date | undefined,
): Promise<void> {
  const keys = await store.keyring.of(merchantId);
  const id = newId();
  await transaction(
    store.sql,
    [merchantId],
    (tx) => tx`insert into merchant_secret (id, merchant_id, name, value_ct, expires_at)
      values (${id}, ${merchantId}, ${NAME}, ${keys.seal("merchant_secret", "value_ct", id, token)}, ${expiresAt ?? null})
      on conflict (merchant_id, name) do update set id = excluded.id, value_ct = excluded.value_ct, expires_at = excluded.expires_at, updated_at = clock_timestamp()`,
  );
}

/** The token kept for a merchant, or undefined when none was. */
export async function keptToken(store: Store, merchantId: MerchantId): Promise<string | undefined> {
  const [row] = await transaction(
    store.sql,
    [merchantId],
    (tx) =>
      tx<
        { id: string; sealed: Uint8Array }[]
      >`select id, value_ct as sealed from merchant_secret where merchant_id = ${merchantId} and name = ${NAME}`,
  );
  if (!row) return undefined;
  return (await store.keyring.of(merchantId)).open("merchant_secret", "value_ct", row.id, row.sealed);
}

/** Meta has taken the merchant's token again: what an earlier refusal paused goes on. */
export async function tokenWorks(store: Store, merchantId: MerchantId): Promise<void> {
  await transaction(
    store.sql,
    [merchantId],
    (tx) =>
      tx`update waba set token_broken_at = null where merchant_id = ${merchantId} and token_broken_at is not null`,
  );
}

/**
 * A merchant's access token: the environment under the name its file gives goes first, then the kept one. Kept tokens are
 * read anew after three seconds, so that a new one is used by every process soon after it came.
 */
export function tokenLookup(
  store: Store,
  secret: (name: string) => string | undefined,
): (merchantId: MerchantId) => Promise<string | undefined> {
  const kept = new Map<MerchantId, { value: Promise<string | undefined>; until: number }>();
  return async (merchantId) => {
    const given = secret((await store.merchants.get(merchantId)).config.token.env);
    if (given) return given;
    const known = kept.get(merchantId);
    if (known && known.until > Date.now()) return known.value;
    const value = keptToken(store, merchantId);
    value.catch(() => kept.delete(merchantId));
    kept.set(merchantId, { value, until: Date.now() + TTL_MS });
    return value;
  };
}
