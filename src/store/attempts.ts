import type { Author, Purpose } from "../domain/draft.ts";
import type { AttemptId, ContactId, ConversationId, MerchantId, OutboxId } from "../domain/ids.ts";
import type { Verdict } from "../domain/verdict.ts";
import type { Attempt, Fact, StatusEffect } from "../policy/delivery.ts";
import type { OutboxReason } from "../policy/reasons.ts";
import { recipientPlace } from "../policy/recipient-place.ts";
import { appendConsent } from "./consent-ledger.ts";
import { identityHashes, openContact } from "./contacts.ts";
import type { Tx } from "./database.ts";
import { insertDecisions } from "./decisions.ts";
import type { MerchantKeys } from "./keyring.ts";
import { raiseNotice } from "./notices.ts";

export type AttemptRow = {
  id: AttemptId;
  merchantId: MerchantId;
  outboxId: OutboxId;
  contactId: ContactId;
  conversationId: ConversationId;
  phoneId: string;
  number: number;
  state: Attempt["state"];
  statusRank: number;
  rowState: string;
  purpose: Purpose;
  author: Author;
  hasTemplate: boolean;
  tries: number;
  resent: boolean;
  latest: number;
  wabaId: string;
  turnId: string | null;
  config: string;
  verdict: Verdict;
  isPriced: boolean;
};

/** Attempts with their outbox rows, locked in lock order: outbox, then attempt. */
export async function lockAttempts(tx: Tx, ids: readonly AttemptId[]): Promise<AttemptRow[]> {
  // Three statements in one round trip: each sees what was committed while the one before it waited.
  const [, , rows] = await Promise.all([
    tx`select id from outbox where id in (select outbox_id from send_attempt where id = any(${[...ids]})) order by id for update`,
    tx`select id from send_attempt where id = any(${[...ids]}) order by id for update`,
    tx<AttemptRow[]>`
    select a.id, a.merchant_id as "merchantId", a.outbox_id as "outboxId", o.contact_id as "contactId", o.conversation_id as "conversationId", a.phone_id as "phoneId", a.number, a.state,
      a.status_rank as "statusRank", o.state as "rowState", o.purpose, o.author, o.template_name is not null as "hasTemplate", o.tries, o.resent,
      (select max(number) from send_attempt l where l.outbox_id = o.id) as latest, p.waba_id as "wabaId", o.turn_id as "turnId", o.versions->>'config' as config, o.verdict, a.pricing_category is not null as "isPriced"
    from send_attempt a join outbox o on o.id = a.outbox_id join phone p on p.id = a.phone_id where a.id = any(${[...ids]})`,
  ]);
  return rows;
}

/** What only a failure needs to know: who the recipient is, and whether they wrote again. */
export async function failureFacts(
  tx: Tx,
  keys: MerchantKeys,
  row: AttemptRow,
): Promise<{ isUs: boolean; newestInboundAt: Date | undefined; pairRefusals: number }> {
  const contact = await openContact(tx, keys, row.contactId);
  const [box] = await tx<
    { windowAt: Date | null }[]
  >`select window_at as "windowAt" from mailbox where id = ${row.conversationId}`;
  const [pair] = await tx<
    { refusals: number }[]
  >`select refusals from pair_limit where phone_id = ${row.phoneId} and contact_id = ${row.contactId}`;
  return {
    isUs: recipientPlace(contact).isUs,
    newestInboundAt: box?.windowAt ?? undefined,
    pairRefusals: pair?.refusals ?? 0,
  };
}

export function asAttempt(
  row: AttemptRow,
  facts = { isUs: true, newestInboundAt: undefined as Date | undefined, pairRefusals: 0 },
): Attempt {
  return {
    id: row.id,
    outboxId: row.outboxId,
    contactId: row.contactId,
    conversationId: row.conversationId,
    state: row.state,
    statusRank: row.statusRank,
    row: {
      state: row.rowState,
      purpose: row.purpose,
      author: row.author,
      isTemplate: row.hasTemplate,
      tries: row.tries,
      isResent: row.resent,
      isUs: facts.isUs,
      newestInboundAt: facts.newestInboundAt,
    },
    pairRefusals: facts.pairRefusals,
    isLatest: row.number === row.latest,
  };
}

/**
 * Carries out what policy decided about an attempt: attempt, row, due index, facts, notices, all in the caller's
 * transaction. `afterMs` is relative, because due times are kept on the database's clock.
 */
export async function applyEffect(
  tx: Tx,
  keys: MerchantKeys,
  row: AttemptRow,
  effect: StatusEffect,
  now: Date,
  at: Date,
): Promise<void> {
  const { attempt, row: change } = effect;
  if (attempt)
    await tx`update send_attempt set state = coalesce(${attempt.state ?? null}, state), status_rank = greatest(status_rank, ${attempt.rank ?? 0}), status = coalesce(${attempt.status ?? null}, status),
      status_at = case when ${attempt.status ?? null}::text is null then status_at else ${at} end, error_code = coalesce(${attempt.errorCode ?? null}, error_code),
      duplicate_detected = duplicate_detected or ${attempt.isDuplicate ?? false} where id = ${row.id}`;
  if (change) {
    await tx`update outbox set state = ${change.state}, state_reason = ${change.reason}, resent = resent or ${change.isResend ?? false} where id = ${row.outboxId}`;
    // A disclosure counts once its message has a wamid and did not fail.
    if (change.state !== "accepted" && change.state !== "sending" && change.state !== "unknown")
      await tx`update contact set disclosed_at = null where id = ${row.contactId} and exists (select 1 from outbox where id = ${row.outboxId} and discloses)`;
    if (change.isResend) await recordResend(tx, keys, row, change.reason, now);
    if (change.state === "accepted" || change.state === "failed") await settle(tx, row.outboxId, change.state);
    else await makeDue(tx, row.outboxId, change.sendAt ? change.sendAt.getTime() - now.getTime() : 0);
  }
  for (const fact of effect.facts) await applyFact(tx, keys, row, fact, now);
  for (const notice of effect.notices)
    await raiseNotice(
      tx,
      row.merchantId,
      {
        kind: notice.kind,
        dedupeKey: `${notice.kind}:${row.outboxId}`,
        detail: { outbox: row.outboxId, ...(notice.code ? { code: notice.code } : {}) },
      },
      row.conversationId,
    );
}

/** A free-form reply of unknown outcome goes once more: the one case in which a customer may read something twice, so it is a row. */
function recordResend(tx: Tx, keys: MerchantKeys, row: AttemptRow, reason: OutboxReason, now: Date): Promise<void> {
  return insertDecisions(tx, keys, [
    {
      merchantId: row.merchantId,
      subject: "outbound",
      conversationId: row.conversationId,
      turnId: row.turnId ?? undefined,
      outboxId: row.outboxId,
      config: row.config,
      at: now,
      step: "sender",
      type: "resend",
      reason,
      facts: { attempt: row.id, tries: row.tries, purpose: row.purpose, author: row.author },
      verdicts: [row.verdict],
      latencyMs: 0,
    },
  ]);
}

/** A row that is done leaves the due index. A part that failed ends the parts behind it: half an answer is no answer. */
export async function settle(tx: Tx, outboxId: OutboxId, state: string): Promise<void> {
  await tx`delete from outbox_due where outbox_id = ${outboxId}`;
  if (state === "accepted") return;
  await tx`with later as (
      update outbox o set state = 'canceled', state_reason = 'earlier-part-failed' from outbox f
      where f.id = ${outboxId} and f.turn_id is not null and o.turn_id = f.turn_id and o.lane = f.lane and o.part > f.part and o.state in ('queued', 'deferred') returning o.id)
    delete from outbox_due d using later where d.outbox_id = later.id`;
}

/** Puts a row into the due index after a wait. Keeps its place in its lane. */
export async function makeDue(tx: Tx, outboxId: OutboxId, afterMs: number): Promise<void> {
  await tx`insert into outbox_due (outbox_id, merchant_id, phone_id, contact_id, lane, lane_seq, send_at, shard)
    select id, merchant_id, phone_id, contact_id, lane, lane_seq, clock_timestamp() + ${Math.max(0, Math.round(afterMs))} * interval '1 ms', shard from outbox where id = ${outboxId}
    on conflict (outbox_id) do update set send_at = excluded.send_at`;
}

async function applyFact(tx: Tx, keys: MerchantKeys, row: AttemptRow, fact: Fact, now: Date): Promise<void> {
  switch (fact.type) {
    case "window-closed":
      await tx`update mailbox set window_closed_at = ${fact.at} where id = ${row.conversationId} and (window_at is null or window_at <= ${fact.at})`;
      return;
    case "meta-opt-out": {
      const hashes = await identityHashes(tx, row.contactId);
      // Erased since it was sent: there is no id left to hang a stop on, and Meta says it again if they come back.
      if (hashes.length === 0) return;
      await appendConsent(
        tx,
        keys,
        {
          merchantId: row.merchantId,
          wabaId: row.wabaId,
          contactId: row.contactId,
          hashes,
        },
        [
          {
            act: "opt-out",
            scope: "marketing",
            source: "error-131050",
            at: fact.at,
            sourceKey: `131050:${row.id}`,
            rule: "131050",
          },
        ],
      );
      await cancelQueued(tx, row, "marketing", "opted-out");
      await raiseNotice(
        tx,
        row.merchantId,
        { kind: "opt-out", dedupeKey: `opt-out:${row.id}`, detail: { source: "error-131050" } },
        row.conversationId,
      );
      return;
    }
    case "unreachable":
      await tx`update contact set unreachable = unreachable + 1 where id = ${row.contactId}`;
      return;
    case "reached":
      await tx`update contact set unreachable = 0 where id = ${row.contactId} and unreachable > 0`;
      return;
    case "token-broken":
      await tx`update waba set token_broken_at = coalesce(token_broken_at, ${now}) where merchant_id = ${row.merchantId} and waba_id = ${row.wabaId}`;
      return;
    case "number-paused":
      await tx`update phone set paused_until = ${fact.until}, paused_reason = 'graph-error' where id = ${row.phoneId}`;
      return;
    case "spam-limited":
      await tx`update phone set initiated_blocked_until = greatest(initiated_blocked_until, ${fact.until}) where id = ${row.phoneId}`;
      return;
    case "country-blocked": {
      const country = recipientPlace(await openContact(tx, keys, row.contactId)).country;
      if (country)
        await tx`update waba set blocked_countries = array_append(array_remove(blocked_countries, ${country}), ${country}) where merchant_id = ${row.merchantId} and waba_id = ${row.wabaId}`;
      return;
    }
    case "pair-refused":
      await tx`insert into pair_limit (merchant_id, phone_id, contact_id, paid_until, blocked_until, refusals) values (${row.merchantId}, ${row.phoneId}, ${row.contactId}, ${now}, ${fact.until}, 1)
        on conflict (phone_id, contact_id) do update set blocked_until = excluded.blocked_until, refusals = pair_limit.refusals + 1`;
      return;
  }
}

/** Takes what is waiting for a person at a WABA out of the outbox: promotions, everything the business starts, or the agent's own answers. */
export async function cancelQueued(
  tx: Tx,
  who: { merchantId: MerchantId; contactId: ContactId; wabaId: string },
  scope: "marketing" | "all" | "agent",
  reason: string,
): Promise<number> {
  const which =
    scope === "marketing"
      ? tx`purpose = 'marketing'`
      : scope === "all"
        ? tx`(purpose in ('marketing', 'utility') or author = 'agent')`
        : tx`author = 'agent'`;
  const rows = await tx`
    with waiting as (select id from outbox where merchant_id = ${who.merchantId} and contact_id = ${who.contactId} and state in ('queued', 'deferred', 'held') and ${which}
        and phone_id in (select id from phone where waba_id = ${who.wabaId}) order by id for update),
      gone as (update outbox o set state = 'canceled', state_reason = ${reason} from waiting where o.id = waiting.id returning o.id)
    delete from outbox_due d using gone where d.outbox_id = gone.id returning d.outbox_id`;
  return rows.length;
}
