import { type ContactId, type MerchantId, newId } from "../domain/ids.ts";
import { type IdentityKind, identitiesOf, type Person } from "../domain/person.ts";
import { EsekError } from "../errors.ts";
import { setPersonColumns } from "./contacts.ts";
import { byteaArray, type Tx, transaction } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import { mergeContacts } from "./merge.ts";
import type { Store } from "./store.ts";

export type Wanted = { merchantId: MerchantId; portfolioId: string; person: Person };

const CACHE_LIMIT = 50_000;
const MAX_ROUNDS = 8;

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

  /**
   * A contact per person, made where there was none: a short idempotent transaction of its own, before events are kept.
   * After a merge everybody is looked up again: nothing that was read before it counts. Throws
   * `EsekError("identity/unstable")` when it does not settle; the POST is then delivered again.
   */
  async resolve(wanted: readonly Wanted[]): Promise<ContactId[]> {
    for (let round = 1; round <= MAX_ROUNDS; round++) {
      const found = new Map<Wanted, ContactId>();
      for (const want of wanted) {
        const known = this.#cached(want);
        if (known) found.set(want, known);
      }
      const missing = wanted.filter((want) => !found.has(want));
      let isMerged = false;
      for (const merchantId of new Set(missing.map((want) => want.merchantId))) {
        const own = missing.filter((want) => want.merchantId === merchantId);
        isMerged = (await this.#resolveMerchant(merchantId, own, found)) || isMerged;
      }
      if (isMerged) this.forget();
      else if (wanted.every((want) => found.has(want))) return wanted.map((want) => found.get(want)!);
    }
    throw new EsekError(
      "identity/unstable",
      "The identities of a batch kept changing while they were read; the batch is tried again.",
    );
  }

  /** After a merge anywhere: what we remember may name a contact that is no more. */
  forget(): void {
    this.#cache.clear();
  }

  #cached(want: Wanted): ContactId | undefined {
    const ids = identitiesOf(want.person).map(({ kind, value }) => this.#cache.get(cacheKey(want, kind, value)));
    return ids.length > 0 && ids.every((id) => id !== undefined && id === ids[0]) ? ids[0] : undefined;
  }

  async #resolveMerchant(merchantId: MerchantId, wanted: Wanted[], found: Map<Wanted, ContactId>): Promise<boolean> {
    const keys = await this.#store.keyring.of(merchantId);
    const resolved = await transaction(this.#store.sql, [merchantId], (tx) => resolveIn(tx, keys, wanted));
    if (resolved === "merged-meanwhile") return true;
    let isMerged = false;
    if (this.#cache.size > CACHE_LIMIT) this.#cache.clear();
    for (const { want, contacts } of resolved) {
      for (const other of contacts.slice(1)) {
        await mergeContacts(this.#store, merchantId, contacts[0]!, other, want.person);
        isMerged = true;
      }
      found.set(want, contacts[0]!);
      for (const { kind, value } of identitiesOf(want.person))
        this.#cache.set(cacheKey(want, kind, value), contacts[0]!);
    }
    return isMerged;
  }
}

function cacheKey(want: Wanted, kind: IdentityKind, value: string): string {
  return `${want.merchantId}|${want.portfolioId}|${kind}|${value}`;
}

type Identity = { portfolioId: string; hash: string; kind: IdentityKind; contactId: ContactId };
type Resolved = { want: Wanted; contacts: ContactId[] };

async function resolveIn(
  tx: Tx,
  keys: MerchantKeys,
  wanted: readonly Wanted[],
): Promise<Resolved[] | "merged-meanwhile"> {
  const hashed = wanted.map((want) => ({
    want,
    ids: identitiesOf(want.person).map(({ kind, value }) => ({
      kind,
      hashes: keys.blindAll(`${kind}:${value}`).map(hex),
      hash: hex(keys.blind(`${kind}:${value}`)),
    })),
  }));
  const portfolios = [...new Set(wanted.map((want) => want.portfolioId))];
  const all = [...new Set(hashed.flatMap(({ ids }) => ids.flatMap((id) => id.hashes)))];
  const known = await selectIdentities(tx, keys.merchantId, portfolios, all);
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
  // A new id is hung only on a contact that stands: a merge or an erasure that is under way is waited for, one that is done is seen.
  if (fresh.length > 0 && (await isAnyMerged(tx, [...new Set(known.map((row) => row.contactId))])))
    return "merged-meanwhile";
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
    ].sort(),
  }));
  await insertContacts(tx, keys, result, proposed);
  await learnIds(tx, keys, result, new Set(fresh.map((row) => row.contactId)), proposed);
  return result;
}

function selectIdentities(tx: Tx, merchantId: string, portfolios: string[], hashes: string[]): Promise<Identity[]> {
  return tx<
    Identity[]
  >`select portfolio_id as "portfolioId", encode(id_hash, 'hex') as hash, kind, contact_id as "contactId" from contact_identity
    where merchant_id = ${merchantId} and portfolio_id = any(${portfolios}) and id_hash = any(${byteaArray(hashes)}::bytea[])`;
}

async function isAnyMerged(tx: Tx, contacts: ContactId[]): Promise<boolean> {
  if (contacts.length === 0) return false;
  const rows = await tx<
    { isMerged: boolean }[]
  >`select merged_into is not null or erased_at is not null as "isMerged" from contact where id = any(${contacts}) order by id for key share`;
  return rows.some((row) => row.isMerged);
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

/** A row for every new contact that owns an identity, so that a merge finds it. */
async function insertContacts(
  tx: Tx,
  keys: MerchantKeys,
  resolved: readonly Resolved[],
  proposed: Set<ContactId>,
): Promise<void> {
  const rows = new Map<ContactId, Wanted>();
  for (const { want, contacts } of resolved)
    for (const id of contacts) if (proposed.has(id) && !rows.has(id)) rows.set(id, want);
  if (rows.size === 0) return;
  const ids = [...rows.keys()].sort();
  const sealed = (column: string, pick: (person: Person) => string | undefined) =>
    ids.map((id) => {
      const value = pick(rows.get(id)!.person);
      return value ? keys.seal("contact", column, id, value).toString("base64") : null;
    });
  await tx`insert into contact (id, merchant_id, portfolio_id, phone_ct, bsuid_ct, name_ct)
    select i, ${keys.merchantId}, p, decode(a, 'base64'), decode(b, 'base64'), decode(c, 'base64') from unnest(${ids}::uuid[], ${ids.map((id) => rows.get(id)!.portfolioId)}::text[],
      ${sealed("phone_ct", (person) => person.waId)}::text[], ${sealed("bsuid_ct", (person) => person.bsuid)}::text[], ${sealed("name_ct", (person) => person.name)}::text[]) as t (i, p, a, b, c)
    on conflict (id) do nothing`;
}

/** An old contact that shows an id for the first time keeps it for sending. In id order, as every lock. */
async function learnIds(
  tx: Tx,
  keys: MerchantKeys,
  resolved: readonly Resolved[],
  changed: Set<ContactId>,
  proposed: Set<ContactId>,
): Promise<void> {
  const wants = new Map(
    resolved
      .filter(({ contacts }) => changed.has(contacts[0]!) && !proposed.has(contacts[0]!))
      .map(({ want, contacts }) => [contacts[0]!, want]),
  );
  for (const id of [...wants.keys()].sort()) await setPersonColumns(tx, keys, id, wants.get(id)!.person);
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex");
}
