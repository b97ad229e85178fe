import type { MessageContent } from "../domain/event.ts";
import type { ConversationId, EventId, MerchantId } from "../domain/ids.ts";
import type { Verdict } from "../domain/verdict.ts";
import { EsekError } from "../errors.ts";
import { textOfContent } from "../policy/inbound.ts";
import { type Accepted, type Decide, sendBusinessMessage } from "./business-messages.ts";
import { openContact } from "./contacts.ts";
import { type Tx, transaction } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import { replayEvents } from "./replay-events.ts";
import type { Store } from "./store.ts";

/** A chat in human hands, as the person who takes it needs it: who, since when, what waits for an answer. */
export type Handoff = {
  conversation: ConversationId;
  customer: string;
  since: string;
  waiting: number;
  waitingSince: string;
  last: string;
};

/** The chats that people have now, the longest waiting first. Holds customers' names and words: for a terminal, never for a log. */
export async function listHandoffs(store: Store, merchantId: MerchantId): Promise<Handoff[]> {
  const [keys, merchant] = await Promise.all([store.keyring.of(merchantId), store.merchants.get(merchantId)]);
  const held = heldSince(store, merchant.config.humanIdleHours);
  return transaction(store.sql, [merchantId], async (tx) => {
    const boxes = await tx<{ id: ConversationId; contactId: never; since: Date }[]>`
      select id, contact_id as "contactId", human_since as since from mailbox
      where merchant_id = ${merchantId} and kind = 'conversation' and merged_into is null and human_since > ${held} order by human_since`;
    const found: (Handoff & { at: number })[] = [];
    for (const box of boxes) {
      const waiting = await unanswered(tx, box.id);
      const contact = await openContact(tx, keys, box.contactId);
      const first = waiting[0];
      found.push({
        conversation: box.id,
        customer: contact.name ?? (contact.waId ? `+${contact.waId}` : "without a number"),
        since: box.since.toISOString(),
        waiting: waiting.length,
        waitingSince: first?.at.toISOString() ?? "",
        last: lastWords(keys, waiting.at(-1)),
        at: (first?.at ?? box.since).getTime(),
      });
    }
    return found.sort((a, b) => a.at - b.at).map(({ at: _at, ...row }) => row);
  });
}

/**
 * A person's answer: through the same gate and door as every message. It keeps the chat in human hands, calls off what
 * the agent had queued, and supersedes a draft under way. Throws `EsekError("handoff/unknown")`.
 */
export async function replyAsPerson(
  store: Store,
  reply: { merchantId: MerchantId; conversationId: string; text: string; verdict: Verdict; key: string },
  decide: Decide,
): Promise<Accepted> {
  const { merchantId, conversationId, text, verdict, key } = reply;
  const keys = await store.keyring.of(merchantId);
  const to = await transaction(store.sql, [merchantId], async (tx) => {
    const [row] = await tx<{ contactId: never; number: string }[]>`
      select m.contact_id as "contactId", p.phone_number_id as number from mailbox m join phone p on p.id = m.phone_id
      where m.id = ${conversationId} and m.merchant_id = ${merchantId} and m.kind = 'conversation' and m.merged_into is null`;
    return row && { ...row, contact: await openContact(tx, keys, row.contactId) };
  });
  if (!to) throw unknown(conversationId);
  const { result } = await sendBusinessMessage(
    store,
    {
      merchantId,
      phoneNumberId: to.number,
      person: { waId: to.contact.waId, bsuid: to.contact.bsuid },
      content: { type: "text", text },
      verdict,
      author: "human",
      idempotencyKey: key,
      body: text,
      expiresAt: undefined,
    },
    decide,
  );
  return result;
}

/**
 * Gives a chat back to the agent, which says so in its next answer. What the customer asked meanwhile and nobody answered
 * is asked again now. Throws `EsekError("handoff/unknown")`.
 * @returns how many messages that were.
 */
export async function returnToAgent(store: Store, merchantId: MerchantId, conversationId: string): Promise<number> {
  const keys = await store.keyring.of(merchantId);
  const count = await transaction(store.sql, [merchantId], async (tx) => {
    const rows = await tx`update mailbox set human_since = 'epoch', last_seq = last_seq + 1, fence_seq = last_seq + 1
      where id = ${conversationId} and merchant_id = ${merchantId} and human_since is not null and merged_into is null returning 1`;
    if (rows.length === 0) throw unknown(conversationId);
    return askAgain(tx, keys, conversationId);
  });
  store.nudge("turns");
  return count;
}

/** Nobody came within the merchant's idle time: the agent answers what waits, announced. Safe to do twice. */
export async function returnIdle(store: Store, merchantId: MerchantId): Promise<void> {
  const [keys, merchant] = await Promise.all([store.keyring.of(merchantId), store.merchants.get(merchantId)]);
  const held = heldSince(store, merchant.config.humanIdleHours);
  const rows = await transaction(
    store.sql,
    [merchantId],
    (tx) =>
      tx<
        { id: string }[]
      >`select id from mailbox where merchant_id = ${merchantId} and kind = 'conversation' and human_since <= ${held} and human_since > 'epoch' and merged_into is null limit 100`,
  );
  for (const { id } of rows) {
    const asked = await transaction(store.sql, [merchantId], async (tx) => {
      // Locked like a turn does, and looked at again: a person may have answered at this very moment.
      const [box] =
        await tx`select 1 from mailbox where id = ${id} and human_since <= ${held} and human_since > 'epoch' for update`;
      if (!box) return 0;
      const count = await askAgain(tx, keys, id);
      // Marked as given back, so that it is not looked at every second; the next answer announces it.
      await tx`update mailbox set human_since = 'epoch' where id = ${id}`;
      return count;
    });
    if (asked > 0) store.nudge("turns");
  }
}

type Waiting = { id: EventId; body: Uint8Array; at: Date };

async function askAgain(tx: Tx, keys: MerchantKeys, conversationId: string): Promise<number> {
  const waiting = await unanswered(tx, conversationId);
  await replayEvents(tx, keys, conversationId, waiting);
  return waiting.length;
}

/** What the customer said since a person has the chat and since that person (or the agent) last said something. */
function unanswered(tx: Tx, conversationId: string): Promise<Waiting[]> {
  return tx<Waiting[]>`
    with said as (select greatest(
        (select max(sent_at) from outbox where conversation_id = ${conversationId} and author in ('human', 'agent') and sent_at is not null and state in ('sending', 'unknown', 'accepted')),
        (select max(event_at) from inbox where conversation_id = ${conversationId} and kind = 'echo')) as at)
    select i.id, i.body_ct as body, i.event_at as at from inbox i join mailbox m on m.id = i.conversation_id, said
    where i.conversation_id = ${conversationId} and i.kind = 'message' and i.state = 'kept' and i.body_ct <> '' and i.type not in ('reaction', 'system', 'revoke', 'edit')
      and i.seq <= m.handled_seq and i.event_at > m.human_since and (said.at is null or i.event_at > said.at) order by i.seq`;
}

function lastWords(keys: MerchantKeys, row: Waiting | undefined): string {
  if (!row) return "";
  const { content } = JSON.parse(keys.open("inbox", "body_ct", row.id, row.body)) as { content?: MessageContent };
  return (content && textOfContent(content)) ?? "(not a text)";
}

function heldSince(store: Store, idleHours: number): Date {
  return new Date(store.clock.now().getTime() - idleHours * 3_600_000);
}

function unknown(conversationId: string): EsekError {
  return new EsekError(
    "handoff/unknown",
    `No chat ${conversationId} of this merchant is in human hands. List them: npm run esek -- handoff list --merchant SLUG`,
  );
}
