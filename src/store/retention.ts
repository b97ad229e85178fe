import type { ContactId, MerchantId } from "../domain/ids.ts";
import { SYSTEM_MERCHANT } from "../domain/ids.ts";
import type { RetentionClass } from "../domain/retention.ts";
import { errorCode } from "../errors.ts";
import { RETENTION, retentionDays, UNROUTED_DAYS } from "../policy/retention.ts";
import { type Tx, transaction } from "./database.ts";
import { eraseContact } from "./erase.ts";
import type { Store } from "./store.ts";
import { trimDeliveries } from "./webhook-deliveries.ts";

/** What of one table belongs to a class, and what becomes of it. `x` is the row; `set` blanks, without it the row goes. */
type Rule = {
  name: RetentionClass | "unrouted";
  table: string;
  /** The column that says how old a row is, and whose clock wrote it. */
  at: string;
  clock: "business" | "database";
  only?: string;
  set?: string;
};

/** Rows in one transaction: short enough that nobody waits for it. A run that dies has done whole batches; the next goes on. */
const BLANKED_AT_ONCE = 500;
const DELETED_AT_ONCE = 5000;
const DAY_MS = 86_400_000;

const OPEN = "('queued', 'deferred', 'sending', 'unknown', 'held')";
/** Nobody has answered it yet. */
const UNHANDLED =
  "exists (select 1 from mailbox m where m.id = x.conversation_id and x.seq > m.handled_seq and x.state = 'kept')";
/** A message that has not left yet, or a held answer, still needs the question. */
const STILL_ASKED = `exists (select 1 from outbox o where o.conversation_id = x.conversation_id and o.reply_to = x.id and o.state in ${OPEN})
  or exists (select 1 from held_answer h where h.conversation_id = x.conversation_id and h.state = 'held' and x.id = any(h.question_event_ids))`;
const NO_BODY = "body_ct = '', raw_ct = null, wamid_hash = null, target_hash = null";

/** In this order: what a later rule would take along is counted by the rule it belongs to. */
const RULES: readonly Rule[] = [
  {
    name: "rawPayloads",
    table: "inbox",
    at: "received_at",
    clock: "business",
    only: `x.raw_ct is not null and not (${UNHANDLED})`,
    set: "raw_ct = null",
  },
  {
    name: "deadLetters",
    table: "inbox",
    at: "received_at",
    clock: "business",
    only: "x.state = 'dead'",
    set: `${NO_BODY}, state = 'revoked'`,
  },
  {
    name: "messages",
    table: "inbox",
    at: "received_at",
    clock: "business",
    only: `x.body_ct <> '' and x.state <> 'dead' and not (${UNHANDLED}) and not (${STILL_ASKED})`,
    set: NO_BODY,
  },
  {
    name: "messages",
    table: "outbox",
    at: "created_at",
    clock: "database",
    only: `x.content_ct <> '' and x.state not in ${OPEN}`,
    set: "content_ct = '', content_hash = ''",
  },
  {
    name: "decisionFacts",
    table: "decision",
    at: "decided_at",
    clock: "business",
    only: "x.facts_ct <> ''",
    set: "facts_ct = ''",
  },
  {
    name: "attempts",
    table: "send_attempt",
    at: "started_at",
    clock: "database",
    only: `x.wamid_hash is not null and not exists (select 1 from outbox o where o.id = x.outbox_id and o.state in ${OPEN})`,
    set: "wamid_hash = null, wamid_ct = null",
  },
  { name: "heldAnswers", table: "held_answer", at: "created_at", clock: "business", only: "x.state <> 'held'" },
  { name: "parkedStatuses", table: "status_parked", at: "first_seen_at", clock: "database" },
  { name: "eventKeys", table: "event_key", at: "seen_at", clock: "database" },
  { name: "idempotencyKeys", table: "api_idempotency", at: "created_at", clock: "database" },
  { name: "limits", table: "portfolio_recipient", at: "last_at", clock: "business" },
  {
    name: "limits",
    table: "pair_limit",
    at: "paid_until",
    clock: "business",
    only: "(x.blocked_until is null or x.blocked_until < x.paid_until)",
  },
  { name: "messages", table: "conversation_summary", at: "updated_at", clock: "database" },
  { name: "notices", table: "notice", at: "last_at", clock: "database" },
  { name: "notices", table: "webhook_delivery", at: "created_at", clock: "database", only: "x.state <> 'due'" },
  {
    name: "dataRequests",
    table: "data_request",
    at: "received_at",
    clock: "business",
    only: "x.state in ('done', 'refused')",
  },
];

const UNROUTED: Rule = { name: "unrouted", table: "inbox_unrouted", at: "received_at", clock: "database" };

/** `$2` is the first instant that is still young. No message either way since, none under way, no consent given since. */
const INACTIVE = `x.merchant_id = $1 and x.created_at < $2 and x.erased_at is null and x.merged_into is null
  and not exists (select 1 from mailbox m where m.contact_id = x.id and (greatest(m.window_at, m.human_since) >= $2 or m.due_at < 'infinity' or m.token is not null))
  and not exists (select 1 from outbox o where o.contact_id = x.id and (o.created_at >= $2 or o.state in ${OPEN}))
  and not exists (select 1 from contact_identity i join consent_key k on k.merchant_id = i.merchant_id and k.id_hash = i.id_hash
    join consent_event e on e.id = k.consent_event_id where i.contact_id = x.id and e.recorded_at >= $2)`;

/** `signal` ends a run between two batches. */
export type RunOptions = { isDryRun: boolean; signal?: AbortSignal };

export type RetentionLine = { class: string; days: number; fate: string; rows: number; oldest: string };

/** What a run would do now, or has done, by class: how many rows, and the oldest of them (empty when none). */
export async function runRetention(
  store: Store,
  merchantId: MerchantId,
  options: RunOptions,
): Promise<RetentionLine[]> {
  const days = retentionDays((await store.merchants.get(merchantId)).config.retention);
  const found = new Map<RetentionClass, { rows: number; oldest: Date | undefined }>();
  const add = (name: RetentionClass, part: { rows: number; oldest: Date | undefined }) => {
    const known = found.get(name);
    found.set(name, { rows: (known?.rows ?? 0) + part.rows, oldest: earliest(known?.oldest, part.oldest) });
  };
  for (const rule of RULES)
    add(
      rule.name as RetentionClass,
      await runRule(store, merchantId, rule, days[rule.name as RetentionClass], options),
    );
  add("contacts", await runContacts(store, merchantId, days.contacts, options));
  return [...found].map(([name, { rows, oldest }]) => line(name, days[name], RETENTION[name].fate, rows, oldest));
}

/** The same for what belongs to no merchant. */
export async function runUnrouted(store: Store, options: RunOptions): Promise<RetentionLine> {
  const { rows, oldest } = await runRule(store, SYSTEM_MERCHANT, UNROUTED, UNROUTED_DAYS, options);
  return line("unrouted", UNROUTED_DAYS, "deleted", rows, oldest);
}

/** One run over everybody: bounded batches, each its own transaction, with a pause as long as the batch, so that the path goes first. */
export async function retainAll(store: Store, signal?: AbortSignal): Promise<void> {
  await runUnrouted(store, { isDryRun: false, signal });
  for (const merchantId of await store.merchants.all()) {
    await transaction(store.sql, [merchantId], (tx) => trimDeliveries(tx, merchantId));
    const done = (await runRetention(store, merchantId, { isDryRun: false, signal })).filter(({ rows }) => rows > 0);
    if (done.length > 0)
      store.logger.info(
        { merchant: merchantId, rows: Object.fromEntries(done.map((entry) => [entry.class, entry.rows])) },
        "retention ran",
      );
  }
}

type Done = { rows: number; oldest: Date | undefined };

async function runRule(
  store: Store,
  merchantId: MerchantId,
  rule: Rule,
  days: number,
  options: RunOptions,
): Promise<Done> {
  const now = rule.clock === "business" ? store.clock.now() : new Date();
  const before = new Date(now.getTime() - days * DAY_MS);
  if (options.isDryRun) return transaction(store.sql, [merchantId], (tx) => count(tx, merchantId, rule, before));
  const total: Done = { rows: 0, oldest: undefined };
  while (!options.signal?.aborted) {
    const started = performance.now();
    const batch = await transaction(store.sql, [merchantId], (tx) => carryOut(tx, merchantId, rule, before));
    total.rows += batch.rows;
    total.oldest = earliest(total.oldest, batch.oldest);
    if (batch.rows < sizeOf(rule)) return total;
    await new Promise((resolve) => setTimeout(resolve, performance.now() - started));
  }
  return total;
}

function sizeOf(rule: Rule): number {
  return rule.set ? BLANKED_AT_ONCE : DELETED_AT_ONCE;
}

function condition(rule: Rule): string {
  return `x.merchant_id = $1 and x.${rule.at} < $2${rule.only ? ` and ${rule.only}` : ""}`;
}

async function count(tx: Tx, merchantId: string, rule: Rule, before: Date): Promise<Done> {
  const [row] = await tx.unsafe<{ rows: number; oldest: Date | null }[]>(
    `select count(*)::int as rows, min(x.${rule.at}) as oldest from ${rule.table} x where ${condition(rule)}`,
    [merchantId, before],
  );
  return { rows: row!.rows, oldest: row!.oldest ?? undefined };
}

/** One table, locked rows passed over: it waits for nobody and deadlocks with nobody. What it passed over is next hour's. */
async function carryOut(tx: Tx, merchantId: string, rule: Rule, before: Date): Promise<Done> {
  const old = `with old as (select x.ctid as place, x.${rule.at} as at from ${rule.table} x where ${condition(rule)} ${rule.set ? `order by x.${rule.at}` : ""} limit ${sizeOf(rule)} for update skip locked)`;
  const change = rule.set
    ? `update ${rule.table} t set ${rule.set} from old where t.ctid = old.place returning old.at`
    : `delete from ${rule.table} t using old where t.ctid = old.place returning old.at`;
  const [row] = await tx.unsafe<{ rows: number; oldest: Date | null }[]>(
    `${old}, gone as (${change}) select count(*)::int as rows, min(at) as oldest from gone`,
    [merchantId, before],
  );
  return { rows: row!.rows, oldest: row!.oldest ?? undefined };
}

/** People nobody has heard of for years are erased one by one, each with its proof, as if they had asked. */
async function runContacts(store: Store, merchantId: MerchantId, days: number, options: RunOptions): Promise<Done> {
  const before = new Date(store.clock.now().getTime() - days * DAY_MS);
  if (options.isDryRun)
    return transaction(store.sql, [merchantId], async (tx) => {
      const [row] = await tx.unsafe<{ rows: number; oldest: Date | null }[]>(
        `select count(*)::int as rows, min(x.created_at) as oldest from contact x where ${INACTIVE}`,
        [merchantId, before],
      );
      return { rows: row!.rows, oldest: row!.oldest ?? undefined };
    });
  const total: Done = { rows: 0, oldest: undefined };
  const found = await transaction(store.sql, [merchantId], (tx) =>
    tx.unsafe<{ id: ContactId; at: Date }[]>(
      `select x.id, x.created_at as at from contact x where ${INACTIVE} order by x.created_at limit ${BLANKED_AT_ONCE}`,
      [merchantId, before],
    ),
  );
  for (const { id, at } of found) {
    if (options.signal?.aborted) break;
    try {
      await eraseContact(store, merchantId, id, { actor: "retention", cause: "retention" });
      total.rows++;
      total.oldest = earliest(total.oldest, at);
    } catch (err) {
      // Somebody wrote to them just now; the next run looks again.
      store.logger.warn({ contact: id, code: errorCode(err) }, "a contact past its time was not erased");
    }
  }
  return total;
}

function line(name: string, days: number, fate: string, rows: number, oldest: Date | undefined): RetentionLine {
  return { class: name, days, fate, rows, oldest: oldest?.toISOString() ?? "" };
}

function earliest(a: Date | undefined, b: Date | undefined): Date | undefined {
  if (!a || !b) return a ?? b;
  return a < b ? a : b;
}
