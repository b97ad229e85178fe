import type { ConsentEvent } from "../domain/consent.ts";
import type { Content, Purpose } from "../domain/draft.ts";
import type { ContactId, ConversationId, MerchantId, PhoneId } from "../domain/ids.ts";
import type { MerchantConfig } from "../domain/merchant.ts";
import type { Template } from "../domain/template.ts";
import { isWhatsappSpent } from "../policy/budget.ts";
import { isAskOpen, LIFTS, standing } from "../policy/consent.ts";
import type { OutboundFacts } from "../policy/outbound-gate.ts";
import { recipientPlace } from "../policy/recipient-place.ts";
import type { TemplateFacts } from "../policy/template-check.ts";
import { selectLedger } from "./consent-ledger.ts";
import { CONTACT_COLUMNS, type Contact, readContact } from "./contacts.ts";
import type { Tx } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import { readMerchantSpend } from "./spend.ts";

export type Subject = {
  merchantId: MerchantId;
  phoneId: PhoneId;
  contactId: ContactId;
  conversationId: ConversationId;
  config: MerchantConfig;
  keys: MerchantKeys;
  now: Date;
};

export type NumberRow = {
  wabaId: string;
  phoneNumberId: string;
  portfolioId: string;
  suspendedReason: string | null;
  isRestoreUnconfirmed: boolean;
  tokenBrokenAt: Date | null;
  pausedUntil: Date | null;
  templatesBlockedUntil: Date | null;
  repliesBlockedUntil: Date | null;
  initiatedBlockedUntil: Date | null;
  messagingLimit: number | null;
  blockedCountries: string[];
};

type BoxRow = { windowAt: Date | null; windowClosedAt: Date | null; humanSince: Date | null };

export type Gathered = {
  facts: OutboundFacts;
  number: NumberRow;
  contact: Contact;
  humanSince: Date | undefined;
  ledger: ConsentEvent[];
};

/** Everything the gate weighs about a person and a number, as of now. Under the contact's lock it is the last word. */
export async function gatherOutbound(
  tx: Tx,
  subject: Subject,
  message?: { content: Content; purpose: Purpose; outboxId?: string },
): Promise<Gathered> {
  const { merchantId, phoneId, contactId, conversationId, config, keys, now } = subject;
  const [[number], [person], [box], wabaLedger] = await Promise.all([
    tx<
      NumberRow[]
    >`select w.waba_id as "wabaId", p.phone_number_id as "phoneNumberId", w.portfolio_id as "portfolioId", m.suspended_reason as "suspendedReason", w.token_broken_at as "tokenBrokenAt",
      exists (select 1 from restore_hold where acknowledged_at is null) as "isRestoreUnconfirmed",
      p.paused_until as "pausedUntil", w.templates_blocked_until as "templatesBlockedUntil", w.replies_blocked_until as "repliesBlockedUntil", p.initiated_blocked_until as "initiatedBlockedUntil", w.messaging_limit as "messagingLimit", w.blocked_countries as "blockedCountries"
      from phone p join waba w on w.merchant_id = p.merchant_id and w.waba_id = p.waba_id join merchant m on m.merchant_id = p.merchant_id where p.id = ${phoneId}`,
    tx`select ${tx.unsafe(CONTACT_COLUMNS)} from contact where id = ${contactId}`,
    tx<
      BoxRow[]
    >`select window_at as "windowAt", window_closed_at as "windowClosedAt", human_since as "humanSince" from mailbox where id = ${conversationId}`,
    selectLedger(tx, merchantId, { phoneId }, contactId),
  ]);
  const contact = readContact(keys, contactId, person as Parameters<typeof readContact>[2]);
  const place = recipientPlace(contact);
  const now30 = new Date(now.getTime() - 30 * 86_400_000);
  const isTemplate = message?.content.type === "template";
  const [template, portfolio, money, marketingSent, ignored, confirmed] = await Promise.all([
    message?.content.type === "template"
      ? templateFacts(tx, merchantId, number!.wabaId, message.content.template)
      : undefined,
    isTemplate
      ? portfolioFacts(tx, merchantId, number!, contactId, now)
      : { limit: undefined, used: 0, isCounted: false, nextFreeAt: undefined },
    isTemplate && config.budgets.whatsappUsdPerDay !== undefined
      ? readMerchantSpend(tx, merchantId, config, now).then((spend) => ({
          isSpent: isWhatsappSpent(spend, config.budgets),
        }))
      : { isSpent: false },
    message?.purpose === "marketing" ? marketingSentAt(tx, contactId, number!.wabaId, now30, message.outboxId) : [],
    message?.purpose === "marketing" ? ignoredInARow(tx, contactId, number!.wabaId) : 0,
    confirmations(tx, contactId, number!.wabaId, wabaLedger, message?.outboxId),
  ]);
  const human = box?.humanSince ?? undefined;
  return {
    number: number!,
    contact,
    humanSince: human,
    ledger: wabaLedger,
    facts: {
      now,
      merchant: {
        isSuspended: number!.suspendedReason !== null,
        isRestoreUnconfirmed: number!.isRestoreUnconfirmed,
      },
      number: {
        isTokenBroken: number!.tokenBrokenAt !== null,
        pausedUntil: number!.pausedUntil ?? undefined,
        templatesBlockedUntil: number!.templatesBlockedUntil ?? undefined,
        repliesBlockedUntil: number!.repliesBlockedUntil ?? undefined,
        initiatedBlockedUntil: number!.initiatedBlockedUntil ?? undefined,
      },
      chat: {
        isHumanHeld: human !== undefined && now.getTime() - human.getTime() < config.humanIdleHours * 3_600_000,
        window: { openedAt: box?.windowAt ?? undefined, closedByMetaAt: box?.windowClosedAt ?? undefined },
      },
      recipient: {
        standing: standing(wabaLedger),
        isAskOpen: isAskOpen(wabaLedger, now),
        isUnreachable: contact.unreachable >= 3,
        place,
        isCountryBlocked: place.country !== undefined && number!.blockedCountries.includes(place.country),
      },
      confirmed,
      template,
      portfolio,
      money,
      marketing: { sentAt: marketingSent, ignored, caps: config.caps, merchantWindow: config.sendWindow },
    },
  };
}

export async function templateFacts(
  tx: Tx,
  merchantId: MerchantId,
  wabaId: string,
  send: { name: string; language: string },
): Promise<TemplateFacts> {
  const rows = await tx<
    Template[]
  >`select name, language, category, status, components from template where merchant_id = ${merchantId} and waba_id = ${wabaId} and name = ${send.name}`;
  return { template: rows.find((row) => row.language === send.language), languages: rows.map((row) => row.language) };
}

async function portfolioFacts(
  tx: Tx,
  merchantId: MerchantId,
  number: NumberRow,
  contactId: ContactId,
  now: Date,
): Promise<OutboundFacts["portfolio"]> {
  if (number.messagingLimit === null) return { limit: undefined, used: 0, isCounted: false, nextFreeAt: undefined };
  // Concurrent senders of one portfolio must not each see the last free place.
  await tx`select pg_advisory_xact_lock(hashtextextended(${`portfolio:${merchantId}:${number.portfolioId}`}, 0))`;
  const since = new Date(now.getTime() - 86_400_000);
  const [row] = await tx<{ used: number; isCounted: boolean; oldest: Date | null }[]>`
    select count(*)::int as used, coalesce(bool_or(contact_id = ${contactId}), false) as "isCounted", min(last_at) as oldest from portfolio_recipient
    where merchant_id = ${merchantId} and portfolio_id = ${number.portfolioId} and last_at > ${since}`;
  return {
    limit: number.messagingLimit,
    used: row!.used,
    isCounted: row!.isCounted,
    nextFreeAt: row!.oldest ? new Date(row!.oldest.getTime() + 86_400_000) : undefined,
  };
}

/** When marketing left for this person at this WABA; what provably never left does not count, what may have does. */
async function marketingSentAt(
  tx: Tx,
  contactId: ContactId,
  wabaId: string,
  since: Date,
  own: string | undefined,
): Promise<Date[]> {
  const rows = await tx<
    { at: Date }[]
  >`select sent_at as at from outbox where contact_id = ${contactId} and sent_at > ${since} and purpose = 'marketing' and id is distinct from ${own ?? null}
    and (state <> 'failed' or state_reason = 'outcome-unknown') and phone_id in (select id from phone where waba_id = ${wabaId}) order by sent_at`;
  return rows.map((row) => row.at);
}

/** Promotions that Meta has taken since the person last wrote to the WABA or opened one. */
async function ignoredInARow(tx: Tx, contactId: ContactId, wabaId: string): Promise<number> {
  const [row] = await tx<{ count: number }[]>`
    with sent as (select o.id, o.sent_at from outbox o where o.contact_id = ${contactId} and o.purpose = 'marketing' and o.state = 'accepted' and o.sent_at is not null
        and o.phone_id in (select id from phone where waba_id = ${wabaId})),
      seen as (select greatest(
        (select max(m.window_at) from mailbox m join phone p on p.id = m.phone_id where m.contact_id = ${contactId} and p.waba_id = ${wabaId}),
        (select max(s.sent_at) from sent s join send_attempt a on a.outbox_id = s.id where a.status in ('read', 'played'))) as at)
    select count(*)::int as count from sent, seen where seen.at is null or sent.sent_at > seen.at`;
  return row!.count;
}

/** The last confirmation of each scope since the person last lifted a stop. The scope stands in the row's key. */
async function confirmations(
  tx: Tx,
  contactId: ContactId,
  wabaId: string,
  ledger: readonly ConsentEvent[],
  own: string | undefined,
): Promise<OutboundFacts["confirmed"]> {
  if (ledger.length === 0) return {};
  const lifted = ledger
    .filter((event) => event.act === "opt-in" && LIFTS.includes(event.source))
    .map((event) => event.at.getTime());
  const rows = await tx<{ scope: string; at: Date }[]>`
    select split_part(dedupe_key, ':', 2) as scope, max(decided) as at from (
      select o.dedupe_key, (select min(d.decided_at) from decision d where d.outbox_id = o.id) as decided from outbox o
      where o.contact_id = ${contactId} and o.purpose = 'opt-out-confirmation' and o.state not in ('blocked', 'canceled', 'failed') and o.id is distinct from ${own ?? null}
        and o.phone_id in (select id from phone where waba_id = ${wabaId})) c where decided is not null group by 1`;
  const since = Math.max(0, ...lifted);
  return Object.fromEntries(rows.filter((row) => row.at.getTime() >= since).map((row) => [row.scope, row.at]));
}
