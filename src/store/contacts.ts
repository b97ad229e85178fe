import type { ContactId } from "../domain/ids.ts";
import type { Person } from "../domain/person.ts";
import type { Tx } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";

export type Contact = {
  waId?: string;
  bsuid?: string;
  name?: string;
  country?: string;
  zone?: string;
  language?: string;
  isDisclosed: boolean;
  unreachable: number;
};

type Row = {
  phone: Uint8Array | null;
  bsuid: Uint8Array | null;
  name: Uint8Array | null;
  country: string | null;
  zone: string | null;
  language: string | null;
  disclosedAt: Date | null;
  unreachable: number;
};

export const CONTACT_COLUMNS = `phone_ct as phone, bsuid_ct as bsuid, name_ct as name, country, zone, language, disclosed_at as "disclosedAt", unreachable`;

/** A contact, opened. */
export async function openContact(tx: Tx, keys: MerchantKeys, contactId: ContactId): Promise<Contact> {
  const [row] = await tx<Row[]>`select ${tx.unsafe(CONTACT_COLUMNS)} from contact where id = ${contactId}`;
  return row ? readContact(keys, contactId, row) : { isDisclosed: false, unreachable: 0 };
}

export function readContact(keys: MerchantKeys, contactId: ContactId, row: Row): Contact {
  const text = (column: string, value: Uint8Array | null) =>
    value ? keys.open("contact", column, contactId, value) : undefined;
  return {
    waId: text("phone_ct", row.phone),
    bsuid: text("bsuid_ct", row.bsuid),
    name: text("name_ct", row.name),
    country: row.country ?? undefined,
    zone: row.zone ?? undefined,
    language: row.language ?? undefined,
    isDisclosed: row.disclosedAt !== null,
    unreachable: row.unreachable,
  };
}

/** Every keyed hash under which a person is known: what the consent ledger hangs on, and all that an erasure leaves. */
export async function identityHashes(tx: Tx, contactId: ContactId): Promise<string[]> {
  const rows = await tx<
    { hash: string }[]
  >`select encode(id_hash, 'hex') as hash from contact_identity where contact_id = ${contactId}`;
  return rows.map((row) => row.hash);
}

/** Writes the ids and the name that are known of a person now; what is absent stays as it was. */
export async function setPersonColumns(tx: Tx, keys: MerchantKeys, id: ContactId, person: Person): Promise<void> {
  const sealed = (column: string, value: string | undefined) =>
    value ? keys.seal("contact", column, id, value) : null;
  await tx`update contact set phone_ct = coalesce(${sealed("phone_ct", person.waId)}, phone_ct), bsuid_ct = coalesce(${sealed("bsuid_ct", person.bsuid)}, bsuid_ct),
    name_ct = coalesce(${sealed("name_ct", person.name)}, name_ct) where id = ${id}`;
}
