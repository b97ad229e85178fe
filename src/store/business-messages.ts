import type { Content, Purpose } from "../domain/draft.ts";
import {
  type ContactId,
  type ConversationId,
  type MerchantId,
  newId,
  type OutboxId,
  type PhoneId,
} from "../domain/ids.ts";
import type { Person } from "../domain/person.ts";
import type { Verdict } from "../domain/verdict.ts";
import { EsekError } from "../errors.ts";
import type { GateDecision, Outbound, OutboundFacts } from "../policy/outbound-gate.ts";
import { cancelQueued, makeDue } from "./attempts.ts";
import { contentHash } from "./content-hash.ts";
import { type Tx, transaction } from "./database.ts";
import { insertDecisions } from "./decisions.ts";
import { Identities } from "./identities.ts";
import type { MerchantKeys } from "./keyring.ts";
import type { Merchant } from "./merchants.ts";
import { raiseNotice } from "./notices.ts";
import { gatherOutbound } from "./outbound-facts.ts";
import type { Store } from "./store.ts";

export type BusinessMessage = {
  merchantId: MerchantId;
  phoneNumberId: string | undefined;
  person: Person;
  content: Content;
  verdict: Verdict;
  author: "api" | "human";
  idempotencyKey: string;
  body: string;
  expiresAt: Date | undefined;
};

/** The gate, handed in: the store holds the facts, policy the decision. */
export type Decide = (message: Outbound, facts: OutboundFacts) => GateDecision;

export type Accepted = {
  id: string;
  state: "queued" | "deferred" | "blocked";
  reason: string;
  detail?: string;
  until?: string;
};

/**
 * A message that the business starts (or a person writes), on the same way as every other: weighed by the gate, written to
 * the outbox, weighed again at the door. One transaction with its idempotency row: the same key and body give the same
 * answer, another body is refused with `EsekError("api/idempotency")`.
 */
export async function sendBusinessMessage(
  store: Store,
  message: BusinessMessage,
  decide: Decide,
): Promise<{ result: Accepted; isRepeat: boolean }> {
  const { merchantId } = message;
  const [keys, merchant] = await Promise.all([store.keyring.of(merchantId), store.merchants.get(merchantId)]);
  const [contactId] = await new Identities(store).resolve([
    { merchantId, portfolioId: merchant.config.portfolio, person: message.person },
  ]);
  const done = await transaction(store.sql, [merchantId], async (tx) => {
    const now = store.clock.now();
    const keyHash = keys.blind(`idempotency:${message.idempotencyKey}`);
    const bodyHash = contentHash(message.body);
    const claimed =
      await tx`insert into api_idempotency (merchant_id, key_hash, body_hash, status, response) values (${merchantId}, ${keyHash}, ${bodyHash}, 0, '{}') on conflict do nothing returning 1`;
    if (claimed.length === 0) return { result: await repeatOf(tx, merchantId, keyHash, bodyHash), isRepeat: true };
    const phoneId = await phoneOf(tx, merchantId, message.phoneNumberId);
    const conversationId = await conversationOf(tx, merchantId, phoneId, contactId!);
    const result = await write(
      tx,
      keys,
      merchant,
      { ...message, phoneId, conversationId, contactId: contactId! },
      now,
      decide,
    );
    await tx`update api_idempotency set status = 202, response = ${tx.json(result)} where merchant_id = ${merchantId} and key_hash = ${keyHash}`;
    return { result, isRepeat: false };
  });
  store.nudge("sender");
  return done;
}

async function write(
  tx: Tx,
  keys: MerchantKeys,
  merchant: Merchant,
  message: BusinessMessage & { phoneId: PhoneId; conversationId: ConversationId; contactId: ContactId },
  now: Date,
  decide: Decide,
): Promise<Accepted> {
  const { merchantId, content, phoneId, conversationId, contactId } = message;
  const subject = { merchantId, phoneId, contactId, conversationId, config: merchant.config, keys, now };
  const purpose = await purposeOf(tx, phoneId, content);
  const { facts, number } = await gatherOutbound(tx, subject, { content, purpose });
  const outbound = { content, purpose, author: message.author, verdict: message.verdict, isAlwaysAnswered: false };
  const decision = decide(outbound, facts);
  const id = newId<OutboxId>();
  const state = stateOf(decision, message.author);
  const reason = decision.type === "send" ? "allowed" : decision.reason;
  const json = JSON.stringify(content);
  const send = content.type === "template" ? content.template : undefined;
  const lane = message.author === "human" ? conversationId : null;
  const [box] = lane ? await takeOver(tx, conversationId, now) : [];
  if (lane) await cancelQueued(tx, { merchantId, contactId, wabaId: number.wabaId }, "agent", "human-took-over");
  await tx`
    insert into outbox (id, merchant_id, conversation_id, phone_id, contact_id, dedupe_key, purpose, author, reason, state, state_reason, lane, lane_seq, content_ct, content_hash, template_name, template_language, verdict, versions, send_at, expires_at)
    values (${id}, ${merchantId}, ${conversationId}, ${phoneId}, ${contactId}, ${`${message.author}:${id}`}, ${purpose}, ${message.author}, 'business-message', ${state}, ${reason}, ${lane}, ${box?.laneSeq ?? 0},
      ${keys.seal("outbox", "content_ct", id, json)}, ${contentHash(json)}, ${send?.name ?? null}, ${send?.language ?? null}, ${tx.json(message.verdict as never)}, ${tx.json({ config: merchant.version })}, clock_timestamp(), ${message.expiresAt ?? null})`;
  if (state === "blocked")
    await raiseNotice(
      tx,
      merchantId,
      { kind: "message-blocked", dedupeKey: `blocked:${id}`, detail: { outbox: id, reason } },
      conversationId,
    );
  if (state !== "blocked")
    await makeDue(tx, id, decision.type === "defer" ? decision.until.getTime() - now.getTime() : 0);
  const { content: _text, ...rest } = outbound;
  await insertDecisions(tx, keys, [
    {
      merchantId,
      subject: "outbound",
      conversationId,
      turnId: undefined,
      outboxId: id,
      config: merchant.version,
      at: now,
      step: "api",
      type: decision.type,
      reason,
      facts: { message: { ...rest, contentType: content.type }, outbound: facts },
      verdicts: [message.verdict],
      latencyMs: 0,
    },
  ]);
  return { id, state, reason, ...detailOf(decision) };
}

/** A person's answer that finds the window closed goes to the door: there it becomes a held answer. */
function stateOf(decision: GateDecision, author: BusinessMessage["author"]): Accepted["state"] {
  if (decision.type === "send") return "queued";
  if (decision.type === "defer") return "deferred";
  return author === "human" && decision.reason === "window-closed" ? "queued" : "blocked";
}

/** A person answers: the chat is theirs from now on, and a draft under way must not follow. */
function takeOver(tx: Tx, conversationId: ConversationId, now: Date): Promise<{ laneSeq: number }[]> {
  return tx<
    { laneSeq: number }[]
  >`update mailbox set lane_seq = lane_seq + 1, last_seq = last_seq + 1, fence_seq = last_seq + 1, human_since = greatest(human_since, ${now})
    where id = ${conversationId} returning lane_seq::float8 as "laneSeq"`;
}

function detailOf(decision: GateDecision): { detail?: string; until?: string } {
  if (decision.type === "send") return {};
  return {
    ...(decision.detail ? { detail: decision.detail } : {}),
    ...(decision.type === "defer" ? { until: decision.until.toISOString() } : {}),
  };
}

/** A template's purpose is its category as of now, whatever the caller calls it; an unknown template is weighed as marketing. */
async function purposeOf(tx: Tx, phoneId: PhoneId, content: Content): Promise<Purpose> {
  if (content.type !== "template") return "reply";
  const [row] = await tx<
    { category: string }[]
  >`select t.category from template t join phone p on p.merchant_id = t.merchant_id and p.waba_id = t.waba_id
    where p.id = ${phoneId} and t.name = ${content.template.name} order by (t.language = ${content.template.language}) desc limit 1`;
  const category = row?.category.toUpperCase();
  return category === "UTILITY" ? "utility" : category === "AUTHENTICATION" ? "authentication" : "marketing";
}

async function repeatOf(tx: Tx, merchantId: MerchantId, keyHash: Buffer, bodyHash: Buffer): Promise<Accepted> {
  const [row] = await tx<
    { bodyHash: Uint8Array; response: Accepted }[]
  >`select body_hash as "bodyHash", response from api_idempotency where merchant_id = ${merchantId} and key_hash = ${keyHash}`;
  if (!row || !bodyHash.equals(row.bodyHash))
    throw new EsekError("api/idempotency", "The Idempotency-Key was used with another body.", {
      publicMessage: "This Idempotency-Key was used with another body within 7 days. Send a new key for a new message.",
    });
  return row.response;
}

async function phoneOf(tx: Tx, merchantId: MerchantId, phoneNumberId: string | undefined): Promise<PhoneId> {
  const rows = await tx<
    { id: PhoneId; number: string }[]
  >`select id, phone_number_id as number from phone where merchant_id = ${merchantId} order by id`;
  const found = phoneNumberId
    ? rows.find((row) => row.number === phoneNumberId)
    : rows.length === 1
      ? rows[0]
      : undefined;
  if (found) return found.id;
  throw new EsekError("api/from", "No such number.", {
    publicMessage: phoneNumberId
      ? "`from` is not a phone number id of this merchant."
      : "This merchant has several numbers: name one in `from`.",
  });
}

async function conversationOf(
  tx: Tx,
  merchantId: MerchantId,
  phoneId: PhoneId,
  contactId: ContactId,
): Promise<ConversationId> {
  const [row] = await tx<
    { id: ConversationId }[]
  >`insert into mailbox (id, merchant_id, kind, phone_id, contact_id) values (${newId()}, ${merchantId}, 'conversation', ${phoneId}, ${contactId})
    on conflict (merchant_id, kind, phone_id, contact_id) do update set lane_seq = mailbox.lane_seq returning id`;
  return row!.id;
}
