import { bigint, pgTable, primaryKey, text, timestamp, uuid } from "drizzle-orm/pg-core";
import { bytea } from "./bytea.ts";

// What came in: every event once. The migrations are the truth; a test holds these tables against them.

export const eventKey = pgTable(
  "event_key",
  {
    merchantId: uuid("merchant_id").notNull(),
    keyHash: bytea("key_hash").notNull(),
    seenAt: timestamp("seen_at", { withTimezone: true }).notNull(),
  },
  (table) => [primaryKey({ columns: [table.merchantId, table.keyHash] })],
);

export const inbox = pgTable("inbox", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  conversationId: uuid("conversation_id"),
  seq: bigint("seq", { mode: "number" }),
  kind: text("kind").notNull(),
  type: text("type").notNull(),
  eventAt: timestamp("event_at", { withTimezone: true }).notNull(),
  receivedAt: timestamp("received_at", { withTimezone: true }).notNull(),
  wamidHash: bytea("wamid_hash"),
  targetHash: bytea("target_hash"),
  bodyCt: bytea("body_ct").notNull(),
  rawCt: bytea("raw_ct"),
  state: text("state").notNull(),
  replayedFrom: uuid("replayed_from"),
});

export const inboxUnrouted = pgTable("inbox_unrouted", {
  id: uuid("id").primaryKey(),
  merchantId: uuid("merchant_id").notNull(),
  reason: text("reason").notNull(),
  receivedAt: timestamp("received_at", { withTimezone: true }).notNull(),
  bodyCt: bytea("body_ct").notNull(),
});
