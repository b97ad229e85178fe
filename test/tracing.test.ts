import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Attributes,
  type Context,
  context,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Ports } from "../src/ports.ts";
import { loadTracing } from "../src/tracing.ts";
import { businessApi, known, optIn, orderUpdate, until } from "./scene.ts";
import { PHONE_ID, SECRETS, startWorld, type TestWorld, WABA_ID } from "./world.ts";

const TEXT = "canaryquokka seven lemons";
const NAME = "Canarynamira Featherstone";
const PHONE = "972547318246";
const MODEL_TEXT = "canarymodel answers";

type Recorded = {
  name: string;
  parent: Recorded | undefined;
  attributes: Attributes;
  status: SpanStatusCode;
  isEnded: boolean;
  /** Whatever else was written on it: events, links, messages, a new name. */
  other: unknown[];
};

const spans: Recorded[] = [];
const recordedOf = new WeakMap<Span, Recorded>();

/** An SDK in forty lines: keeps spans, and hands the active one down through asynchronous calls. */
const store = new AsyncLocalStorage<Context>();
const contextManager = {
  active: () => store.getStore() ?? ROOT_CONTEXT,
  with: (active: Context, work: (...args: never[]) => unknown, self?: unknown, ...args: never[]) =>
    store.run(active, () => work.apply(self, args)),
  bind: (_active: Context, target: unknown) => target,
  enable: () => contextManager,
  disable: () => contextManager,
};
const tracer = {
  startSpan(name: string, options: SpanOptions = {}, parent: Context = context.active()): Span {
    const above = trace.getSpan(parent);
    const recorded: Recorded = {
      name,
      parent: above && recordedOf.get(above),
      attributes: { ...options.attributes },
      status: SpanStatusCode.UNSET,
      isEnded: false,
      other: options.links ? [options.links] : [],
    };
    spans.push(recorded);
    const span = {
      spanContext: () => ({ traceId: "1".repeat(32), spanId: "1".repeat(16), traceFlags: 1 }),
      setAttribute: (key: string, value: never) => Object.assign(recorded.attributes, { [key]: value }) && span,
      setAttributes: (more: Attributes) => Object.assign(recorded.attributes, more) && span,
      setStatus: ({ code, message }: { code: SpanStatusCode; message?: string }) => {
        recorded.status = code;
        recorded.other.push(message);
        return span;
      },
      addEvent: (...args: unknown[]) => recorded.other.push(args) && span,
      addLink: (...args: unknown[]) => recorded.other.push(args) && span,
      addLinks: (...args: unknown[]) => recorded.other.push(args) && span,
      recordException: (...args: unknown[]) => void recorded.other.push(args),
      updateName: (...args: unknown[]) => recorded.other.push(args) && span,
      isRecording: () => true,
      end: () => void Object.assign(recorded, { isEnded: true }),
    } as unknown as Span;
    recordedOf.set(span, recorded);
    return span;
  },
  startActiveSpan(name: string, options: SpanOptions, work: (span: Span) => unknown) {
    const span = tracer.startSpan(name, options);
    return context.with(trace.setSpan(context.active(), span), () => work(span));
  },
};

let world: TestWorld;
let isQuoting = false;
const canaries = new Map<string, string>();

/** A guard that fails with everything it was given, as a library might. */
function quoting(ports: Ports): Ports {
  const check: Ports["guard"]["check"] = async (text, direction) => {
    if (!isQuoting) return ports.guard.check(text, direction);
    throw Object.assign(new Error(`refused: ${text} of ${NAME} ${PHONE}`), { code: `${text} as a code` });
  };
  return { ...ports, guard: { ...ports.guard, check } };
}

beforeAll(async () => {
  trace.setGlobalTracerProvider({ getTracer: () => tracer as Tracer });
  context.setGlobalContextManager(contextManager as never);
  world = await startWorld({ wrap: quoting });
  const { bsuid } = await world.control<{ bsuid: string }>("customers", { phone: PHONE, name: NAME });
  await world.control("model", { rules: [{ when: "canaryquokka", reply: MODEL_TEXT }] });
  for (const [what, value] of Object.entries({
    text: "canaryquokka",
    name: "Canarynamira",
    phone: PHONE,
    bsuid: bsuid.slice(3),
    model: "canarymodel",
    token: SECRETS.accessToken,
    number: PHONE_ID,
    waba: WABA_ID,
  }))
    canaries.set(what, value);
});
afterAll(async () => {
  await world.stop();
  trace.disable();
  context.disable();
});
beforeEach(async () => {
  await world.settle();
  spans.length = 0;
});

async function say(text: string, from = PHONE): Promise<void> {
  const wamid = await world.say(from, text);
  canaries.set(`wamid ${wamid}`, wamid.slice("wamid.".length));
}

const rootsNamed = (name: string) => spans.filter((span) => span.name === name && !span.parent);
const below = (parent: Recorded) => spans.filter((span) => span.parent === parent);
const namesBelow = (parent: Recorded) => below(parent).map(({ name }) => name);

function expectClean(): void {
  const written = spans.map(({ name, attributes, other }) => JSON.stringify([name, attributes, other]));
  for (const [what, value] of canaries)
    expect([what, written.filter((line) => line.includes(value))]).toEqual([what, []]);
}

describe("spans of the path", () => {
  it("a message is received, answered and delivered: each step below the one that asked for it", async () => {
    await say(TEXT);
    await world.replies(PHONE, 1);
    const receive = spans.find((span) => span.name === "receive" && below(span)[0]?.attributes["esek.kept"] === 1)!;
    expect(receive.parent).toBeUndefined();
    expect(namesBelow(receive)).toEqual(["inbox.keep"]);
    expect(receive.attributes).toEqual({ "http.response.status_code": 200 });

    const [turn] = rootsNamed("takeTurn");
    expect(namesBelow(turn!)).toEqual([
      "mailbox.facts",
      "guard.check",
      "agent.draft",
      "guard.check",
      "mailbox.commitTurn",
    ]);
    expect(turn!.attributes).toMatchObject({ "esek.merchant.id": world.merchantId, "esek.result": "committed" });
    const [facts, inbound, draft, outbound, commit] = below(turn!);
    expect([inbound, outbound].map((span) => span!.attributes["esek.direction"])).toEqual(["inbound", "outbound"]);
    expect(draft!.attributes).toEqual({
      "esek.turn.id": facts!.attributes["esek.turn.id"],
      "esek.result": "answer",
      "esek.source": "model",
      "esek.tries": ["ok"],
      "gen_ai.operation.name": "chat",
      "gen_ai.request.model": expect.any(String),
      "gen_ai.usage.input_tokens": expect.any(Number),
      "gen_ai.usage.output_tokens": expect.any(Number),
    });
    expect(commit!.attributes).toMatchObject({ "esek.reasons": ["agent-answered"], "esek.result": "committed" });

    const [deliver] = rootsNamed("deliver");
    expect(namesBelow(deliver!)).toEqual(["outbox.markSending", "graph.send", "outbox.recordOutcome"]);
    expect([deliver!.attributes["esek.outbox.id"]]).toEqual(commit!.attributes["esek.outbox.ids"]);
    const attempts = below(deliver!).map((span) => span.attributes["esek.attempt.id"]);
    expect(new Set(attempts).size).toBe(1);
    expect(below(deliver!)[1]!.attributes["esek.result"]).toBe("accepted");
    expectClean();
  });

  it("a STOP is committed in a span of its own, without a model", async () => {
    await say("STOP");
    await world.replies(PHONE, 2);
    const [turn] = rootsNamed("takeTurn");
    expect(namesBelow(turn!)).toContain("mailbox.commitCommands");
    expect(namesBelow(turn!)).not.toContain("agent.draft");
    expectClean();
  });

  it("a model that fails and quotes the prompt is an error by its code alone", async () => {
    await world.control("model", { rules: [{ status: 500, reply: `You said ${TEXT}, ${NAME}, ${PHONE}` }] });
    await say(`${TEXT} again`);
    await world.replies(PHONE, 3);
    const drafts = spans.filter((span) => span.name === "agent.draft");
    expect(drafts.map(({ status, attributes }) => [status, attributes["error.type"]])).toEqual([
      [SpanStatusCode.ERROR, "agent/no-answer"],
    ]);
    await world.control("model", { rules: [] });
    expectClean();
  });

  it("a refusal of Graph and an error that quotes everything leave codes", async () => {
    await world.control("faults", { kind: "error", code: 131026, details: `${TEXT} to ${PHONE}`, next: 1 });
    await say(`${TEXT} once more`);
    await until(async () => spans.some((span) => span.attributes["esek.code"] === 131026));
    isQuoting = true;
    await say(`${TEXT} for the guard`);
    const failed = await until(async () => spans.find((span) => span.status === SpanStatusCode.ERROR && !span.parent));
    isQuoting = false;
    expect([failed.name, failed.attributes["error.type"]]).toEqual(["takeTurn", "Error"]);
    expectClean();
  });

  it("a message of the business API is delivered in one, and its guard hangs below nothing", async () => {
    await known(world, "972500000801");
    await optIn(world, "972500000801", "utility");
    expect((await (await businessApi(world))(orderUpdate("972500000801"))).status).toBe(202);
    await world.settle();
    expect(rootsNamed("deliver")).toHaveLength(1);
    expect(rootsNamed("guard.check")).toEqual([]);
  });

  it("every id is one of our uuids, every span ended, none carries an event or a message", async () => {
    await say(TEXT);
    await world.settle();
    const ids = spans.flatMap(({ attributes }) =>
      Object.entries(attributes).flatMap(([key, value]) => (/\.ids?$/.test(key) ? [value].flat() : [])),
    );
    expect(ids.length).toBeGreaterThan(5);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(spans.filter((span) => !span.isEnded)).toEqual([]);
    expect(spans.flatMap(({ other }) => other.filter(Boolean))).toEqual([]);
  });
});

describe("when spans are made", () => {
  it("off means off, whatever is registered; auto means when an SDK is", async () => {
    const ports = {} as Ports;
    expect((await loadTracing("off")).traced(ports)).toBe(ports);
    expect((await loadTracing("auto")).traced(world.runtime.ports)).not.toBe(world.runtime.ports);
    trace.disable();
    expect((await loadTracing("auto")).traced(ports)).toBe(ports);
  });
});
