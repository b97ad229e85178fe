import { type ContactId, type MerchantId, newId } from "../domain/ids.ts";
import { type IdentityKind, identitiesOf, type Person } from "../domain/person.ts";
import { type Tx, transaction } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import { mergeContacts } from "./merge.ts";
import type { Store } from "./store.ts";

export type Wanted = { merchantId: MerchantId; portfolioId: string; person: Person };

const CACHE_LIMIT = 50_000;

/**
 * Who is who. An id maps to one contact; a person known by two ids that led to two contacts makes them one.
 * Contacts are made by one sorted upsert of identities, so two webhooks cannot make two.
 */
export class Identities {
  readonly #store: Store;
  readonly #cache = new Map<string, ContactId>();

  constructor(store: Store) {
    this.#store = store;
  }

  /** A contact per person, made where there was none: a short idempotent transaction of its own, before events are kept. */
  async resolve(wanted: readonly Wanted[]): Promise<ContactId[]> {
    const missing = wanted.filter((want) => this.#cached(want) === undefined);
    for (const merchantId of new Set(missing.map((want) => want.merchantId)))
      await this.#resolveMerchant(
        merchantId,
        missing.filter((want) => want.merchantId === merchantId),
      );
    return wanted.map((want) => this.#cached(want)!);
  }

  /** After a merge anywhere: what we remember may name a contact that is no more. */
  forget(): void {
    this.#cache.clear();
  }

  #cached(want: Wanted): ContactId | undefined {
    const ids = identitiesOf(want.person).map(({ kind, value }) =>
      this.#cache.get(`${want.merchantId}|${want.portfolioId}|${kind}|${value}`),
    );
    return ids.length > 0 && ids.every((id) => id !== undefined && id === ids[0]) ? ids[0] : undefined;
  }

  async #resolveMerchant(merchantId: MerchantId, wanted: Wanted[]): Promise<void> {
    const keys = await this.#store.keyring.of(merchantId);
    const merges: [ContactId, ContactId][] = [];
    const resolved = await transaction(this.#store.sql, [merchantId], (tx) => resolveIn(tx, keys, wanted));
    for (const { contacts } of resolved) for (const other of contacts.slice(1)) merges.push([contacts[0]!, other]);
    for (const [a, b] of merges) await mergeContacts(this.#store, merchantId, a, b);
    if (merges.length > 0) {
      this.forget();
      return this.#resolveMerchant(merchantId, wanted);
    }
    if (this.#cache.size > CACHE_LIMIT) this.#cache.clear();
    for (const { want, contacts } of resolved)
      for (const { kind, value } of identitiesOf(want.person))
        this.#cache.set(`${merchantId}|${want.portfolioId}|${kind}|${value}`, contacts[0]!);
  }
}

type Identity = { portfolioId: string; hash: string; kind: IdentityKind; contactId: ContactId };

async function resolveIn(
  tx: Tx,
  keys: MerchantKeys,
  wanted: readonly Wanted[],
): Promise<{ want: Wanted; contacts: ContactId[] }[]> {
  const merchantId = keys.merchantId;
  const hashed = wanted.map((want) => ({
    want,
    ids: identitiesOf(want.person).map(({ kind, value }) => ({
      kind,
      hashes: keys.blindAll(`${kind}:${value}`).map(hex),
      hash: hex(keys.blind(`${kind}:${value}`)),
    })),
  }));
  const all = [...new Set(hashed.flatMap(({ ids }) => ids.flatMap((id) => id.hashes)))];
  const known = await selectIdentities(tx, merchantId, all);
  const claimed = new Map(known.map((row) => [`${row.portfolioId}|${row.hash}`, row.contactId]));
  const fresh: Identity[] = [];
  const proposed = new Set<ContactId>();
  for (const { want, ids } of hashed) {
    const owner = ids
      .flatMap((id) => id.hashes.map((hash) => claimed.get(`${want.portfolioId}|${hash}`)))
      .find((id) => id !== undefined);
    const contactId = owner ?? newId<ContactId>();
    if (!owner) proposed.add(contactId);
    for (const id of ids) {
      if (id.hashes.some((hash) => claimed.has(`${want.portfolioId}|${hash}`))) continue;
      claimed.set(`${want.portfolioId}|${id.hash}`, contactId);
      fresh.push({ portfolioId: want.portfolioId, hash: id.hash, kind: id.kind, contactId });
    }
  }
  // Another process may have been faster: the upsert answers with the contact that owns the id now.
  for (const row of await insertIdentities(tx, keys, fresh))
    claimed.set(`${row.portfolioId}|${row.hash}`, row.contactId);
  const result = hashed.map(({ want, ids }) => ({
    want,
    contacts: [
      ...new Set(
        ids
          .flatMap((id) => id.hashes.map((hash) => claimed.get(`${want.portfolioId}|${hash}`)))
          .filter((id): id is ContactId => id !== undefined),
      ),
    ],
  }));
  await insertContacts(tx, keys, result, proposed);
  return result;
}

function selectIdentities(tx: Tx, merchantId: string, hashes: string[]): Promise<Identity[]> {
  return tx<
    Identity[]
  >`select portfolio_id as "portfolioId", encode(id_hash, 'hex') as hash, kind, contact_id as "contactId" from contact_identity
    where merchant_id = ${merchantId} and id_hash = any(select decode(h, 'hex') from unnest(${hashes}::text[]) h)`;
}

async function insertIdentities(tx: Tx, keys: MerchantKeys, fresh: Identity[]): Promise<Identity[]> {
  if (fresh.length === 0) return [];
  return tx<Identity[]>`
    insert into contact_identity (merchant_id, portfolio_id, id_hash, hash_version, kind, contact_id)
    select ${keys.merchantId}, p, decode(h, 'hex'), ${keys.blindVersion}, k, c
    from unnest(${fresh.map((row) => row.portfolioId)}::text[], ${fresh.map((row) => row.hash)}::text[], ${fresh.map((row) => row.kind)}::text[], ${fresh.map((row) => row.contactId)}::uuid[]) as t (p, h, k, c)
    order by p, h
    on conflict (merchant_id, portfolio_id, id_hash) do update set kind = contact_identity.kind
    returning portfolio_id as "portfolioId", encode(id_hash, 'hex') as hash, kind, contact_id as "contactId"`;
}

/** Rows for new people, and the ids or the name that an old one has shown for the first time. */
async function insertContacts(
  tx: Tx,
  keys: MerchantKeys,
  resolved: { want: Wanted; contacts: ContactId[] }[],
  proposed: Set<ContactId>,
): Promise<void> {
  const seen = new Set<ContactId>();
  for (const { want, contacts } of resolved) {
    const id = contacts[0]!;
    if (seen.has(id)) continue;
    seen.add(id);
    const { person } = want;
    const sealed = (column: string, value: string | undefined) =>
      value ? keys.seal("contact", column, id, value) : null;
    const phone = sealed("phone_ct", person.waId);
    const bsuid = sealed("bsuid_ct", person.bsuid);
    const name = sealed("name_ct", person.name);
    if (proposed.has(id))
      await tx`insert into contact (id, merchant_id, portfolio_id, phone_ct, bsuid_ct, name_ct) values (${id}, ${keys.merchantId}, ${want.portfolioId}, ${phone}, ${bsuid}, ${name}) on conflict (id) do nothing`;
    else
      await tx`update contact set phone_ct = coalesce(${phone}, phone_ct), bsuid_ct = coalesce(${bsuid}, bsuid_ct), name_ct = coalesce(${name}, name_ct) where id = ${id}`;
  }
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex");
}
