import { bigint, boolean, integer, jsonb, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { bytea } from "./bytea.ts";

// Who owns which number, which conversation is due, which row is to be sent: ids, numbers and times only where there is no row-level security. The migrations are the truth; a test holds these tables against them.

export const route = pgTable(
  "route",
  {
    kind: text("kind").notNull(),
    metaId: text("meta_id").notNull(),
    merchantId: uuid("merchant_id").notNull(),
    phoneId: uuid("phone_id"),
  },
  (table) => [primaryKey({ columns: [table.kind, table.metaId] })],
);

export const mailbox = pgTable("mailbox", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  kind: text("kind").notNull(),
  shard: integer("shard").notNull(),
  phoneId: uuid("phone_id"),
  contactId: uuid("contact_id"),
  dueAt: timestamp("due_at", { withTimezone: true }).notNull(),
  burstUntil: timestamp("burst_until", { withTimezone: true }),
  backoffUntil: timestamp("backoff_until", { withTimezone: true }),
  lastSeq: bigint("last_seq", { mode: "number" }).notNull(),
  fenceSeq: bigint("fence_seq", { mode: "number" }).notNull(),
  handledSeq: bigint("handled_seq", { mode: "number" }).notNull(),
  laneSeq: bigint("lane_seq", { mode: "number" }).notNull(),
  token: uuid("token"),
  leaseUntil: timestamp("lease_until", { withTimezone: true }),
  attempts: integer("attempts").notNull(),
  expiries: integer("expiries").notNull(),
  supersedes: integer("supersedes").notNull(),
  windowAt: timestamp("window_at", { withTimezone: true }),
  windowClosedAt: timestamp("window_closed_at", { withTimezone: true }),
  humanSince: timestamp("human_since", { withTimezone: true }),
  mergedInto: uuid("merged_into"),
});

export const outboxDue = pgTable("outbox_due", {
  outboxId: uuid("outbox_id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  phoneId: uuid("phone_id").notNull(),
  contactId: uuid("contact_id").notNull(),
  lane: uuid("lane"),
  laneSeq: bigint("lane_seq", { mode: "number" }).notNull(),
  sendAt: timestamp("send_at", { withTimezone: true }).notNull(),
  shard: integer("shard").notNull(),
});

export const merchant = pgTable("merchant", {
  merchantId: uuid("merchant_id").primaryKey(),
  slug: text("slug").notNull(),
  config: jsonb("config").notNull(),
  configHash: text("config_hash").notNull(),
  knowledgeHash: text("knowledge_hash"),
  webhookEvents: text("webhook_events").array().notNull(),
  suspendedReason: text("suspended_reason"),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull(),
});

export const waba = pgTable(
  "waba",
  {
    merchantId: uuid("merchant_id").notNull(),
    wabaId: text("waba_id").notNull(),
    portfolioId: text("portfolio_id").notNull(),
    templatesBlockedUntil: timestamp("templates_blocked_until", { withTimezone: true }),
    repliesBlockedUntil: timestamp("replies_blocked_until", { withTimezone: true }),
    disabledReason: text("disabled_reason"),
    tokenBrokenAt: timestamp("token_broken_at", { withTimezone: true }),
    messagingLimit: integer("messaging_limit"),
    blockedCountries: text("blocked_countries").array().notNull(),
  },
  (table) => [primaryKey({ columns: [table.merchantId, table.wabaId] })],
);

export const phone = pgTable("phone", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  wabaId: text("waba_id").notNull(),
  phoneNumberId: text("phone_number_id").notNull(),
  displayNumber: text("display_number").notNull(),
  status: text("status").notNull(),
  pausedReason: text("paused_reason"),
  pausedUntil: timestamp("paused_until", { withTimezone: true }),
  coexistence: boolean("coexistence").notNull(),
  throughputMps: integer("throughput_mps").notNull(),
  initiatedBlockedUntil: timestamp("initiated_blocked_until", { withTimezone: true }),
  quality: text("quality").notNull(),
  checkedAt: timestamp("checked_at", { withTimezone: true }),
});

export const template = pgTable(
  "template",
  {
    merchantId: uuid("merchant_id").notNull(),
    wabaId: text("waba_id").notNull(),
    name: text("name").notNull(),
    language: text("language").notNull(),
    category: text("category").notNull(),
    status: text("status").notNull(),
    quality: text("quality").notNull(),
    components: jsonb("components").notNull(),
    metaId: text("meta_id"),
    updatedAt: timestamp("updated_at", { withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.merchantId, table.wabaId, table.name, table.language] })],
);

export const dataKey = pgTable("data_key", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  purpose: text("purpose").notNull(),
  version: integer("version").notNull(),
  kekId: text("kek_id").notNull(),
  wrapped: bytea("wrapped").notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
});

export const merchantSecret = pgTable("merchant_secret", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  name: text("name").notNull(),
  valueCt: bytea("value_ct").notNull(),
  expiresAt: timestamp("expires_at", { withTimezone: true }),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull(),
});

export const schemaMigration = pgTable("schema_migration", {
  version: integer("version").primaryKey(),
  name: text("name").notNull(),
  checksum: text("checksum").notNull(),
  isBreaking: boolean("is_breaking").notNull(),
  appliedAt: timestamp("applied_at", { withTimezone: true }).notNull(),
});
