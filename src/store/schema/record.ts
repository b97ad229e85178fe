import { doublePrecision, integer, jsonb, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { bytea } from "./bytea.ts";

// Why, who was told, and who may call. The migrations are the truth; a test holds these tables against them.

export const decision = pgTable("decision", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  subject: text("subject").notNull(),
  conversationId: uuid("conversation_id"),
  turnId: uuid("turn_id"),
  outboxId: uuid("outbox_id"),
  step: text("step").notNull(),
  type: text("type").notNull(),
  reason: text("reason").notNull(),
  factsCt: bytea("facts_ct").notNull(),
  verdicts: jsonb("verdicts").notNull(),
  versions: jsonb("versions").notNull(),
  latencyMs: doublePrecision("latency_ms"),
  usage: jsonb("usage"),
  repeats: integer("repeats").notNull(),
  decidedAt: timestamp("decided_at", { withTimezone: true }).notNull(),
  lastAt: timestamp("last_at", { withTimezone: true }).notNull(),
});

export const notice = pgTable("notice", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  kind: text("kind").notNull(),
  dedupeKey: text("dedupe_key").notNull(),
  conversationId: uuid("conversation_id"),
  detail: jsonb("detail").notNull(),
  count: integer("count").notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
  lastAt: timestamp("last_at", { withTimezone: true }).notNull(),
});

export const apiKey = pgTable("api_key", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  name: text("name").notNull(),
  secretHash: bytea("secret_hash").notNull(),
  scopes: text("scopes").array().notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
  revokedAt: timestamp("revoked_at", { withTimezone: true }),
});

export const apiIdempotency = pgTable(
  "api_idempotency",
  {
    merchantId: uuid("merchant_id").notNull(),
    keyHash: bytea("key_hash").notNull(),
    bodyHash: bytea("body_hash").notNull(),
    status: integer("status").notNull(),
    response: jsonb("response").notNull(),
    createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.merchantId, table.keyHash] })],
);

export const restoreHold = pgTable("restore_hold", {
  id: uuid("id").primaryKey(),
  backupAt: timestamp("backup_at", { withTimezone: true }).notNull(),
  restoredAt: timestamp("restored_at", { withTimezone: true }).notNull(),
  acknowledgedAt: timestamp("acknowledged_at", { withTimezone: true }),
  acknowledgedBy: text("acknowledged_by"),
});
