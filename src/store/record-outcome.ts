import type { Attempt, StatusEffect } from "../policy/delivery.ts";
import type { DueRow, Marked, OutboxPort } from "../ports.ts";
import { applyEffect, asAttempt, failureFacts, lockAttempts, settle } from "./attempts.ts";
import { transaction } from "./database.ts";
import { raiseNotice } from "./notices.ts";
import type { Store } from "./store.ts";

/** Failures of our own (a row that cannot be opened, a lost connection) before a row is given up. */
const MAX_ERRORS = 8;

/** Writes down what became of a POST, under the same locks that a status takes. */
export async function recordOutcome(
  store: Store,
  marked: Extract<Marked, { type: "sending" }>,
  outcome: Parameters<OutboxPort["recordOutcome"]>[1],
  decide: (attempt: Attempt, now: Date) => StatusEffect,
): Promise<void> {
  const keys = await store.keyring.of(marked.merchantId);
  await transaction(store.sql, [marked.merchantId], async (tx) => {
    const now = store.clock.now();
    const isRefused = outcome.type === "refused";
    // Contact, mailbox, outbox, attempt: the order of every lock.
    const contact = tx`select id from contact where id = ${marked.cleared.contactId} for update`.execute();
    const box = isRefused
      ? tx`select id from mailbox where id = (select conversation_id from send_attempt where id = ${marked.attemptId}) for update`.execute()
      : undefined;
    const [[row]] = await Promise.all([lockAttempts(tx, [marked.attemptId]), contact, box]);
    if (!row) return;
    const effect = decide(asAttempt(row, isRefused ? await failureFacts(tx, keys, row) : undefined), now);
    const wamid = outcome.type === "accepted" ? outcome.wamid : undefined;
    await Promise.all([
      wamid
        ? tx`update send_attempt set wamid_hash = ${keys.blind(`wamid:${wamid}`)}, wamid_ct = ${keys.seal("send_attempt", "wamid_ct", row.id, wamid)} where id = ${row.id}`
        : undefined,
      wamid
        ? tx`update contact set disclosed_at = ${now} where id = ${row.contactId} and disclosed_at is null and exists (select 1 from outbox where id = ${row.outboxId} and discloses)`
        : undefined,
      wamid
        ? tx`update pair_limit set refusals = 0 where phone_id = ${row.phoneId} and contact_id = ${row.contactId} and refusals > 0`
        : undefined,
      wamid
        ? tx`update waba set token_broken_at = null where merchant_id = ${row.merchantId} and waba_id = ${row.wabaId} and token_broken_at is not null`
        : undefined,
      applyEffect(tx, keys, row, effect, now, now),
    ]);
  });
}

/** A row whose delivery threw: later, and after enough tries an end with a notice, so that it never blocks its number. */
export async function setAside(store: Store, due: DueRow): Promise<void> {
  await transaction(store.sql, [due.merchantId], async (tx) => {
    const [row] = await tx<
      { errors: number; state: string }[]
    >`update outbox set errors = errors + 1 where id = ${due.outboxId} returning errors, state`;
    if (!row || row.errors < MAX_ERRORS) {
      await tx`update outbox_due set send_at = clock_timestamp() + ${Math.min(1000 * 2 ** (row?.errors ?? 1), 600_000)} * interval '1 ms' where outbox_id = ${due.outboxId}`;
      return;
    }
    await tx`update outbox set state = 'failed', state_reason = 'attempts-exhausted' where id = ${due.outboxId}`;
    await settle(tx, due.outboxId, "failed");
    await raiseNotice(tx, due.merchantId, {
      kind: "send-failed",
      dedupeKey: `send-failed:${due.outboxId}`,
      detail: { outbox: due.outboxId },
    });
  });
}
