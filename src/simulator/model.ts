import { type Context, Hono } from "hono";
import { streamSSE } from "hono/streaming";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "zod";
import type { SimClock } from "./clock.ts";
import { ChatRequest } from "./scripted-model/chat-request.ts";
import { type Completion, completionBody, completionChunks, usageOf } from "./scripted-model/completion.ts";
import { type Answer, demoAnswer } from "./scripted-model/demo-assistant.ts";
import { type Rule, RuleBook, Script } from "./scripted-model/rules.ts";

export type ModelCall = {
  n: number;
  at: number;
  /** Real milliseconds from request to answer; absent while the call runs. */
  tookMs?: number;
  model: string;
  messages: ChatRequest["messages"];
  tools: string[];
  /** What was said, or how it failed: `status 429`, `garbage`, `aborted`. */
  outcome?: string;
  status?: number;
};

const HANG_AT_MOST_MS = 10 * 60 * 1000;

/** A language model that says what a test told it to, behind an OpenAI-compatible API. */
export class ScriptedModel {
  readonly calls: ModelCall[] = [];
  readonly #rules = new RuleBook();
  readonly #clock: SimClock;
  readonly #unscripted: (request: ChatRequest) => Answer;

  constructor(clock: SimClock, unscripted: (request: ChatRequest) => Answer = demoAnswer) {
    this.#clock = clock;
    this.#unscripted = unscripted;
  }

  script(script: z.input<typeof Script>): void {
    this.#rules.set(Script.parse(script));
  }

  /** `/v1/chat/completions` and `/v1/models`. Any bearer key will do, but there must be one. */
  routes(): Hono {
    const app = new Hono();
    app.use("*", async (c, next) => {
      if (/^Bearer \S+/.test(c.req.header("authorization") ?? "")) return next();
      return c.json(openAiError(401, "You didn't provide an API key.", "invalid_api_key"), 401);
    });
    app.get("/models", (c) =>
      c.json({
        object: "list",
        data: [{ id: "scripted-model", object: "model", created: 1_750_000_000, owned_by: "simulator" }],
      }),
    );
    app.post("/chat/completions", (c) => this.#complete(c));
    app.all("*", (c) => c.json(openAiError(404, `Unknown request URL: ${c.req.method} ${c.req.path}`), 404));
    return app;
  }

  /** `POST /_sim/model` sets the rules, `DELETE` forgets rules and calls, `GET /_sim/model/calls` lists the calls. */
  controlRoutes(): Hono {
    const app = new Hono();
    app.post("/", async (c) => {
      const script = Script.safeParse(await c.req.json().catch(() => undefined));
      if (!script.success) return c.json({ error: z.prettifyError(script.error) }, 400);
      this.#rules.set(script.data);
      return c.json({ rules: script.data.rules.length });
    });
    app.delete("/", (c) => {
      this.#rules.set({ rules: [] });
      this.calls.length = 0;
      return c.json({ rules: 0 });
    });
    app.get("/calls", (c) => {
      const after = Number(c.req.query("after") ?? 0);
      return c.json({ count: this.calls.length, calls: this.calls.filter((call) => call.n > after) });
    });
    return app;
  }

  async #complete(c: Context): Promise<Response> {
    const startedAt = performance.now();
    const parsed = ChatRequest.safeParse(await c.req.json().catch(() => undefined));
    if (!parsed.success) return c.json(openAiError(400, z.prettifyError(parsed.error)), 400);
    const request = parsed.data;
    const call: ModelCall = {
      n: this.calls.length + 1,
      at: this.#clock.now(),
      model: request.model,
      messages: request.messages,
      tools: (request.tools ?? []).flatMap((tool) => tool.function?.name ?? []),
    };
    this.calls.push(call);
    const end = (outcome: string, status: number) => {
      Object.assign(call, { tookMs: performance.now() - startedAt, outcome, status });
    };
    const rule = this.#rules.take(request);
    const waitMs = rule?.hang ? HANG_AT_MOST_MS : (rule?.delayMs ?? 0);
    if (waitMs > 0 && !(await waited(c.req.raw.signal, waitMs))) {
      end("aborted", 0);
      return c.body(null, 408);
    }
    if (rule?.status !== undefined) {
      end(`status ${rule.status}`, rule.status);
      if (rule.retryAfter !== undefined) c.header("retry-after", String(rule.retryAfter));
      return c.json(openAiError(rule.status, rule.reply ?? "Scripted error"), rule.status as ContentfulStatusCode);
    }
    if (rule?.garbage) {
      end("garbage", 200);
      return c.body("<html>upstream connect error {", 200, { "content-type": "application/json" });
    }
    const answer = answerOf(rule, request, this.#unscripted);
    end(answer.text ?? JSON.stringify(answer.toolCalls), 200);
    return respond(c, request, {
      id: `chatcmpl-${call.n}`,
      created: Math.floor(call.at / 1000),
      model: request.model,
      answer,
      finishReason: rule?.finishReason ?? (answer.toolCalls ? "tool_calls" : "stop"),
      usage: usageOf(request, answer),
    });
  }
}

function answerOf(rule: Rule | undefined, request: ChatRequest, unscripted: (request: ChatRequest) => Answer): Answer {
  if (rule === undefined) return unscripted(request);
  if (rule.empty) return { text: "" };
  const isAfterTool = request.messages.at(-1)?.role === "tool";
  if (rule.toolCalls !== undefined && (rule.again || !isAfterTool)) {
    return { toolCalls: rule.toolCalls.map((call) => ({ name: call.name, arguments: call.arguments ?? {} })) };
  }
  const text = rule.json !== undefined ? JSON.stringify(rule.json) : rule.reply;
  if (rule.sizeBytes !== undefined) return { text: padded(text ?? "", rule.sizeBytes) };
  return text === undefined ? unscripted(request) : { text };
}

function padded(text: string, bytes: number): string {
  const missing = bytes - Buffer.byteLength(text);
  return missing > 0 ? text + "All of this is filler. ".repeat(Math.ceil(missing / 23)).slice(0, missing) : text;
}

function respond(c: Context, request: ChatRequest, completion: Completion): Response {
  if (!request.stream) return c.json(completionBody(completion));
  return streamSSE(c, async (stream) => {
    for (const chunk of completionChunks(completion, request.stream_options?.include_usage === true)) {
      await stream.writeSSE({ data: JSON.stringify(chunk) });
    }
    await stream.writeSSE({ data: "[DONE]" });
  });
}

/** False when the caller gave up first. */
function waited(signal: AbortSignal, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const gone = () => done(false);
    const done = (isStillThere: boolean) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", gone);
      resolve(isStillThere);
    };
    const timer = setTimeout(() => done(true), ms);
    signal.addEventListener("abort", gone);
  });
}

function openAiError(status: number, message: string, code: string | null = null) {
  const type = status === 429 ? "rate_limit_error" : status >= 500 ? "server_error" : "invalid_request_error";
  return { error: { message, type, param: null, code } };
}
