import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Ports } from "./ports.ts";

const PREFIX = "esek_";
const FAST = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const SLOW = [0.05, 0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120];

/** What only the database knows, read when somebody looks: counts and seconds, never a name or a number. */
export type Backlog = {
  dueConversations: number;
  mailboxLagSeconds: number;
  dueSends: number;
  notices: { kind: string; count: number }[];
};

export type Metrics = {
  observeAck: (ms: number, status: number) => void;
  observeTurn: (result: string, ms: number) => void;
  /** The same ports, counted. */
  measured: (ports: Ports) => Ports;
  /** Prometheus text, version 0.0.4. */
  render: () => Promise<string>;
  contentType: string;
};

/**
 * What `/metrics` shows. Labels come from closed lists (reasons, outcomes, codes), so that no text, name, number or token
 * can become one and the number of series is bounded.
 */
export function createMetrics(backlog: () => Promise<Backlog>): Metrics {
  const registry = new Registry();
  const base = { registers: [registry] };
  collectDefaultMetrics({ register: registry, prefix: PREFIX });
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ ...base, name: `${PREFIX}${name}`, help, labelNames });
  const histogram = (name: string, help: string, buckets: number[], labelNames: string[] = []) =>
    new Histogram({ ...base, name: `${PREFIX}${name}`, help, buckets, labelNames });

  const ack = histogram("webhook_ack_seconds", "From a webhook's last byte to our answer", FAST, ["status"]);
  const events = counter("webhook_events_total", "Events Meta delivered", ["result"]);
  const turns = counter("turns_total", "Turns by how they ended", ["result"]);
  const turnTime = histogram("turn_seconds", "A turn from its claim to its end", SLOW);
  const decisions = counter("decisions_total", "Decisions about what customers said, by reason", ["type", "reason"]);
  const doors = counter("sends_weighed_total", "Rows weighed at the door, by what became of them", ["result"]);
  const sends = counter("sends_total", "POSTs to Graph by outcome", ["outcome", "code"]);
  const model = histogram("model_seconds", "A draft from request to answer", SLOW, ["result"]);
  const tokens = counter("model_tokens_total", "Tokens used by drafts", ["direction"]);
  const cost = counter("model_cost_usd_total", "Cost of drafts where the merchant's file gives prices");
  backlogGauges(registry, backlog);
  // What an alert watches is there from the start: `increase()` does not see a series that is born as 1.
  ack.zero({ status: 503 });
  sends.inc({ outcome: "refused", code: "190" }, 0);
  sends.inc({ outcome: "unknown", code: "" }, 0);

  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    observeAck: (ms, status) => ack.observe({ status }, ms / 1000),
    observeTurn(result, ms) {
      turns.inc({ result });
      turnTime.observe(ms / 1000);
    },
    measured: (ports) => ({
      ...ports,
      inbox: {
        ...ports.inbox,
        async keep(...args) {
          const kept = await ports.inbox.keep(...args);
          for (const result of ["kept", "duplicates", "unrouted"] as const) events.inc({ result }, kept[result]);
          return kept;
        },
      },
      mailbox: {
        ...ports.mailbox,
        async commitCommands(claim, facts, effects) {
          const result = await ports.mailbox.commitCommands(claim, facts, effects);
          if (result === "committed") for (const { type, reason } of effects.records) decisions.inc({ type, reason });
          return result;
        },
        async commitTurn(claim, facts, effects) {
          const result = await ports.mailbox.commitTurn(claim, facts, effects);
          if (result === "committed") for (const { type, reason } of effects.records) decisions.inc({ type, reason });
          return result;
        },
      },
      outbox: {
        ...ports.outbox,
        async markSending(...args) {
          const marked = await ports.outbox.markSending(...args);
          doors.inc({ result: marked.type === "sending" ? "sending" : marked.reason });
          return marked;
        },
        async recordOutcome(marked, outcome, decide) {
          await ports.outbox.recordOutcome(marked, outcome, decide);
          sends.inc({ outcome: outcome.type, code: outcome.type === "refused" ? outcome.code : "" });
        },
      },
      agent: {
        ...ports.agent,
        async draft(request, signal) {
          const end = model.startTimer();
          try {
            const drafted = await ports.agent.draft(request, signal);
            end({ result: "drafted" });
            tokens.inc({ direction: "input" }, drafted.usage?.inputTokens ?? 0);
            tokens.inc({ direction: "output" }, drafted.usage?.outputTokens ?? 0);
            cost.inc(drafted.usage?.costUsd ?? 0);
            return drafted;
          } catch (err) {
            end({ result: signal.aborted ? "overtaken" : "failed" });
            throw err;
          }
        },
      },
    }),
  };
}

/** How long a scrape waits for the database: a scraper gives up after ten seconds, and then sees no metric at all. */
const LOOK_MS = 3000;

/** One look at the database per scrape, shared by the gauges. Without an answer they are NaN, so that no alert calls it calm. */
function backlogGauges(registry: Registry, backlog: () => Promise<Backlog>): void {
  let look: Promise<Backlog | undefined> | undefined;
  const read = () => {
    look ??= withinMs(LOOK_MS, backlog()).finally(() => setImmediate(() => (look = undefined)));
    return look;
  };
  const gauge = (name: string, help: string, value: (state: Backlog | undefined) => number) =>
    new Gauge({
      name: `${PREFIX}${name}`,
      help,
      registers: [registry],
      async collect() {
        this.set(value(await read()));
      },
    });
  gauge("database_up", "1 while the database answers", (s) => (s ? 1 : 0));
  gauge(
    "mailbox_lag_seconds",
    "How long the longest-waiting conversation has been due",
    (s) => s?.mailboxLagSeconds ?? Number.NaN,
  );
  gauge("mailbox_due", "Conversations that are due", (s) => s?.dueConversations ?? Number.NaN);
  gauge("outbox_due", "Rows that are due to leave", (s) => s?.dueSends ?? Number.NaN);
  new Gauge({
    name: `${PREFIX}notices`,
    help: "Notices raised in the last 24 h, by kind",
    labelNames: ["kind"],
    registers: [registry],
    async collect() {
      this.reset();
      for (const { kind, count } of (await read())?.notices ?? []) this.set({ kind }, count);
    },
  });
}

/** What it resolves to, or undefined when it fails or takes too long. */
async function withinMs<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  // The failure is not lost: `database_up` says it, and whoever needs the database reports its own.
  return Promise.race([work.catch(() => undefined), late]).finally(() => clearTimeout(timer));
}
