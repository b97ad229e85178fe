import type { Usage } from "../domain/draft.ts";
import { type DecisionId, newId } from "../domain/ids.ts";
import type { Verdict } from "../domain/verdict.ts";
import type { Tx } from "./database.ts";
import type { MerchantKeys } from "./keyring.ts";

export const POLICY_VERSION = "1";

export type DecisionRow = {
  merchantId: string;
  subject: "turn" | "outbound";
  conversationId: string;
  turnId: string | undefined;
  outboxId: string | undefined;
  config: string;
  at: Date;
  step: string;
  type: string;
  reason: string;
  facts: unknown;
  verdicts: readonly Verdict[];
  usage?: Usage | undefined;
  latencyMs: number;
};

/** "Why?" is one row: what was known (encrypted: it names a person), what was decided, in which versions, at what cost. */
export async function insertDecisions(tx: Tx, keys: MerchantKeys, rows: readonly DecisionRow[]): Promise<void> {
  if (rows.length === 0) return;
  const sealed = rows.map((row) => {
    const id = newId<DecisionId>();
    return {
      row,
      id,
      facts: keys.seal("decision", "facts_ct", id, JSON.stringify(row.facts ?? null)).toString("base64"),
    };
  });
  const json = (value: unknown) => JSON.stringify(value);
  await tx`
    insert into decision (id, merchant_id, subject, conversation_id, turn_id, outbox_id, step, type, reason, facts_ct, verdicts, versions, latency_ms, usage, decided_at, last_at)
    select id, m, s, c, t, o, step, type, reason, decode(f, 'base64'), v::jsonb, ver::jsonb, ms, u::jsonb, at, at from unnest(
      ${sealed.map((s) => s.id)}::uuid[], ${sealed.map((s) => s.row.merchantId)}::uuid[], ${sealed.map((s) => s.row.subject)}::text[], ${sealed.map((s) => s.row.conversationId)}::uuid[],
      ${sealed.map((s) => s.row.turnId ?? null)}::uuid[], ${sealed.map((s) => s.row.outboxId ?? null)}::uuid[], ${sealed.map((s) => s.row.step)}::text[], ${sealed.map((s) => s.row.type)}::text[],
      ${sealed.map((s) => s.row.reason)}::text[], ${sealed.map((s) => s.facts)}::text[], ${sealed.map((s) => json(s.row.verdicts))}::text[],
      ${sealed.map((s) => json({ policy: POLICY_VERSION, config: s.row.config, guardrails: s.row.verdicts[0]?.version ?? "none" }))}::text[], ${sealed.map((s) => s.row.latencyMs)}::float8[],
      ${sealed.map((s) => (s.row.usage ? json(s.row.usage) : null))}::text[], ${sealed.map((s) => s.row.at.toISOString())}::timestamptz[]
    ) as x (id, m, s, c, t, o, step, type, reason, f, v, ver, ms, u, at)`;
}
