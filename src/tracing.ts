import type { Attributes, Span, SpanKind } from "@opentelemetry/api";
import { errorCode } from "./errors.ts";
import type { Claim, DueRow, Ports } from "./ports.ts";

type Work<T> = () => Promise<T>;

export type Tracing = {
  receive: <T extends { status: number }>(work: Work<T>) => Promise<T>;
  turn: <T extends string>(claim: Claim, work: Work<T>) => Promise<T>;
  deliver: <T extends string>(row: DueRow, work: Work<T>) => Promise<T>;
  /** The same ports, each step a span below the one that asked for it. */
  traced: (ports: Ports) => Ports;
};

const OFF: Tracing = {
  receive: (work) => work(),
  turn: (_claim, work) => work(),
  deliver: (_row, work) => work(),
  traced: (ports) => ports,
};

/**
 * Spans of the path for whichever OpenTelemetry SDK the process was started with. `auto`: on when one has registered itself
 * (`NODE_OPTIONS=--import`); without one not even the API is loaded. Attributes are our own uuids, codes and counts:
 * never a text, name, number or token, and an error only by its code.
 */
export async function loadTracing(mode: "on" | "off" | "auto"): Promise<Tracing> {
  if (mode === "off" || (mode === "auto" && !isSdkRegistered())) return OFF;
  const { trace, SpanKind, SpanStatusCode } = await import("@opentelemetry/api");
  const tracer = trace.getTracer("esek");
  const open: Open = (name, kind, attributes, work) =>
    tracer.startActiveSpan(name, { kind: SpanKind[kind], attributes }, async (span) => {
      try {
        return await work(span);
      } catch (err) {
        span.setStatus({ code: SpanStatusCode.ERROR });
        span.setAttribute("error.type", errorCode(err));
        throw err;
      } finally {
        span.end();
      }
    });
  return tracing(open, () => trace.getActiveSpan() !== undefined);
}

/** Where the OpenTelemetry API keeps what an SDK registered; read here so that the API itself need not be loaded to know. */
function isSdkRegistered(): boolean {
  const registered: unknown = Reflect.get(globalThis, Symbol.for("opentelemetry.js.api.1"));
  return typeof registered === "object" && registered !== null && "trace" in registered;
}

type Open = <T>(
  name: string,
  kind: keyof typeof SpanKind,
  attributes: Attributes,
  work: (span: Span) => Promise<T>,
) => Promise<T>;

function tracing(open: Open, isInSpan: () => boolean): Tracing {
  return {
    receive: (work) =>
      open("receive", "SERVER", {}, async (span) => {
        const receipt = await work();
        span.setAttribute("http.response.status_code", receipt.status);
        return receipt;
      }),
    turn: (claim, work) => open("takeTurn", "CONSUMER", idsOf(claim), (span) => resulting(span, work())),
    deliver: (row, work) => open("deliver", "CONSUMER", rowIdsOf(row), (span) => resulting(span, work())),
    traced: (ports) => ({
      ...ports,
      inbox: {
        ...ports.inbox,
        keep: (...args) =>
          open("inbox.keep", "INTERNAL", { "esek.events": args[0].length }, async (span) => {
            const kept = await ports.inbox.keep(...args);
            span.setAttributes({ "esek.kept": kept.kept, "esek.duplicates": kept.duplicates });
            return kept;
          }),
      },
      mailbox: tracedMailbox(open, ports.mailbox),
      outbox: tracedOutbox(open, ports.outbox),
      guard: {
        ...ports.guard,
        // Outside a turn (the business API) there is nothing to hang it below.
        check: (text, direction) =>
          isInSpan()
            ? open("guard.check", "INTERNAL", { "esek.direction": direction }, async (span) => {
                const verdict = await ports.guard.check(text, direction);
                span.setAttribute("esek.result", verdict.verdict);
                return verdict;
              })
            : ports.guard.check(text, direction),
      },
      agent: tracedAgent(open, ports.agent),
      graph: {
        ...ports.graph,
        send: (cleared, message) =>
          open("graph.send", "CLIENT", { "esek.attempt.id": message.attemptId }, async (span) => {
            const outcome = await ports.graph.send(cleared, message);
            span.setAttribute("esek.result", outcome.type);
            if ("code" in outcome) span.setAttribute("esek.code", outcome.code);
            return outcome;
          }),
      },
    }),
  };
}

function tracedMailbox(open: Open, mailbox: Ports["mailbox"]): Ports["mailbox"] {
  return {
    ...mailbox,
    facts: (claim) =>
      open("mailbox.facts", "INTERNAL", idsOf(claim), async (span) => {
        const facts = await mailbox.facts(claim);
        span.setAttributes({ "esek.turn.id": facts.turnId, "esek.events": facts.events.length });
        return facts;
      }),
    commitCommands: (claim, facts, effects) =>
      open("mailbox.commitCommands", "INTERNAL", { "esek.turn.id": facts.turnId }, (span) =>
        resulting(span, mailbox.commitCommands(claim, facts, effects)),
      ),
    commitTurn: (claim, facts, effects) =>
      open("mailbox.commitTurn", "INTERNAL", { "esek.turn.id": facts.turnId }, (span) => {
        span.setAttributes({
          "esek.reasons": effects.records.map(({ reason }) => reason),
          "esek.outbox.ids": effects.outbox.map(({ id }) => id),
        });
        return resulting(span, mailbox.commitTurn(claim, facts, effects));
      }),
  };
}

function tracedOutbox(open: Open, outbox: Ports["outbox"]): Ports["outbox"] {
  return {
    ...outbox,
    markSending: (row, ...rest) =>
      open("outbox.markSending", "INTERNAL", rowIdsOf(row), async (span) => {
        const marked = await outbox.markSending(row, ...rest);
        span.setAttribute("esek.result", marked.type === "sending" ? "sending" : marked.reason);
        if (marked.type === "sending") span.setAttribute("esek.attempt.id", marked.attemptId);
        return marked;
      }),
    recordOutcome: (marked, outcome, decide) =>
      open(
        "outbox.recordOutcome",
        "INTERNAL",
        { "esek.attempt.id": marked.attemptId, "esek.result": outcome.type },
        () => outbox.recordOutcome(marked, outcome, decide),
      ),
  };
}

/** The names are of OpenTelemetry's GenAI conventions, still experimental there (2026-11); content attributes are never set. */
function tracedAgent(open: Open, agent: Ports["agent"]): Ports["agent"] {
  return {
    ...agent,
    draft: (request, signal) => {
      const asked = {
        "esek.turn.id": request.turnId,
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": request.merchant.config.model.name,
      };
      return open("agent.draft", "CLIENT", asked, async (span) => {
        const drafted = await agent.draft(request, signal);
        span.setAttribute("esek.result", drafted.draft.type);
        if (drafted.trace)
          span.setAttributes({
            "esek.source": drafted.trace.source,
            "esek.tries": drafted.trace.tries.map(({ error }) => error ?? "ok"),
          });
        if (drafted.usage)
          span.setAttributes({
            "gen_ai.usage.input_tokens": drafted.usage.inputTokens,
            "gen_ai.usage.output_tokens": drafted.usage.outputTokens,
          });
        return drafted;
      });
    },
  };
}

async function resulting<T extends string>(span: Span, work: Promise<T>): Promise<T> {
  const result = await work;
  span.setAttribute("esek.result", result);
  return result;
}

function idsOf(claim: Claim): Attributes {
  return {
    "esek.merchant.id": claim.merchantId,
    "esek.conversation.id": claim.conversationId,
    "esek.phone.id": claim.phoneId,
  };
}

function rowIdsOf(row: DueRow): Attributes {
  return { "esek.merchant.id": row.merchantId, "esek.outbox.id": row.outboxId, "esek.phone.id": row.phoneId };
}
