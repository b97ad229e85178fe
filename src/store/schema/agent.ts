import {
  bigint,
  customType,
  date,
  doublePrecision,
  integer,
  pgTable,
  primaryKey,
  real,
  text,
  timestamp,
  uuid,
} from "drizzle-orm/pg-core";
import { bytea } from "./bytea.ts";

// What the agent knows, remembers and costs, and what the merchant's own systems are told.

const tsvector = customType<{ data: string }>({ dataType: () => "tsvector" });

export const knowledgeChunk = pgTable("knowledge_chunk", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  source: text("source").notNull(),
  title: text("title").notNull(),
  body: text("body").notNull(),
  language: text("language"),
  terms: text("terms").array().notNull(),
  titleTerms: text("title_terms").array().notNull(),
  vector: tsvector("vector").notNull(),
  embedding: real("embedding").array(),
});

export const knowledgeTerm = pgTable(
  "knowledge_term",
  {
    merchantId: uuid("merchant_id").notNull(),
    term: text("term").notNull(),
    passages: integer("passages").notNull(),
  },
  (table) => [primaryKey({ columns: [table.merchantId, table.term] })],
);

export const conversationSummary = pgTable("conversation_summary", {
  conversationId: uuid("conversation_id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  textCt: bytea("text_ct").notNull(),
  untilAt: timestamp("until_at", { withTimezone: true }).notNull(),
  updatedAt: timestamp("updated_at", { withTimezone: true }).notNull(),
});

export const spend = pgTable(
  "spend",
  {
    merchantId: uuid("merchant_id").notNull(),
    day: date("day").notNull(),
    contactId: uuid("contact_id").notNull(),
    answers: integer("answers").notNull(),
    tokens: bigint("tokens", { mode: "number" }).notNull(),
    modelUsd: doublePrecision("model_usd").notNull(),
    whatsappUsd: doublePrecision("whatsapp_usd").notNull(),
  },
  (table) => [primaryKey({ columns: [table.merchantId, table.day, table.contactId] })],
);

export const webhookDelivery = pgTable("webhook_delivery", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  kind: text("kind").notNull(),
  bodyCt: bytea("body_ct").notNull(),
  state: text("state").notNull(),
  tries: integer("tries").notNull(),
  lastStatus: integer("last_status"),
  nextTryAt: timestamp("next_try_at", { withTimezone: true }).notNull(),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
  deliveredAt: timestamp("delivered_at", { withTimezone: true }),
});
