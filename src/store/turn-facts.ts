import type { Content, Purpose } from "../domain/draft.ts";
import { textOf } from "../domain/draft.ts";
import type { MessageContent } from "../domain/event.ts";
import { type EventId, newId, type TurnId, type Wamid } from "../domain/ids.ts";
import { spendDay } from "../policy/budget.ts";
import { textOfContent } from "../policy/inbound.ts";
import type { Claim, HeldAnswer, HistoryEntry, TurnEvent, TurnFacts } from "../ports.ts";
import { type Tx, transaction } from "./database.ts";
import { isErased } from "./erased.ts";
import type { MerchantKeys } from "./keyring.ts";
import { gatherOutbound } from "./outbound-facts.ts";
import { readMerchantSpend } from "./spend.ts";
import type { Store } from "./store.ts";
import { openSummary } from "./summaries.ts";

type InboxRow = {
  id: EventId;
  seq: number;
  kind: string;
  type: string;
  at: Date;
  receivedAt: Date;
  body: Uint8Array;
  replayedFrom: string | null;
  targetHash: string | null;
  category: string | null;
  wamidHash: string | null;
};

const HISTORY_LIMIT = 30;
/** How long an order from the catalogue counts as open; after that, cancelling it is said in more words. */
const ORDER_OPEN_MS = 14 * 86_400_000;

/** Everything a turn weighs, read in one short transaction; none stays open while a model thinks. */
export async function loadTurnFacts(store: Store, claim: Claim): Promise<TurnFacts> {
  const [keys, merchant] = await Promise.all([
    store.keyring.of(claim.merchantId),
    store.merchants.get(claim.merchantId),
  ]);
  const now = store.clock.now();
  const turnId = newId<TurnId>();
  return transaction(store.sql, [claim.merchantId], async (tx) => {
    const [rows, gathered, sent, held, past, said, spentByAll] = await Promise.all([
      selectEvents(tx, claim),
      gatherOutbound(tx, {
        merchantId: claim.merchantId,
        phoneId: claim.phoneId,
        contactId: claim.contactId,
        conversationId: claim.conversationId,
        config: merchant.config,
        keys,
        now,
      }),
      selectSent(tx, claim),
      selectHeld(tx, keys, claim),
      selectPast(tx, claim, now),
      selectSaid(tx, claim),
      readMerchantSpend(tx, claim.merchantId, merchant.config, now),
    ]);
    const summary = openSummary(keys, claim.conversationId, past);
    const spend = { contactAnswers: past.answers ?? 0, contactUsd: past.usd ?? 0, ...spentByAll };
    const events = withRevocations(
      rows.map((row) => readEvent(keys, row)),
      rows,
    );
    const history = readHistory(keys, said, sent).filter((entry) => !summary || entry.at > summary.until);
    const handedOver = gathered.humanSince;
    const last = sent.at(-1);
    return {
      now,
      turnId,
      phoneId: claim.phoneId,
      merchant,
      wabaId: gathered.number.wabaId,
      contact: {
        id: claim.contactId,
        language: gathered.contact.language,
        name: gathered.contact.name,
        isDisclosed: gathered.contact.isDisclosed || past.isDisclosurePending,
      },
      events,
      history,
      summary,
      spend,
      lastBusinessInitiated: past.initiated ? { ...past.initiated, at: new Date(past.initiated.at) } : undefined,
      isLastSentMarketing: past.newestPurpose === "marketing",
      isOrderOpen: past.isOrderOpen,
      ledger: gathered.ledger,
      lastOptions: last ? optionsOf(readContent(keys, last)) : [],
      isAnswerLaterAsked: sent.some((row) => row.reason === "answer-later"),
      held,
      isHeldReleased: past.isHeldReleased,
      deadLetterSince: past.deadSince ?? undefined,
      humanSince: gathered.humanSince,
      isHandoffNoticed: sent.some(
        (row) => row.reason === "human-has-chat" && handedOver !== undefined && row.decidedAt > handedOver,
      ),
      outbound: gathered.facts,
    };
  });
}

function selectEvents(tx: Tx, claim: Claim): Promise<InboxRow[]> {
  return tx<InboxRow[]>`
    select i.id, i.seq::float8 as seq, i.kind, i.type, i.event_at as at, i.received_at as "receivedAt", i.body_ct as body, i.replayed_from as "replayedFrom",
      encode(i.target_hash, 'hex') as "targetHash", encode(i.wamid_hash, 'hex') as "wamidHash",
      (select o.purpose from send_attempt a join outbox o on o.id = a.outbox_id where a.merchant_id = i.merchant_id and a.wamid_hash = i.target_hash and o.template_name is not null limit 1) as category
    from inbox i where i.conversation_id = ${claim.conversationId} and i.seq > ${claim.handledSeq} and i.seq <= ${claim.lastSeq} and i.state = 'kept' order by i.seq`;
}

function readEvent(keys: MerchantKeys, row: InboxRow): TurnEvent {
  const body = readBody(keys, row) as {
    content?: MessageContent;
    value?: string;
    wamid?: Wamid;
  };
  const base = {
    id: row.id,
    seq: row.seq,
    at: row.at,
    receivedAt: row.receivedAt,
    wamid: body.wamid,
    isReplay: row.replayedFrom !== null,
  };
  if (row.kind === "message")
    return {
      ...base,
      event: {
        kind: "message",
        content: body.content!,
        ...(row.category ? { replyToTemplate: { category: row.category } } : {}),
      },
    };
  if (row.kind === "preference") return { ...base, event: { kind: "preference", value: body.value ?? "unsupported" } };
  return { ...base, event: { kind: row.kind === "handover" ? "handover" : "echo" } };
}

/** An erased body, and one that cannot be opened or read (damaged, or its key is gone) is a message that cannot be read, not a turn that cannot be taken. */
function readBody(keys: MerchantKeys, row: { id: string; body: Uint8Array }): unknown {
  if (isErased(row.body)) return { content: { type: "unsupported", name: "erased" } };
  try {
    return JSON.parse(keys.open("inbox", "body_ct", row.id, row.body));
  } catch (err) {
    if ((err as { code?: string }).code === "crypto/unknown-key") throw err;
    return { content: { type: "unsupported", name: "unreadable" } };
  }
}

/** An edit takes the place of what it edits, a revoke takes it away, as long as nobody has answered it yet. */
function withRevocations(events: TurnEvent[], rows: readonly InboxRow[]): TurnEvent[] {
  const targets = new Map(
    rows.flatMap((row) =>
      row.targetHash && (row.type === "revoke" || row.type === "edit") ? [[row.targetHash, row] as const] : [],
    ),
  );
  return events.map((event, index) => {
    const change = targets.get(rows[index]!.wamidHash ?? "");
    if (!change || event.event.kind !== "message") return event;
    const by = events.find((candidate) => candidate.id === change.id);
    if (by?.event.kind !== "message") return event;
    if (by.event.content.type === "revoke")
      return { ...event, event: { kind: "message", content: { type: "revoke", target: event.wamid! } } };
    return by.event.content.type === "edit"
      ? { ...event, event: { ...event.event, content: by.event.content.content } }
      : event;
  });
}

type SentRow = { id: string; content: Uint8Array; at: Date; decidedAt: Date; reason: string; state: string };

async function selectSent(tx: Tx, claim: Claim): Promise<SentRow[]> {
  const rows = await tx<
    SentRow[]
  >`select id, content_ct as content, created_at as at, coalesce(sent_at, created_at) as "decidedAt", reason, state from outbox
    where conversation_id = ${claim.conversationId} and state not in ('blocked', 'canceled', 'failed', 'expired', 'held') order by created_at desc limit ${HISTORY_LIMIT}`;
  return rows.reverse();
}

/** What was sent; nothing to read where it was erased. */
function readContent(keys: MerchantKeys, row: { id: string; content: Uint8Array }): Content {
  if (isErased(row.content)) return { type: "text", text: "" };
  return JSON.parse(keys.open("outbox", "content_ct", row.id, row.content)) as Content;
}

function optionsOf(content: Content): string[] {
  if (content.type === "buttons") return content.buttons.map((button) => button.title);
  if (content.type === "list") return content.rows.map((row) => row.title);
  if (content.type !== "text") return [];
  return [...content.text.matchAll(/(?:^|\s)([A-Z0-9])[).:]\s/gu)].map((match) => match[1]!);
}

type SaidRow = { id: EventId; at: Date; body: Uint8Array; kind: string };

function selectSaid(tx: Tx, claim: Claim): Promise<SaidRow[]> {
  return tx<SaidRow[]>`
    select id, event_at as at, body_ct as body, kind from inbox where conversation_id = ${claim.conversationId} and kind in ('message', 'echo') and state = 'kept'
      and type not in ('reaction', 'system', 'revoke') and seq <= ${claim.handledSeq} order by seq desc limit ${HISTORY_LIMIT}`;
}

/** What was said before this batch, by both sides, oldest first. */
function readHistory(keys: MerchantKeys, said: readonly SaidRow[], sent: readonly SentRow[]): HistoryEntry[] {
  const inbound = said.flatMap((row): HistoryEntry[] => {
    const { content } = readBody(keys, row) as { content: MessageContent };
    const text = textOfContent(content);
    return text ? [{ who: row.kind === "echo" ? "business" : "customer", text, at: row.at }] : [];
  });
  const outbound = sent
    .filter((row) => !isErased(row.content))
    // Business time, as the customer's own: rows are created on the database's clock.
    .map((row): HistoryEntry => ({ who: "business", text: textOf(readContent(keys, row)), at: row.decidedAt }));
  return [...inbound, ...outbound].sort((a, b) => a.at.getTime() - b.at.getTime()).slice(-HISTORY_LIMIT);
}

async function selectHeld(tx: Tx, keys: MerchantKeys, claim: Claim): Promise<HeldAnswer | undefined> {
  const [row] = await tx<
    { id: string; turnId: TurnId; createdAt: Date; agentVersion: string | null; questions: EventId[]; texts: number }[]
  >`
    select h.id, h.turn_id as "turnId", h.created_at as "createdAt", h.agent_version as "agentVersion", h.question_event_ids as questions,
      (select count(*)::int from outbox o where o.held_id = h.id and o.state = 'held') as texts
    from held_answer h where h.conversation_id = ${claim.conversationId} and h.state in ('held', 'expired') order by h.created_at desc limit 1`;
  if (!row) return undefined;
  const asked = await tx<
    { id: EventId; body: Uint8Array }[]
  >`select id, body_ct as body from inbox where id = any(${row.questions}) order by event_at`;
  // Asked so long ago that the question itself is gone: there is nothing left to answer.
  if (asked.length > 0 && asked.every((question) => isErased(question.body))) return undefined;
  const questionTexts = asked.map(
    (question) => textOfContent((readBody(keys, question) as { content: MessageContent }).content) ?? "",
  );
  return {
    id: row.id,
    turnId: row.turnId,
    createdAt: row.createdAt,
    agentVersion: row.agentVersion ?? "",
    isTextKept: row.texts > 0,
    questions: row.questions,
    questionTexts,
  };
}

type Past = {
  initiated: { purpose: Purpose; at: string } | null;
  newestPurpose: Purpose | null;
  deadSince: Date | null;
  isHeldReleased: boolean;
  isOrderOpen: boolean;
  /** A disclosure on its way counts, unless its message failed: then the next answer carries it again. */
  isDisclosurePending: boolean;
  summary: Uint8Array | null;
  summaryUntil: Date | null;
  /** Of today. */
  answers: number | null;
  usd: number | null;
};

/** What the past says of this turn, each by its own index, in one statement. */
async function selectPast(tx: Tx, { merchantId, contactId, conversationId }: Claim, now: Date): Promise<Past> {
  const [row] = await tx<Past[]>`select
    (select jsonb_build_object('purpose', purpose, 'at', sent_at) from outbox where contact_id = ${contactId} and lane is null and sent_at is not null and purpose in ('marketing', 'utility') order by sent_at desc limit 1) as initiated,
    (select purpose from outbox where contact_id = ${contactId} and sent_at is not null order by sent_at desc limit 1) as "newestPurpose",
    (select max(received_at) from inbox where conversation_id = ${conversationId} and state = 'dead' and received_at > clock_timestamp() - interval '7 days') as "deadSince",
    exists (select 1 from held_answer where conversation_id = ${conversationId} and state = 'released') as "isHeldReleased",
    exists (select 1 from inbox where conversation_id = ${conversationId} and type = 'order' and event_at > ${new Date(now.getTime() - ORDER_OPEN_MS)}) as "isOrderOpen",
    exists (select 1 from outbox where conversation_id = ${conversationId} and discloses and state in ('queued', 'deferred', 'sending', 'unknown', 'accepted')) as "isDisclosurePending",
    c.text_ct as summary, c.until_at as "summaryUntil", d.answers, d.model_usd as usd
    from (select 1) one left join conversation_summary c on c.conversation_id = ${conversationId}
      left join spend d on d.merchant_id = ${merchantId} and d.day = ${spendDay(now).day} and d.contact_id = ${contactId}`;
  return row!;
}
