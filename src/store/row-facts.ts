import type { Author, Content, Purpose } from "../domain/draft.ts";
import type { MessageContent } from "../domain/event.ts";
import type { ContactId, ConversationId, OutboxId, PhoneId } from "../domain/ids.ts";
import type { Verdict } from "../domain/verdict.ts";
import { textOfContent } from "../policy/inbound.ts";
import { isWindowOpen } from "../policy/service-window.ts";
import type { FallbackFacts } from "../policy/template-fallback.ts";
import type { DueRow, RowFacts } from "../ports.ts";
import type { Tx } from "./database.ts";
import { isErased } from "./erased.ts";
import type { MerchantKeys } from "./keyring.ts";
import type { Merchant } from "./merchants.ts";
import { type Gathered, gatherOutbound } from "./outbound-facts.ts";

/** Meta's pair limit: one message every 6 s per person, with a burst of 45 borrowed from the future. */
export const PAIR_INTERVAL_MS = 6000;
const PAIR_BURST = 45;

/** An outbox row as it lies in the table. */
export type Row = {
  id: OutboxId;
  contactId: ContactId;
  conversationId: ConversationId;
  phoneId: PhoneId;
  turnId: string | null;
  purpose: Purpose;
  author: Author;
  reason: string;
  state: string;
  stateReason: string | null;
  content: Uint8Array;
  contentHash: Uint8Array;
  verdict: Verdict;
  versions: { config: string; isAlwaysAnswered?: boolean; confirms?: "marketing" | "all" };
  tries: number;
  laneSeq: number;
  lane: string | null;
  replyTo: string | null;
  expiresAt: Date | null;
  createdAt: Date;
};

export type Loaded = { row: RowFacts; gathered: Gathered; content: Content };

/** Everything that decides about a row at the door, read under the person's lock. */
export async function rowFacts(
  tx: Tx,
  keys: MerchantKeys,
  merchant: Merchant,
  due: DueRow,
  row: Row,
  now: Date,
): Promise<Loaded> {
  const content = JSON.parse(keys.open("outbox", "content_ct", row.id, row.content)) as Content;
  const subject = {
    merchantId: due.merchantId,
    phoneId: row.phoneId,
    contactId: row.contactId,
    conversationId: row.conversationId,
    config: merchant.config,
    keys,
    now,
  };
  const [gathered, [lane], [pair]] = await Promise.all([
    gatherOutbound(tx, subject, { content, purpose: row.purpose, outboxId: row.id }),
    tx<
      { blocked: boolean }[]
    >`select exists (select 1 from outbox_due where lane = ${row.lane}::uuid and lane_seq < ${row.laneSeq}) as blocked`,
    tx<
      { paidUntil: Date; blockedUntil: Date | null }[]
    >`select paid_until as "paidUntil", blocked_until as "blockedUntil" from pair_limit where phone_id = ${row.phoneId} and contact_id = ${row.contactId}`,
  ]);
  const isMissed = row.lane !== null && !isWindowOpen(gathered.facts.chat.window, now);
  const languages = isMissed
    ? await approvedLanguages(tx, due.merchantId, row.phoneId, merchant.config.fallbackTemplates.answerReady)
    : [];
  return {
    content,
    gathered,
    row: {
      outboxId: row.id,
      contactId: row.contactId,
      contentHash: Buffer.from(row.contentHash).toString("hex"),
      message: {
        content,
        purpose: row.purpose,
        author: row.author,
        verdict: row.verdict,
        isAlwaysAnswered: row.versions.isAlwaysAnswered === true,
        confirms: row.versions.confirms,
      },
      tries: row.tries,
      isCalledOff: isCalledOff(row, gathered),
      isAnswerGone: await isAnswerGone(tx, row, content),
      isLaneClear: row.lane === null || !lane!.blocked,
      pairFreeAt: pair && pairFreeAt(pair, now),
      outbound: gathered.facts,
      fallback: fallbackFacts(merchant, gathered, languages),
      topic: isMissed && row.replyTo ? await topicOf(tx, keys, row.replyTo) : "",
      expiresAt: row.expiresAt ?? undefined,
    },
  };
}

/** A fallback template that failed and is tried again: meanwhile the customer may have written, and been answered. */
async function isAnswerGone(tx: Tx, row: Row, content: Content): Promise<boolean> {
  if (content.type !== "template" || row.reason !== "held-answer") return false;
  const [held] = await tx<{ state: string }[]>`select state from held_answer where turn_id = ${row.turnId}`;
  return held?.state !== "held";
}

/** STOP takes queued rows out by itself; this is the one that was on its way then and would be tried again. */
function isCalledOff(row: Row, { facts, ledger }: Gathered): boolean {
  return (
    row.author === "agent" &&
    facts.recipient.standing.utility.isSuppressed &&
    ledger.some(
      (event) => event.act === "opt-out" && event.scope === "all" && (event.recordedAt ?? event.at) > row.createdAt,
    )
  );
}

/** The customer's own words that a row answers. */
async function topicOf(tx: Tx, keys: MerchantKeys, eventId: string): Promise<string> {
  const [asked] = await tx<{ body: Uint8Array }[]>`select body_ct as body from inbox where id = ${eventId}`;
  if (!asked || isErased(asked.body)) return "";
  const { content } = JSON.parse(keys.open("inbox", "body_ct", eventId, asked.body)) as { content?: MessageContent };
  return content ? (textOfContent(content) ?? "") : "";
}

function pairFreeAt(pair: { paidUntil: Date; blockedUntil: Date | null }, now: Date): Date | undefined {
  if (pair.blockedUntil && pair.blockedUntil > now) return pair.blockedUntil;
  const earliest = pair.paidUntil.getTime() - PAIR_BURST * PAIR_INTERVAL_MS + PAIR_INTERVAL_MS;
  return earliest > now.getTime() ? new Date(earliest) : undefined;
}

async function approvedLanguages(
  tx: Tx,
  merchantId: string,
  phoneId: PhoneId,
  name: string | undefined,
): Promise<string[]> {
  if (!name) return [];
  const rows = await tx<
    { language: string }[]
  >`select t.language from template t join phone p on p.merchant_id = t.merchant_id and p.waba_id = t.waba_id
    where t.merchant_id = ${merchantId} and p.id = ${phoneId} and t.name = ${name} and t.status = 'APPROVED' and t.category = 'UTILITY'`;
  return rows.map((row) => row.language);
}

function fallbackFacts(merchant: Merchant, gathered: Gathered, languages: readonly string[]): FallbackFacts {
  return {
    templateName: merchant.config.fallbackTemplates.answerReady,
    languages,
    preferred: [gathered.contact.language, ...merchant.config.languages].filter((tag) => tag !== undefined),
    standing: gathered.facts.recipient.standing,
  };
}
