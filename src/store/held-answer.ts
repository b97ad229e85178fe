import type { Content } from "../domain/draft.ts";
import {
  type ContactId,
  type ConversationId,
  type MerchantId,
  newId,
  type OutboxId,
  type PhoneId,
} from "../domain/ids.ts";
import { PRE_CLEARED } from "../domain/verdict.ts";
import { makeDue } from "./attempts.ts";
import { contentHash } from "./content-hash.ts";
import type { Tx } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";
import { raiseNotice } from "./notices.ts";

type Chat = {
  rowId: string;
  merchantId: MerchantId;
  conversationId: ConversationId;
  phoneId: PhoneId;
  contactId: ContactId;
  turnId: string;
  config: string;
};

/**
 * The window closed on an answer: every unsent part of that turn becomes one held answer, and at most one fallback
 * template is queued, unique per turn. One commit with the decision that caused it.
 */
export async function holdAnswer(tx: Tx, keys: MerchantKeys, chat: Chat, template: Content, now: Date): Promise<void> {
  const heldId = newId();
  const questions = await tx<
    { id: string }[]
  >`select distinct reply_to as id from outbox where turn_id = ${chat.turnId} and reply_to is not null`;
  const [held] = await tx<{ id: string }[]>`
    insert into held_answer (id, merchant_id, conversation_id, turn_id, question_event_ids, state, agent_version, created_at)
    values (${heldId}, ${chat.merchantId}, ${chat.conversationId}, ${chat.turnId}, ${questions.map((row) => row.id)}, 'held', ${chat.config}, ${now})
    on conflict (turn_id) do update set state = 'held' returning id`;
  await tx`with parts as (update outbox set state = 'held', state_reason = 'held-answer', held_id = ${held!.id} where (turn_id = ${chat.turnId} or id = ${chat.rowId}) and lane is not null and state in ('queued', 'deferred') returning id)
    delete from outbox_due d using parts where d.outbox_id = parts.id`;
  const id = newId<OutboxId>();
  const json = JSON.stringify(template);
  const send = template.type === "template" ? template.template : undefined;
  const rows = await tx`
    insert into outbox (id, merchant_id, conversation_id, phone_id, contact_id, turn_id, dedupe_key, purpose, author, reason, state, state_reason, content_ct, content_hash, template_name, template_language, verdict, versions, send_at)
    values (${id}, ${chat.merchantId}, ${chat.conversationId}, ${chat.phoneId}, ${chat.contactId}, ${chat.turnId}, ${`fallback:${chat.turnId}`}, 'utility', 'fixed', 'held-answer', 'queued', 'held-answer',
      ${keys.seal("outbox", "content_ct", id, json)}, ${contentHash(json)}, ${send?.name ?? null}, ${send?.language ?? null}, ${tx.json(PRE_CLEARED as never)}, ${tx.json({ config: chat.config })}, clock_timestamp())
    on conflict (merchant_id, dedupe_key) do nothing returning id`;
  if (rows.length > 0) return makeDue(tx, id, 0);
  // "Your answer is ready" went out before, was tapped, and Meta refused the answer after all: nobody will tap again.
  await raiseNotice(
    tx,
    chat.merchantId,
    {
      kind: "message-blocked",
      dedupeKey: `held-again:${chat.turnId}`,
      detail: { turn: chat.turnId, reason: "window-closed" },
    },
    chat.conversationId,
  );
}
