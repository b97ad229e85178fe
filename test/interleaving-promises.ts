import type { ConsentEvent } from "../src/domain/consent.ts";
import { newId } from "../src/domain/ids.ts";
import { errorCode } from "../src/errors.ts";
import { standing } from "../src/policy/consent.ts";
import { SEND_MARGIN_MS } from "../src/policy/service-window.ts";
import { DAY, type Rig } from "./interleaving-rig.ts";
import { WABA_ID } from "./world.ts";

/** How often a message may be posted in all when Meta said this of its last try; written down here once more, on purpose. */
const AT_MOST: Record<number, number> = {
  131000: 3,
  131016: 5,
  131026: 1,
  131049: 2,
  130472: 1,
  131050: 1,
};

type Marked = { lane: string | null; laneSeq: number; heldId: string | null; merges: number; isAfterFailure: boolean };
export type Sent = Marked & { outboxId: string; isTemplate: boolean; mayBe: boolean; hasFailed: boolean };

type Row = {
  id: string;
  lane: string | null;
  laneSeq: number;
  purpose: string;
  author: string;
  isTemplate: boolean;
  contactId: string;
  number: number;
  verdict: string | null;
  isBehind: boolean;
  openedAt: Date | null;
  heldId: string | null;
  heldState: string | null;
  isTapped: boolean;
  announces: string | null;
  lastCode: number | null;
  isAfterFailure: boolean;
  isAccepted: boolean | null;
  isStopped: boolean;
};

type Ledger = (ConsentEvent & { contactId: string })[];
type Event = { id: string; kind: string; type: string; state: string; isReleased: boolean; isAgain: boolean };

/** What must never be and what must be in the end, looked up in the database and in what Meta got, not in what the code says of itself. */
export class Promises {
  readonly problems: string[] = [];
  /** Two actors move at once: what is read after a mark may be younger than the mark. */
  isRacing = false;
  readonly #rig: Rig;
  readonly #since = newId();
  readonly #sent: Sent[] = [];
  readonly #pending = new Map<string, Marked>();
  readonly #handled = new Map<string, Set<string>>();
  readonly #commanded = new Set<string>();
  readonly #seen = new Set<string>();
  #merges = 0;

  constructor(rig: Rig) {
    this.#rig = rig;
  }

  get since(): string {
    return this.#since;
  }

  async guarded(name: string, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (err) {
      this.problems.push(`${name} threw ${errorCode(err)}: ${(err as Error).message}`);
    }
  }

  /** At the mark: the row's verdict is a yes, nobody stopped before it, nothing stands before it in its lane, and it is not one try too many. */
  async marked(attemptId: string): Promise<void> {
    const isRacing = this.isRacing;
    const merges = this.#merges;
    const [row, ledger] = await this.#read(attemptId);
    const { lane, laneSeq, heldId, isAfterFailure } = row;
    this.#pending.set(attemptId, { lane, laneSeq, heldId, merges, isAfterFailure });
    if (isAfterFailure) this.#rig.totals.retried++;
    this.#weighRow(row, isRacing);
    this.#weighHeld(row, isRacing);
    const limit = AT_MOST[row.lastCode ?? 0];
    if (!isRacing && limit !== undefined && row.number > limit)
      this.problems.push(`try ${row.number} of a ${row.purpose} after ${row.lastCode}`);
    if (row.isStopped) this.problems.push("an answer to what was asked before a committed STOP ALL");
    const lines = isRacing ? ledger.filter((line) => line.contactId === row.contactId) : ledger;
    const { marketing, utility } = standing(lines);
    if (row.purpose === "marketing" && marketing.isSuppressed) this.problems.push("a promotion after a committed STOP");
    if (row.purpose === "utility" && utility.isSuppressed)
      this.problems.push("a utility message after a committed STOP ALL");
  }

  #weighRow(row: Row, isRacing: boolean): void {
    if (row.verdict !== "send") this.problems.push(`a POST of ${row.purpose} whose last verdict is ${row.verdict}`);
    if (row.isAccepted && !isRacing) this.problems.push(`a ${row.purpose} again that Meta had accepted`);
    if (row.isBehind && !isRacing) this.problems.push("a POST with an open row before it in its lane");
    const closesAt = (row.openedAt?.getTime() ?? 0) + DAY - SEND_MARGIN_MS;
    if (!row.isTemplate && this.#rig.clock.at >= closesAt)
      this.problems.push(`a free-form ${row.purpose} ${this.#rig.clock.at - closesAt} ms after the window`);
  }

  #weighHeld(row: Row, isRacing: boolean): void {
    if (row.heldId && row.heldState !== "released") this.problems.push(`a POST of a ${row.heldState} answer`);
    if (row.heldId && !row.isTapped) this.problems.push("a POST of a held answer that nobody tapped for");
    if (row.announces && !isRacing && row.announces !== "held" && row.announces !== "expired")
      this.problems.push(`"your answer is ready" for a ${row.announces} answer (try ${row.number})`);
  }

  #read(attemptId: string): Promise<[Row, Ledger]> {
    const { merchantId } = this.#rig;
    return this.#rig.sql(async (tx) => {
      const [[row], ledger] = await Promise.all([
        tx<
          Row[]
        >`select o.id, o.lane, o.lane_seq::float8 as "laneSeq", o.purpose, o.author, o.template_name is not null as "isTemplate", a.contact_id as "contactId", a.number, o.held_id as "heldId",
          (select type from decision d where d.outbox_id = o.id and d.subject = 'outbound' and d.type <> 'resend' order by d.id desc limit 1) as verdict,
          exists (select 1 from outbox e where e.lane = o.lane and e.lane_seq < o.lane_seq and e.state in ('queued', 'deferred', 'sending', 'unknown')) as "isBehind",
          (select max(least(i.event_at, i.received_at)) from inbox i where i.conversation_id = o.conversation_id and i.kind = 'message' and i.type in ('text', 'button')) as "openedAt",
          h.state as "heldState", exists (select 1 from inbox i where i.conversation_id = o.conversation_id and i.type = 'button' and i.received_at >= h.created_at) as "isTapped",
          (select n.state from held_answer n where n.turn_id = o.turn_id and o.dedupe_key like 'fallback:%') as announces,
          p.error_code as "lastCode", p.state = 'accepted' and p.status is distinct from 'failed' as "isAccepted", exists (select 1 from send_attempt f where f.outbox_id = o.id and f.number < a.number and f.status = 'failed') as "isAfterFailure",
          o.author = 'agent' and exists (select 1 from consent_event e where e.id > ${this.#since} and e.act = 'opt-out' and e.scope = 'all' and e.recorded_at > o.created_at and e.recorded_at < a.started_at
            and e.contact_id = (select m.contact_id from decision d join mailbox m on m.id = d.conversation_id where d.outbox_id = o.id and d.step = 'turn' limit 1)
            and not exists (select 1 from consent_event s where s.id > ${this.#since} and s.act = 'opt-in' and s.source = 'keyword' and s.event_at >= e.event_at)) as "isStopped"
        from send_attempt a join outbox o on o.id = a.outbox_id left join held_answer h on h.id = o.held_id left join send_attempt p on p.outbox_id = o.id and p.number = a.number - 1
        where a.id = ${attemptId}`,
        // By whole index prefixes, as the store reads it: nothing here may depend on statistics of a table that grows.
        tx<Ledger>`
          select e.id, act, scope, source, event_at as at, e.contact_id as "contactId" from consent_event e where e.merchant_id = ${merchantId} and e.id = any(array(
            select k.consent_event_id from consent_key k where k.merchant_id = ${merchantId} and k.waba_id = ${WABA_ID} and k.id_hash = any(array(
              select i.id_hash from contact_identity i where i.contact_id = (select o.contact_id from send_attempt a join outbox o on o.id = a.outbox_id where a.id = ${attemptId})))))
          and e.recorded_at < (select started_at from send_attempt where id = ${attemptId})`,
      ]);
      return [row!, ledger];
    });
  }

  /** At the POST: in the order of its lane, and not once more than an unknown outcome allows. Returns what Meta may have got. */
  posted(outboxId: string, attemptId: string, isTemplate: boolean, mayBe: boolean): Sent | undefined {
    this.#rig.totals.posts++;
    const marked = this.#pending.get(attemptId);
    if (!marked) {
      this.problems.push(`a POST without a mark: ${outboxId}`);
      return undefined;
    }
    this.#weighOrder(marked);
    const one = { outboxId, isTemplate, mayBe, hasFailed: false, ...marked };
    this.#sent.push(one);
    const count = this.#sent.filter((sent) => sent.outboxId === outboxId && sent.mayBe && !sent.hasFailed).length;
    if (mayBe && count > (isTemplate ? 1 : 2)) this.problems.push(`${outboxId} posted ${count} times`);
    if (mayBe && count === 2) this.#rig.totals.resent++;
    return one;
  }

  /** What failed after Meta had taken it, and what was held, comes late by nature; the parts of one held answer still keep their order. */
  #weighOrder(marked: Marked): void {
    if (marked.isAfterFailure) return;
    const isBeside = (one: Sent) => one.lane !== null && one.lane === marked.lane && one.heldId === marked.heldId;
    const before = this.#sent.findLast((one) => isBeside(one) && !one.isAfterFailure);
    if (before && before.merges === marked.merges && before.laneSeq > marked.laneSeq)
      this.problems.push(`lane order: ${marked.laneSeq} after ${before.laneSeq}`);
  }

  /** After each step: no event handled twice. */
  async check(): Promise<void> {
    const keys = await this.#rig.processes[0]!.store.keyring.of(this.#rig.merchantId);
    const [records, [rows]] = await this.#rig.sql((tx) =>
      Promise.all([
        tx<{ id: string; turnId: string; type: string; facts: Uint8Array }[]>`
          select id, turn_id as "turnId", type, facts_ct as facts from decision where id > ${this.#since} and subject = 'turn' and not id = any(${[...this.#seen]})`,
        tx<{ merged: number; twice: number; passed: number }[]>`select
          (select count(*)::int from contact where id > ${this.#since} and merged_into is not null) as merged,
          (select count(*)::int from (select 1 from inbox where id > ${this.#since} and seq is not null group by conversation_id, seq having count(*) > 1) t) as twice,
          (select count(*)::int from mailbox where id > ${this.#since} and handled_seq > last_seq) as passed`,
      ]),
    );
    this.#rig.totals.merges += rows!.merged - this.#merges;
    this.#merges = rows!.merged;
    if (rows!.twice > 0) this.problems.push("two events share a number");
    if (rows!.passed > 0) this.problems.push("a watermark above the last event");
    for (const record of records) {
      this.#seen.add(record.id);
      this.#note(record, JSON.parse(keys.open("decision", "facts_ct", record.id, record.facts)));
    }
  }

  #note(record: { turnId: string; type: string }, facts: { event?: string; events?: string[] }): void {
    for (const id of facts.events ?? (facts.event ? [facts.event] : [])) {
      if (record.type === "command") {
        this.#commanded.add(id);
        continue;
      }
      const turns = this.#handled.get(id) ?? new Set();
      this.#handled.set(id, turns.add(record.turnId));
      if (turns.size > 1) this.problems.push(`event ${id} handled by ${turns.size} turns`);
      if (record.type === "answer") this.#rig.totals.answered++;
    }
  }

  /** At the end: every event that was accepted was handled, and what was said of it was said once. */
  async checkAll(written: number, tapped: number): Promise<void> {
    const [events, [end]] = await this.#rig.sql((tx) =>
      Promise.all([
        tx<Event[]>`select i.id, i.kind, i.type, i.state,
          exists (select 1 from held_answer h where h.conversation_id = i.conversation_id and h.closed_at is not null and h.state in ('released', 'held')) as "isReleased", i.replayed_from is not null as "isAgain" from inbox i where i.id > ${this.#since}`,
        tx<{ open: number; held: number; released: number; overdrawn: number; stopAll: number }[]>`select
          (select count(*)::int from inbox i join mailbox m on m.id = i.conversation_id where i.id > ${this.#since} and i.state = 'kept' and i.seq > m.handled_seq and m.merged_into is null and i.kind = 'message') as open,
          (select count(*)::int from held_answer where id > ${this.#since}) as held,
          (select count(*)::int from held_answer where id > ${this.#since} and closed_at is not null and state in ('released', 'held')) as released,
          (select count(*)::int from (select 1 from held_answer h where id > ${this.#since} and closed_at is not null and state in ('released', 'held') group by conversation_id
            having count(*) > (select count(*) from inbox i where i.conversation_id = h.conversation_id and i.type = 'button')) t) as overdrawn,
          (select count(*)::int from consent_event where id > ${this.#since} and act = 'opt-out' and scope = 'all') as "stopAll"`,
      ]),
    );
    this.#rig.totals.held += end!.held;
    this.#rig.totals.released += end!.released;
    this.#rig.totals.stopAll += end!.stopAll;
    if (end!.open > 0) this.problems.push(`${end!.open} events above the watermark`);
    if (end!.overdrawn > 0) this.problems.push("more held answers released than taps came");
    this.#weighEvents(events, written, tapped);
  }

  #weighEvents(events: readonly Event[], written: number, tapped: number): void {
    const texts = events.filter((event) => event.kind === "message" && event.type === "text");
    const taps = events.filter((event) => event.kind === "message" && event.type === "button");
    // What nobody answered while a person had the chat is asked again, under a new number.
    const first = (kept: readonly Event[]) => kept.filter((event) => !event.isAgain).length;
    if (first(texts) !== written) this.problems.push(`${first(texts)} of ${written} messages kept`);
    if (first(taps) !== tapped) this.problems.push(`${first(taps)} of ${tapped} taps kept`);
    for (const event of [...texts, ...taps]) {
      const isHandled = (this.#handled.get(event.id)?.size ?? 0) > 0 || this.#commanded.has(event.id);
      const hasReleased = event.type === "button" && event.isReleased;
      if (!isHandled && !hasReleased && event.state !== "dead")
        this.problems.push(`${event.type} ${event.id} never handled`);
    }
  }
}
