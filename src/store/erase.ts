import { createHash } from "node:crypto";
import type { SuppressionScope } from "../domain/consent.ts";
import { type ContactId, type MerchantId, newId } from "../domain/ids.ts";
import { type IdentityKind, identitiesOf, type Person } from "../domain/person.ts";
import { EsekError } from "../errors.ts";
import { standing } from "../policy/consent.ts";
import { UNROUTED_DAYS } from "../policy/retention.ts";
import { appendConsent, selectLedger } from "./consent-ledger.ts";
import { openContact } from "./contacts.ts";
import { byteaArray, type Tx, transaction } from "./database.ts";
import { eraseLoose } from "./erase-loose.ts";
import type { MerchantKeys } from "./keyring.ts";
import type { Store } from "./store.ts";

export type EraseOptions = { actor: string; cause: "request" | "retention"; isDryRun?: boolean };

/** What became of whom: counts and reasons, never a word or a number of the person. `sha256` is over the JSON of `proof`. */
export type Erased = { proof: Proof; sha256: string };

export type Proof = {
  id: string;
  merchant: string;
  contact: string;
  alsoKnownAs: string[];
  cause: EraseOptions["cause"];
  by: string;
  at: string;
  erased: Counts;
  kept: { what: string; rows: number; as: string; why: string }[];
  notCovered: string[];
  /** The proof before this one at the merchant: a row taken out of the chain is missed. */
  previous: string | null;
};

export type Counts = Record<
  | "contacts"
  | "identities"
  | "messagesReceived"
  | "messagesSent"
  | "messagesCancelled"
  | "decisions"
  | "attempts"
  | "heldAnswers"
  | "summaries"
  | "parkedStatuses"
  | "otherEvents"
  | "consentProofs"
  | "idempotencyKeys"
  | "dataRequestsDone",
  number
>;

type Family = { root: ContactId; ids: ContactId[]; boxes: string[]; rows: string[] };

/** Undoes everything and carries the result out: a dry run is the real one, not a second opinion. */
class DryRun extends Error {
  readonly result: Erased;
  constructor(result: Erased) {
    super("dry run");
    this.result = result;
  }
}

const NOT_COVERED = [
  "backups made before: repeat the erasure after restoring one",
  `events of numbers that no merchant owns (deleted after ${UNROUTED_DAYS} days)`,
  "what WhatsApp, the model's provider and the merchant's own systems keep",
];

/**
 * Forgets a person at a merchant, in one transaction under the person's lock: names, numbers, words, raw payloads, facts,
 * everything still queued. What stays names nobody: ids, states, times, and the consent ledger under keyed hashes, hung on
 * every id the person was known by, so that a stop meets them again. Who writes again is a new contact. Opt-ins end
 * with their proofs. Twice is as once. Throws `EsekError("erase/sending")` while a message is on its way, and
 * `EsekError("contact/unknown")`.
 */
export async function eraseContact(
  store: Store,
  merchantId: MerchantId,
  contactId: ContactId,
  options: EraseOptions,
): Promise<Erased> {
  const keys = await store.keyring.of(merchantId);
  try {
    const result = await transaction(store.sql, [merchantId], async (tx) => {
      const erased = await eraseIn(store, tx, keys, merchantId, contactId, options);
      if (options.isDryRun) throw new DryRun(erased);
      return erased;
    });
    store.logger.info({ contact: contactId, erasure: result.proof.id, cause: options.cause }, "contact erased");
    return result;
  } catch (err) {
    if (err instanceof DryRun) return err.result;
    throw err;
  }
}

/** The contact behind an id, without making one. Throws `EsekError("contact/unknown")`. */
export async function findContact(store: Store, merchantId: MerchantId, person: Person): Promise<ContactId> {
  const keys = await store.keyring.of(merchantId);
  const hashes = identitiesOf(person).flatMap(({ kind, value }: { kind: IdentityKind; value: string }) =>
    keys.blindAll(`${kind}:${value}`).map((hash) => hash.toString("hex")),
  );
  const [row] = await transaction(
    store.sql,
    [merchantId],
    (tx) => tx<{ id: ContactId }[]>`
      select contact_id as id from contact_identity where merchant_id = ${merchantId} and id_hash = any(${byteaArray(hashes)}::bytea[]) limit 1`,
  );
  if (!row) throw unknown();
  return row.id;
}

async function eraseIn(
  store: Store,
  tx: Tx,
  keys: MerchantKeys,
  merchantId: MerchantId,
  contactId: ContactId,
  options: EraseOptions,
): Promise<Erased> {
  const family = await lockFamily(tx, merchantId, contactId);
  await refuseWhileSending(tx, family);
  const names = await namesOf(tx, keys, family);
  const ledger = await keepLedger(store, tx, keys, merchantId, family);
  const loose = await eraseLoose(tx, keys, merchantId, family.rows, names);
  const words = await eraseWords(tx, merchantId, family);
  const identities = await tx`delete from contact_identity where contact_id = any(${family.ids})`;
  const contacts =
    await tx`update contact set phone_ct = null, bsuid_ct = null, name_ct = null, country = null, zone = null, language = null, disclosed_at = null,
    unreachable = 0, meta_stopped_at = null, erased_at = coalesce(erased_at, ${store.clock.now()}) where id = any(${family.ids})`;
  // A mailbox merged into itself takes nothing more: an event on its way finds that, and looks the person up anew.
  await tx`update mailbox set merged_into = id, handled_seq = last_seq, due_at = 'infinity', burst_until = null, token = null, lease_until = null,
    window_at = null, window_closed_at = null, human_since = null where id = any(${family.boxes})`;
  return writeProof(store, tx, merchantId, family, options, {
    ledger: ledger.rows,
    counts: {
      contacts: contacts.count,
      identities: identities.count,
      ...words,
      ...loose,
      consentProofs: ledger.proofs,
    },
  });
}

/** The person with everybody they turned out to be, locked in lock order: contacts, then mailboxes. */
async function lockFamily(tx: Tx, merchantId: MerchantId, contactId: ContactId): Promise<Family> {
  const [top] = await tx<{ id: ContactId }[]>`
    with recursive up (id, next) as (select id, merged_into from contact where id = ${contactId} union all select c.id, c.merged_into from contact c join up on c.id = up.next)
    select id from up where next is null limit 1`;
  if (!top) throw unknown();
  const ids = await tx<{ id: ContactId }[]>`
    with recursive down (id) as (select ${top.id}::uuid union select c.id from contact c join down on c.merged_into = down.id)
    select id from contact where id in (select id from down) order by id for update`;
  const family = ids.map((row) => row.id);
  const boxes = await tx<{ id: string }[]>`
    select id from mailbox where merchant_id = ${merchantId} and kind = 'conversation' and contact_id = any(${family}) order by merchant_id, phone_id, contact_id for update`;
  const rows = await tx<{ id: string }[]>`
    select id from outbox where contact_id = any(${family}) or conversation_id = any(${boxes.map((box) => box.id)}) order by id for update`;
  return { root: top.id, ids: family, boxes: boxes.map((box) => box.id), rows: rows.map((row) => row.id) };
}

/** What is being posted this moment cannot be called back, and its answer would be written after the proof. */
async function refuseWhileSending(tx: Tx, family: Family): Promise<void> {
  const [open] = await tx<{ seconds: number | null }[]>`
    select ceil(extract(epoch from max(deadline_at) - clock_timestamp()))::int as seconds from send_attempt where outbox_id = any(${family.rows}) and state = 'sending' and deadline_at > clock_timestamp()`;
  if (open?.seconds)
    throw new EsekError(
      "erase/sending",
      `A message to this person is on its way; nothing was erased. Try again in ${open.seconds} s.`,
    );
}

async function namesOf(tx: Tx, keys: MerchantKeys, family: Family): Promise<string[]> {
  const names: string[] = [];
  for (const id of family.ids) {
    const { waId, bsuid } = await openContact(tx, keys, id);
    names.push(...[waId, bsuid].filter((value) => value !== undefined));
  }
  return [...new Set(names)];
}

/**
 * The ledger stays, under keyed hashes (GDPR 17(3)(b) and (e): honouring an objection, and showing that it was). It is
 * hung on every id known now, because an id learnt after a STOP must still meet it. An opt-in ends: its proof goes.
 */
async function keepLedger(
  store: Store,
  tx: Tx,
  keys: MerchantKeys,
  merchantId: MerchantId,
  family: Family,
): Promise<{ rows: number; proofs: number }> {
  const hashes = (
    await tx<
      { hash: string }[]
    >`select distinct encode(id_hash, 'hex') as hash from contact_identity where contact_id = any(${family.ids})`
  ).map((row) => row.hash);
  if (hashes.length === 0) return { rows: 0, proofs: 0 };
  const { config } = await store.merchants.get(merchantId);
  for (const waba of config.wabas) {
    const { marketing, utility } = standing(await selectLedger(tx, merchantId, { wabaId: waba.id }, family.root));
    if (!marketing.hasOptIn && !utility.hasOptIn) continue;
    const scope: SuppressionScope = utility.hasOptIn ? "all" : "marketing";
    const line = { act: "opt-out", scope, source: "erasure", at: store.clock.now() } as const;
    await appendConsent(tx, keys, { merchantId, wabaId: waba.id, contactId: family.root, hashes }, [
      { ...line, sourceKey: `erasure:${family.root}:${newId()}` },
    ]);
  }
  const lines = await tx<
    { id: string }[]
  >`select distinct consent_event_id as id from consent_key where merchant_id = ${merchantId} and id_hash = any(${byteaArray(hashes)}::bytea[])`;
  const ids = lines.map((row) => row.id);
  await tx`insert into consent_key (merchant_id, waba_id, id_hash, consent_event_id)
    select e.merchant_id, e.waba_id, decode(h, 'hex'), e.id from consent_event e, unnest(${hashes}::text[]) h where e.id = any(${ids}) on conflict do nothing`;
  const [proofs] = await tx<{ n: number }[]>`select erase_consent_evidence(${ids}::uuid[]) as n`;
  return { rows: ids.length, proofs: proofs!.n };
}

/** Everything that hangs on the person by an id of ours. */
async function eraseWords(
  tx: Tx,
  merchantId: MerchantId,
  { ids, boxes, rows }: Family,
): Promise<Omit<Counts, "contacts" | "identities" | "parkedStatuses" | "otherEvents" | "consentProofs">> {
  const received =
    await tx`update inbox set body_ct = '', raw_ct = null, wamid_hash = null, target_hash = null, state = case state when 'dead' then 'revoked' else state end
    where conversation_id = any(${boxes}) and (body_ct <> '' or raw_ct is not null or wamid_hash is not null)`;
  const cancelled =
    await tx`update outbox set state = 'canceled', state_reason = 'erased' where id = any(${rows}) and state in ('queued', 'deferred', 'sending', 'unknown', 'held')`;
  await tx`delete from outbox_due where outbox_id = any(${rows})`;
  const sent =
    await tx`update outbox set content_ct = '', content_hash = '' where id = any(${rows}) and content_ct <> ''`;
  const attempts =
    await tx`update send_attempt set wamid_hash = null, wamid_ct = null, state = case state when 'sending' then 'unknown' else state end
    where outbox_id = any(${rows}) and (wamid_hash is not null or wamid_ct is not null or state = 'sending')`;
  const decisions =
    await tx`update decision set facts_ct = '' where (conversation_id = any(${boxes}) or outbox_id = any(${rows})) and facts_ct <> ''`;
  const held = await tx`delete from held_answer where conversation_id = any(${boxes})`;
  const summaries = await tx`delete from conversation_summary where conversation_id = any(${boxes})`;
  // The answer to a repeated key stays; the hash of its body, which names a number, goes, so that the same body is refused.
  const idempotency =
    await tx`update api_idempotency set body_hash = '' where merchant_id = ${merchantId} and response->>'id' = any(${rows}) and body_hash <> ''`;
  const requests =
    await tx`update data_request set state = 'done' where contact_id = any(${ids}) and state not in ('done', 'refused')`;
  return {
    messagesReceived: received.count,
    messagesSent: sent.count,
    messagesCancelled: cancelled.count,
    decisions: decisions.count,
    attempts: attempts.count,
    heldAnswers: held.count,
    summaries: summaries.count,
    idempotencyKeys: idempotency.count,
    dataRequestsDone: requests.count,
  };
}

async function writeProof(
  store: Store,
  tx: Tx,
  merchantId: MerchantId,
  family: Family,
  options: EraseOptions,
  found: { counts: Counts; ledger: number },
): Promise<Erased> {
  // One proof after the other, so that each names the one before it.
  await tx`select pg_advisory_xact_lock(hashtextextended(${`erasure:${merchantId}`}, 0))`;
  const [last] = await tx<
    { hash: string }[]
  >`select encode(proof_hash, 'hex') as hash from erasure where merchant_id = ${merchantId} order by id desc limit 1`;
  const at = store.clock.now();
  const proof: Proof = {
    id: newId(),
    merchant: merchantId,
    contact: family.root,
    alsoKnownAs: family.ids.filter((id) => id !== family.root),
    cause: options.cause,
    by: options.actor,
    at: at.toISOString(),
    erased: found.counts,
    kept: [
      {
        what: "consent ledger",
        rows: found.ledger,
        as: "act, scope, source and time under a keyed hash of the id",
        why: "a stop must outlive the erasure, and it must be possible to show that it was honoured (GDPR 17(3)(b), (e))",
      },
      {
        what: "rows of messages, attempts and decisions",
        rows: family.rows.length,
        as: "our own ids, states, reasons and times; no words, no number, no name",
        why: "counts, invoices, and why a message was sent",
      },
    ],
    notCovered: NOT_COVERED,
    previous: last?.hash ?? null,
  };
  const text = JSON.stringify(proof);
  const sha256 = createHash("sha256").update(text).digest("hex");
  await tx`insert into erasure (id, merchant_id, contact_id, actor, erased_at, proof, proof_hash) values (${proof.id}, ${merchantId}, ${family.root}, ${options.actor}, ${at}, ${text}, decode(${sha256}, 'hex'))`;
  return { proof, sha256 };
}

function unknown(): EsekError {
  return new EsekError(
    "contact/unknown",
    "This merchant knows nobody by that id or number: nothing was there to erase.",
  );
}
