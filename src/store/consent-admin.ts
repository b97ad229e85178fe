import { createHash } from "node:crypto";
import type { ConsentEvent, SuppressionScope } from "../domain/consent.ts";
import { type MerchantId, newId } from "../domain/ids.ts";
import type { Person } from "../domain/person.ts";
import { type Standing, standing } from "../policy/consent.ts";
import { cancelQueued } from "./attempts.ts";
import { appendConsent, selectLedger } from "./consent-ledger.ts";
import { identityHashes } from "./contacts.ts";
import { transaction } from "./database.ts";
import { Identities } from "./identities.ts";
import type { Store } from "./store.ts";

export type Shown = { wabaId: string; standing: Standing; ledger: ConsentEvent[] };

/** What a person allows at each WABA of a merchant. */
export async function showConsent(store: Store, merchantId: MerchantId, person: Person): Promise<Shown[]> {
  const merchant = await store.merchants.get(merchantId);
  const [contactId] = await new Identities(store).resolve([
    { merchantId, portfolioId: merchant.config.portfolio, person },
  ]);
  return transaction(store.sql, [merchantId], async (tx) => {
    const shown: Shown[] = [];
    for (const waba of merchant.config.wabas) {
      const ledger = await selectLedger(tx, merchantId, { wabaId: waba.id }, contactId!);
      shown.push({ wabaId: waba.id, standing: standing(ledger), ledger });
    }
    return shown;
  });
}

export type ConsentRecord = {
  person: Person;
  act: "opt-in" | "opt-out";
  scope: SuppressionScope;
  source: "human" | "api" | "import" | "objection";
  proof: string;
  actor: string;
  at?: Date;
  sourceKey?: string;
};

/** A line that staff or a system declares, at every WABA of the merchant. A stop also empties the queue; it is never confirmed in the chat. */
export async function recordConsent(store: Store, merchantId: MerchantId, entry: ConsentRecord): Promise<Standing> {
  const [merchant, keys] = await Promise.all([store.merchants.get(merchantId), store.keyring.of(merchantId)]);
  const [contactId] = await new Identities(store).resolve([
    { merchantId, portfolioId: merchant.config.portfolio, person: entry.person },
  ]);
  const at = entry.at ?? store.clock.now();
  const sourceKey = entry.sourceKey ?? `${entry.source}:${newId()}`;
  return transaction(store.sql, [merchantId], async (tx) => {
    await tx`select id from contact where id = ${contactId!} for update`;
    const hashes = await identityHashes(tx, contactId!);
    for (const waba of merchant.config.wabas)
      await appendConsent(tx, keys, { merchantId, wabaId: waba.id, contactId: contactId!, hashes }, [
        {
          act: entry.act,
          scope: entry.scope,
          source: entry.source,
          at,
          sourceKey,
          evidence: entry.proof,
          actor: entry.actor,
        },
      ]);
    if (entry.act === "opt-out") {
      for (const waba of merchant.config.wabas)
        await cancelQueued(
          tx,
          { merchantId, contactId: contactId!, wabaId: waba.id },
          entry.scope === "marketing" ? "marketing" : "all",
          "opted-out",
        );
      await tx`update mailbox set last_seq = last_seq + 1, fence_seq = last_seq + 1 where contact_id = ${contactId!} and kind = 'conversation'`;
    }
    return standing(await selectLedger(tx, merchantId, { wabaId: merchant.config.wabas[0]!.id }, contactId!));
  });
}

/**
 * Consent in bulk, each line with its proof. Who stopped stays stopped: their opt-in is kept as pending. Opt-outs (a list
 * from elsewhere, or what was said between a backup and its restore) stop at once. Twice is as once.
 */
export async function importConsent(
  store: Store,
  merchantId: MerchantId,
  rows: readonly { person: Person; scope: SuppressionScope; at: Date; proof: string; act?: "opt-in" | "opt-out" }[],
): Promise<{ imported: number; pending: number; stopped?: number }> {
  let pending = 0;
  let stopped = 0;
  for (const row of rows) {
    const key = createHash("sha256")
      .update(JSON.stringify([row.person, row.scope, row.at, row.proof, ...(row.act === "opt-out" ? [row.act] : [])]))
      .digest("hex");
    const result = await recordConsent(store, merchantId, {
      ...row,
      act: row.act ?? "opt-in",
      source: "import",
      actor: "import",
      sourceKey: `import:${key}`,
    });
    if (row.act === "opt-out") {
      stopped++;
      continue;
    }
    const allowed = row.scope === "utility" ? result.utility.hasOptIn : result.marketing.hasOptIn;
    if (!allowed) pending++;
  }
  return { imported: rows.length - pending - stopped, pending, ...(stopped > 0 ? { stopped } : {}) };
}
