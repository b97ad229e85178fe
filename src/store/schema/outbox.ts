import { bigint, boolean, integer, jsonb, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { bytea } from "./bytea.ts";

// What goes out: rows, tries, receipts, held answers, limits. The migrations are the truth; a test holds these tables against them.

export const outbox = pgTable("outbox", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  shard: integer("shard").notNull(),
  conversationId: uuid("conversation_id").notNull(),
  phoneId: uuid("phone_id").notNull(),
  contactId: uuid("contact_id").notNull(),
  turnId: uuid("turn_id"),
  part: integer("part").notNull(),
  dedupeKey: text("dedupe_key").notNull(),
  purpose: text("purpose").notNull(),
  author: text("author").notNull(),
  reason: text("reason").notNull(),
  state: text("state").notNull(),
  stateReason: text("state_reason"),
  lane: uuid("lane"),
  laneSeq: bigint("lane_seq", { mode: "number" }).notNull(),
  contentCt: bytea("content_ct").notNull(),
  contentHash: bytea("content_hash").notNull(),
  templateName: text("template_name"),
  templateLanguage: text("template_language"),
  verdict: jsonb("verdict").notNull(),
  versions: jsonb("versions").notNull(),
  replyTo: uuid("reply_to"),
  heldId: uuid("held_id"),
  discloses: boolean("discloses").notNull(),
  tries: integer("tries").notNull(),
  errors: integer("errors").notNull(),
  resent: boolean("resent").notNull(),
  sendAt: timestamp("send_at", { withTimezone: true }).notNull(),
  expiresAt: timestamp("expires_at", { withTimezone: true }),
  sentAt: timestamp("sent_at", { withTimezone: true }),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
});

export const sendAttempt = pgTable("send_attempt", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  outboxId: uuid("outbox_id").notNull(),
  contactId: uuid("contact_id").notNull(),
  conversationId: uuid("conversation_id").notNull(),
  phoneId: uuid("phone_id").notNull(),
  number: integer("number").notNull(),
  state: text("state").notNull(),
  startedAt: timestamp("started_at", { withTimezone: true }).notNull(),
  deadlineAt: timestamp("deadline_at", { withTimezone: true }).notNull(),
  wamidHash: bytea("wamid_hash"),
  wamidCt: bytea("wamid_ct"),
  status: text("status"),
  statusRank: integer("status_rank").notNull(),
  statusAt: timestamp("status_at", { withTimezone: true }),
  errorCode: integer("error_code"),
  pricingCategory: text("pricing_category"),
  pricingType: text("pricing_type"),
  duplicateDetected: boolean("duplicate_detected").notNull(),
});

export const statusParked = pgTable("status_parked", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  wamidHash: bytea("wamid_hash"),
  attemptId: uuid("attempt_id"),
  bodyCt: bytea("body_ct").notNull(),
  tries: integer("tries").notNull(),
  nextTryAt: timestamp("next_try_at", { withTimezone: true }).notNull(),
  firstSeenAt: timestamp("first_seen_at", { withTimezone: true }).notNull(),
});

export const heldAnswer = pgTable("held_answer", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  conversationId: uuid("conversation_id").notNull(),
  turnId: uuid("turn_id").notNull(),
  questionEventIds: uuid("question_event_ids").array().notNull(),
  state: text("state").notNull(),
  agentVersion: text("agent_version"),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
  closedAt: timestamp("closed_at", { withTimezone: true }),
});

export const pairLimit = pgTable(
  "pair_limit",
  {
    merchantId: uuid("merchant_id").notNull(),
    phoneId: uuid("phone_id").notNull(),
    contactId: uuid("contact_id").notNull(),
    paidUntil: timestamp("paid_until", { withTimezone: true }).notNull(),
    blockedUntil: timestamp("blocked_until", { withTimezone: true }),
    refusals: integer("refusals").notNull(),
  },
  (table) => [primaryKey({ columns: [table.phoneId, table.contactId] })],
);

export const portfolioRecipient = pgTable(
  "portfolio_recipient",
  {
    merchantId: uuid("merchant_id").notNull(),
    portfolioId: text("portfolio_id").notNull(),
    contactId: uuid("contact_id").notNull(),
    lastAt: timestamp("last_at", { withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.merchantId, table.portfolioId, table.contactId] })],
);
