import { type AttemptId, newId } from "../domain/ids.ts";
import type { Attempt, News, StatusEffect } from "../policy/delivery.ts";
import { isWindowOpen } from "../policy/service-window.ts";
import type { DueRow, Marked, OutboxPort, RowFacts, SendingPlan } from "../ports.ts";
import { applyEffect, asAttempt, lockAttempts, makeDue, settle } from "./attempts.ts";
import { type Tx, transaction } from "./database.ts";
import { insertDecisions } from "./decisions.ts";
import { holdAnswer } from "./held-answer.ts";
import type { MerchantKeys } from "./keyring.ts";
import type { Merchant } from "./merchants.ts";
import { raiseNotice } from "./notices.ts";
import type { Gathered } from "./outbound-facts.ts";
import { recordOutcome, setAside } from "./record-outcome.ts";
import { type Loaded, PAIR_INTERVAL_MS, type Row, rowFacts } from "./row-facts.ts";
import type { Store } from "./store.ts";

/** The POST's own time limit; a row marked `sending` blocks its lane until then, whoever holds the lease. */
export const POST_TIMEOUT_MS = 15_000;

export function createOutbox(store: Store): OutboxPort {
  return {
    setAside: (row) => setAside(store, row),
    markSending: (row, decide, settleOpen) => markSending(store, row, decide, settleOpen),
    recordOutcome: (marked, outcome, decide) => recordOutcome(store, marked, outcome, decide),
  };
}

/**
 * The last look before the door: locks the person, reads everything afresh, lets the gate decide, and when it says yes
 * reserves limits and writes the attempt, all in one transaction. Dies before: the row is due as it was. Dies after:
 * the row is `sending` and becomes `unknown` when its deadline passes. A STOP that committed first holds the person's
 * lock first, so it is seen here.
 */
async function markSending(
  store: Store,
  due: DueRow,
  decide: (facts: RowFacts) => SendingPlan,
  settleOpen: SettleOpen,
): Promise<Marked> {
  const [keys, merchant] = await Promise.all([store.keyring.of(due.merchantId), store.merchants.get(due.merchantId)]);
  return transaction(store.sql, [due.merchantId], async (tx): Promise<Marked> => {
    const now = store.clock.now();
    const [, [row]] = await Promise.all([
      tx`select id from contact where id = (select contact_id from outbox_due where outbox_id = ${due.outboxId}) for update`,
      tx<
        Row[]
      >`select id, contact_id as "contactId", conversation_id as "conversationId", phone_id as "phoneId", turn_id as "turnId", purpose, author, reason, state, state_reason as "stateReason", content_ct as content,
        content_hash as "contentHash", verdict, versions, tries, lane_seq::float8 as "laneSeq", lane, reply_to as "replyTo", expires_at as "expiresAt", created_at as "createdAt" from outbox where id = ${due.outboxId} for update`,
    ]);
    if (!row) {
      await tx`delete from outbox_due where outbox_id = ${due.outboxId}`;
      return { type: "not-now", reason: "gone" };
    }
    if (row.state === "sending" || row.state === "unknown") return resumeOpenAttempt(tx, keys, row, now, settleOpen);
    if (row.state !== "queued" && row.state !== "deferred") {
      await settle(tx, row.id, "accepted");
      return { type: "not-now", reason: "gone" };
    }
    const facts = await rowFacts(tx, keys, merchant, due, row, now);
    const plan = decide(facts.row);
    return carryOut(store, tx, keys, merchant, due, row, facts, plan, now);
  });
}

type SettleOpen = (attempt: Attempt, news: News, now: Date) => StatusEffect;

async function carryOut(
  store: Store,
  tx: Tx,
  keys: MerchantKeys,
  merchant: Merchant,
  due: DueRow,
  row: Row,
  loaded: Loaded,
  plan: SendingPlan,
  now: Date,
): Promise<Marked> {
  switch (plan.type) {
    case "wait":
      await makeDue(tx, row.id, 1000);
      return { type: "not-now", reason: "outcome-unknown" };
    case "defer":
      await tx`update outbox set state = 'deferred', state_reason = ${plan.reason} where id = ${row.id}`;
      await makeDue(tx, row.id, plan.until.getTime() - now.getTime());
      await recordChange(tx, keys, merchant, due, row, loaded, "defer", plan.reason, now);
      return { type: "not-now", reason: plan.reason };
    case "end":
      await tx`update outbox set state = ${plan.state}, state_reason = ${plan.reason} where id = ${row.id}`;
      await settle(tx, row.id, plan.state);
      await recordChange(tx, keys, merchant, due, row, loaded, "block", plan.reason, now);
      if (plan.notice) await raiseNotice(tx, due.merchantId, plan.notice, row.conversationId);
      return { type: "not-now", reason: plan.reason };
    case "hold":
      await holdAnswer(
        tx,
        keys,
        {
          rowId: row.id,
          merchantId: due.merchantId,
          conversationId: row.conversationId,
          phoneId: row.phoneId,
          contactId: row.contactId,
          turnId: row.turnId ?? row.id,
          config: row.versions.config,
        },
        plan.template,
        now,
      );
      await recordChange(tx, keys, merchant, due, row, loaded, "block", plan.reason, now);
      store.nudge("sender");
      return { type: "not-now", reason: plan.reason };
    case "send":
      return openAttempt(tx, keys, merchant, due, row, loaded, plan, now);
  }
}

async function openAttempt(
  tx: Tx,
  keys: MerchantKeys,
  merchant: Merchant,
  due: DueRow,
  row: Row,
  loaded: Loaded,
  plan: Extract<SendingPlan, { type: "send" }>,
  now: Date,
): Promise<Marked> {
  const { gathered, content } = loaded;
  const attemptId = newId<AttemptId>();
  const isRepeat =
    row.stateReason === "allowed" || row.stateReason === "retry" || row.stateReason === "resent-after-unknown";
  await Promise.all([
    tx`insert into send_attempt (id, merchant_id, outbox_id, contact_id, conversation_id, phone_id, number, state, started_at, deadline_at)
      values (${attemptId}, ${due.merchantId}, ${row.id}, ${row.contactId}, ${row.conversationId}, ${row.phoneId}, ${row.tries === 0 ? tx`1` : tx`(select coalesce(max(number), 0) + 1 from send_attempt where outbox_id = ${row.id})`}, 'sending',
        clock_timestamp(), clock_timestamp() + ${POST_TIMEOUT_MS + 1000} * interval '1 ms')`,
    tx`update outbox set state = 'sending', state_reason = 'allowed', tries = tries + 1, sent_at = ${now} where id = ${row.id}`,
    tx`update outbox_due set send_at = clock_timestamp() + ${POST_TIMEOUT_MS + 1000} * interval '1 ms' where outbox_id = ${row.id}`,
    tx`insert into pair_limit (merchant_id, phone_id, contact_id, paid_until) values (${due.merchantId}, ${row.phoneId}, ${row.contactId}, ${new Date(now.getTime() + PAIR_INTERVAL_MS)})
      on conflict (phone_id, contact_id) do update set paid_until = greatest(pair_limit.paid_until, ${now}) + ${PAIR_INTERVAL_MS} * interval '1 ms'`,
    content.type === "template" && !isWindowOpen(gathered.facts.chat.window, now)
      ? countRecipient(tx, due, row, gathered, now)
      : undefined,
    isRepeat ? undefined : recordChange(tx, keys, merchant, due, row, loaded, "send", "allowed", now),
  ]);
  const { waId, bsuid } = gathered.contact;
  return {
    type: "sending",
    attemptId,
    cleared: plan.cleared,
    content,
    recipient: { waId, bsuid },
    phoneNumberId: gathered.number.phoneNumberId,
    merchantId: due.merchantId,
  };
}

async function countRecipient(tx: Tx, due: DueRow, row: Row, gathered: Gathered, now: Date): Promise<void> {
  await tx`insert into portfolio_recipient (merchant_id, portfolio_id, contact_id, last_at) values (${due.merchantId}, ${gathered.number.portfolioId}, ${row.contactId}, ${now})
    on conflict (merchant_id, portfolio_id, contact_id) do update set last_at = excluded.last_at`;
}

/** The previous holder died between marking and recording: after the deadline its outcome is unknown, later still it is settled. */
async function resumeOpenAttempt(
  tx: Tx,
  keys: MerchantKeys,
  row: Row,
  now: Date,
  settleOpen: SettleOpen,
): Promise<Marked> {
  const [open] = await tx<
    { id: AttemptId; state: string; isPast: boolean }[]
  >`select id, state, deadline_at <= clock_timestamp() as "isPast" from send_attempt where outbox_id = ${row.id} order by number desc limit 1`;
  if (!open || (open.state === "sending" && !open.isPast)) {
    await makeDue(tx, row.id, 1000);
    return { type: "not-now", reason: "outcome-unknown" };
  }
  const [attempt] = await lockAttempts(tx, [open.id]);
  const effect = settleOpen(
    asAttempt(attempt!),
    open.state === "sending" ? { type: "unknown" } : { type: "no-news-in-time" },
    now,
  );
  await applyEffect(tx, keys, attempt!, effect, now, now);
  return { type: "not-now", reason: "outcome-unknown" };
}

/** One row a change of verdict; a verdict that only repeats counts up. */
async function recordChange(
  tx: Tx,
  keys: MerchantKeys,
  merchant: Merchant,
  due: DueRow,
  row: Row,
  loaded: Loaded,
  type: string,
  reason: string,
  now: Date,
): Promise<void> {
  if (row.stateReason === reason) {
    await tx`update decision set repeats = repeats + 1, last_at = ${now} where id = (select id from decision where outbox_id = ${row.id} order by decided_at desc limit 1)`;
    return;
  }
  const { content: _text, ...message } = {
    ...(loaded.row?.message ?? {
      content: loaded.content,
      purpose: row.purpose,
      author: row.author,
      verdict: row.verdict,
      isAlwaysAnswered: row.versions.isAlwaysAnswered === true,
    }),
  };
  await insertDecisions(tx, keys, [
    {
      merchantId: due.merchantId,
      subject: "outbound",
      conversationId: row.conversationId,
      turnId: row.turnId ?? undefined,
      outboxId: row.id,
      config: merchant.version,
      at: now,
      step: "door",
      type,
      reason,
      facts: { message: { ...message, contentType: loaded.content.type }, outbound: loaded.gathered.facts },
      verdicts: [row.verdict],
      latencyMs: 0,
    },
  ]);
}
