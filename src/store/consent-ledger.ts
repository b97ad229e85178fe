import type { ConsentEvent } from "../domain/consent.ts";
import { type ContactId, type MerchantId, newId } from "../domain/ids.ts";
import { EsekError } from "../errors.ts";
import type { ConsentLine } from "../ports.ts";
import type { Tx } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";

export type Subject = {
  merchantId: MerchantId;
  wabaId: string;
  contactId: ContactId | null;
  hashes: readonly string[];
};

/**
 * Appends to the ledger, once per source event, keyed to every identity of the person. Rows are never changed: what a
 * person allows is derived from them at every decision.
 * @returns how many lines were new.
 */
export async function appendConsent(
  tx: Tx,
  keys: MerchantKeys,
  subject: Subject,
  lines: readonly (ConsentLine & { evidence?: string; actor?: string })[],
): Promise<number> {
  let added = 0;
  if (subject.hashes.length === 0)
    throw new EsekError("consent/nobody", "A consent line needs a person with at least one identity.");
  for (const line of lines) {
    const id = newId();
    const evidence = line.evidence ? keys.seal("consent_event", "evidence_ct", id, line.evidence) : null;
    const rows = await tx`
      insert into consent_event (id, merchant_id, waba_id, contact_id, act, scope, source, event_at, source_key, rule, language, actor, evidence_ct)
      values (${id}, ${subject.merchantId}, ${subject.wabaId}, ${subject.contactId}, ${line.act}, ${line.scope}, ${line.source}, ${line.at}, ${line.sourceKey}, ${line.rule ?? null}, ${line.language ?? null}, ${line.actor ?? null}, ${evidence})
      on conflict (merchant_id, waba_id, source_key) do nothing returning id`;
    if (rows.length > 0) added++;
    // Also for a line that stands already: a retaken turn may know the person by another contact since a merge.
    await tx`insert into consent_key (merchant_id, waba_id, id_hash, consent_event_id)
      select ${subject.merchantId}, ${subject.wabaId}, decode(h, 'hex'), e.id from unnest(${[...subject.hashes]}::text[]) h, consent_event e
      where e.merchant_id = ${subject.merchantId} and e.waba_id = ${subject.wabaId} and e.source_key = ${line.sourceKey} on conflict do nothing`;
  }
  return added;
}

/** The ledger of a person at a WABA (named by itself or by a number of it): every line that hangs on any identity the contact has now. */
export function selectLedger(
  tx: Tx,
  merchantId: string,
  at: { wabaId: string } | { phoneId: string },
  contactId: ContactId,
): Promise<ConsentEvent[]> {
  const waba = "wabaId" in at ? tx`${at.wabaId}` : tx`(select waba_id from phone where id = ${at.phoneId})`;
  // From the person to the keys to the lines, each by a whole index prefix: the plan must not depend on statistics.
  return tx<ConsentEvent[]>`
    select act, scope, source, event_at as at, recorded_at as "recordedAt" from consent_event e where e.merchant_id = ${merchantId} and e.id = any(array(
      select k.consent_event_id from consent_key k where k.merchant_id = ${merchantId} and k.waba_id = ${waba}
        and k.id_hash = any(array(select i.id_hash from contact_identity i where i.contact_id = ${contactId}))))
    order by e.event_at`;
}
