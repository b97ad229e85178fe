import { integer, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { bytea } from "./bytea.ts";

// Who is who, and what they allow. The migrations are the truth; a test holds these tables against them.

export const contact = pgTable("contact", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  portfolioId: text("portfolio_id").notNull(),
  phoneCt: bytea("phone_ct"),
  bsuidCt: bytea("bsuid_ct"),
  nameCt: bytea("name_ct"),
  country: text("country"),
  zone: text("zone"),
  language: text("language"),
  disclosedAt: timestamp("disclosed_at", { withTimezone: true }),
  unreachable: integer("unreachable").notNull(),
  metaStoppedAt: timestamp("meta_stopped_at", { withTimezone: true }),
  mergedInto: uuid("merged_into"),
  erasedAt: timestamp("erased_at", { withTimezone: true }),
  createdAt: timestamp("created_at", { withTimezone: true }).notNull(),
});

export const contactIdentity = pgTable(
  "contact_identity",
  {
    merchantId: uuid("merchant_id").notNull(),
    portfolioId: text("portfolio_id").notNull(),
    idHash: bytea("id_hash").notNull(),
    hashVersion: integer("hash_version").notNull(),
    kind: text("kind").notNull(),
    contactId: uuid("contact_id").notNull(),
  },
  (table) => [primaryKey({ columns: [table.merchantId, table.portfolioId, table.idHash] })],
);

export const consentEvent = pgTable("consent_event", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  wabaId: text("waba_id").notNull(),
  contactId: uuid("contact_id"),
  act: text("act").notNull(),
  scope: text("scope").notNull(),
  source: text("source").notNull(),
  eventAt: timestamp("event_at", { withTimezone: true }).notNull(),
  recordedAt: timestamp("recorded_at", { withTimezone: true }).notNull(),
  sourceKey: text("source_key").notNull(),
  rule: text("rule"),
  language: text("language"),
  actor: text("actor"),
  evidenceCt: bytea("evidence_ct"),
});

export const consentKey = pgTable(
  "consent_key",
  {
    merchantId: uuid("merchant_id").notNull(),
    wabaId: text("waba_id").notNull(),
    idHash: bytea("id_hash").notNull(),
    consentEventId: uuid("consent_event_id").notNull(),
  },
  (table) => [primaryKey({ columns: [table.merchantId, table.wabaId, table.idHash, table.consentEventId] })],
);

export const dataRequest = pgTable("data_request", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  contactId: uuid("contact_id").notNull(),
  sourceKey: text("source_key").notNull(),
  kind: text("kind").notNull(),
  state: text("state").notNull(),
  receivedAt: timestamp("received_at", { withTimezone: true }).notNull(),
  dueAt: timestamp("due_at", { withTimezone: true }).notNull(),
});

export const erasure = pgTable("erasure", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  contactId: uuid("contact_id").notNull(),
  actor: text("actor").notNull(),
  erasedAt: timestamp("erased_at", { withTimezone: true }).notNull(),
  proof: text("proof").notNull(),
  proofHash: bytea("proof_hash").notNull(),
});
