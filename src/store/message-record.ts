import type { MerchantId } from "../domain/ids.ts";
import type { Decide } from "./business-messages.ts";
import { transaction } from "./database.ts";
import { type Explained, explain } from "./inspect.ts";
import type { Store } from "./store.ts";

export type RecordedEvent = { id: string; kind: string; type: string; at: Date; receivedAt: Date; state: string };
export type RecordedRow = {
  id: string;
  part: number;
  purpose: string;
  author: string;
  reason: string;
  state: string;
  stateReason: string | null;
  tries: number;
  template: string | null;
  /** Until the row is weighed again, by the database's clock; null when it waits for nothing. */
  dueInMs: number | null;
};
export type MessageRecord = Explained & { events: RecordedEvent[]; rows: RecordedRow[] };

/**
 * `explain` with what it was about: the events that were answered and the rows that came of it. Ids are uuids of version
 * 7, so each also says when it was made, in real milliseconds. Throws `EsekError("explain/unknown")`.
 */
export async function messageRecord(
  store: Store,
  merchantId: MerchantId,
  id: string,
  decide: Decide,
): Promise<MessageRecord> {
  const explained = await explain(store, id, decide);
  const { turns, outbox, event } = explained.message as {
    turns: string[];
    outbox: string | null;
    event: string | null;
  };
  const eventIds = [...new Set([...(event ? [event] : []), ...explained.decisions.flatMap(eventsOf)])];
  return transaction(store.sql, [merchantId], async (tx) => ({
    ...explained,
    events: await tx<RecordedEvent[]>`
      select id, kind, type, event_at as at, received_at as "receivedAt", state from inbox where id = any(${eventIds}::uuid[]) order by id`,
    rows: await tx<RecordedRow[]>`
      select o.id, o.part, o.purpose, o.author, o.reason, o.state, o.state_reason as "stateReason", o.tries, o.template_name as template,
        (extract(epoch from d.send_at - clock_timestamp()) * 1000)::float8 as "dueInMs"
      from outbox o left join outbox_due d on d.outbox_id = o.id where o.turn_id = any(${turns}::uuid[]) or o.id = ${outbox} order by o.id`,
  }));
}

function eventsOf(decision: Record<string, unknown>): string[] {
  const facts = decision.facts as { event?: unknown; events?: unknown } | null;
  const named = [facts?.event, ...(Array.isArray(facts?.events) ? facts.events : [])];
  return named.filter((id): id is string => typeof id === "string" && /^[0-9a-f-]{36}$/.test(id));
}
