import { createHash } from "node:crypto";
import { z } from "zod";
import type { AgentTrace } from "../domain/draft.ts";
import type { MerchantConfig } from "../domain/merchant.ts";
import { EsekError, errorCode } from "../errors.ts";
import type { SafeFetch } from "../safe-fetch.ts";
import type { AgentTool } from "./runner.ts";

type Tool = MerchantConfig["tools"][number];

export type HttpToolDeps = {
  fetch: SafeFetch;
  secret: (name: string) => string | undefined;
};

/** What a turn did with its tools; shared by its tries, so that a second try does not act a second time. */
export type ToolRun = {
  turnId: string;
  done: Map<string, Promise<string>>;
  trace: AgentTrace["tools"];
  acts: Set<string>;
};

const RESULT_LIMIT = 8000;
const MAX_BYTES = 65_536;

/** The merchant's HTTP calls as tools of a turn: allowed hosts only, bounded, with a key that makes a repeat harmless. */
export function httpTools(config: MerchantConfig, deps: HttpToolDeps, run: ToolRun): AgentTool[] {
  return config.tools.map((tool) => ({
    name: tool.name,
    description: tool.description,
    schema: schemaOf(tool),
    endsTurn: false,
    call: (args, signal) => once(tool, config, deps, run, args, signal),
  }));
}

function schemaOf(tool: Tool): z.ZodObject {
  const shape: Record<string, z.ZodType> = {};
  for (const [name, { type, description, required, enum: values }] of Object.entries(tool.parameters)) {
    const kinds = { string: z.string().max(500), number: z.number(), integer: z.number().int(), boolean: z.boolean() };
    const one = (values ? z.enum(values as [string, ...string[]]) : kinds[type]).describe(description);
    shape[name] = required ? one : one.optional();
  }
  return z.object(shape);
}

/** The same call with the same arguments is made once a turn, whichever try asks for it. */
function once(
  tool: Tool,
  config: MerchantConfig,
  deps: HttpToolDeps,
  run: ToolRun,
  args: Record<string, unknown>,
  signal: AbortSignal,
): Promise<string> {
  const key = createHash("sha256")
    .update(JSON.stringify([run.turnId, tool.name, Object.entries(args).sort()]))
    .digest("hex");
  const known = run.done.get(key);
  if (known) return known;
  const made = call(tool, config, deps, run, args, key.slice(0, 32), signal);
  run.done.set(key, made);
  return made;
}

async function call(
  tool: Tool,
  config: MerchantConfig,
  deps: HttpToolDeps,
  run: ToolRun,
  args: Record<string, unknown>,
  idempotencyKey: string,
  signal: AbortSignal,
): Promise<string> {
  const started = performance.now();
  const note = (ok: boolean, error?: string) =>
    run.trace.push({ name: tool.name, ms: Math.round(performance.now() - started), ok, ...(error ? { error } : {}) });
  try {
    const { url, body } = address(tool, config, deps, args);
    const headers = Object.fromEntries(
      Object.entries(tool.headers).map(([name, value]) => [name, filled(value, deps)]),
    );
    const answer = await deps.fetch({
      url,
      method: tool.method,
      headers: {
        accept: "application/json, text/plain",
        "idempotency-key": idempotencyKey,
        ...(body ? { "content-type": "application/json" } : {}),
        ...headers,
      },
      body,
      timeoutMs: tool.timeoutMs,
      maxBytes: MAX_BYTES,
      signal,
    });
    const isOk = answer.status >= 200 && answer.status < 300;
    note(isOk, isOk ? undefined : `http/${answer.status}`);
    if (isOk && tool.act) run.acts.add(tool.name);
    if (!/json|text/.test(answer.contentType)) return `HTTP ${answer.status}, not a text`;
    return `${isOk ? "" : `HTTP ${answer.status}: `}${answer.body.slice(0, RESULT_LIMIT)}`;
  } catch (err) {
    note(false, errorCode(err));
    return `The call failed (${errorCode(err)}). Tell the customer that you could not look it up, or give the chat to a person.`;
  }
}

function address(
  tool: Tool,
  config: MerchantConfig,
  deps: HttpToolDeps,
  args: Record<string, unknown>,
): { url: string; body: string | undefined } {
  const left = new Map(Object.entries(args).filter(([, value]) => value !== undefined));
  const base = filled(tool.url, deps).replace(/\{([a-z][a-zA-Z0-9_]*)\}/g, (_, name: string) => {
    const value = left.get(name);
    left.delete(name);
    return encodeURIComponent(String(value ?? ""));
  });
  if (!URL.canParse(base)) throw new EsekError("tool/address", `The address of tool ${tool.name} is not a URL.`);
  const url = new URL(base);
  // An address from the environment was set by whoever runs this machine; one from the file must be on the list.
  if (!tool.url.startsWith("${") && !config.toolHosts.includes(url.host))
    throw new EsekError("tool/host", `Tool ${tool.name} calls a host that toolHosts does not list.`);
  if (tool.method !== "GET" && tool.method !== "DELETE")
    return { url: url.href, body: JSON.stringify(Object.fromEntries(left)) };
  for (const [name, value] of left) url.searchParams.set(name, String(value));
  return { url: url.href, body: undefined };
}

/** Our own keys are not for tools, whatever a file asks for. */
const OURS = /^(ESEK_|META_|OPENAI_|DATABASE_|PG)/;

function filled(text: string, { secret }: HttpToolDeps): string {
  return text.replace(/\$\{([A-Z][A-Z0-9_]*)\}/g, (_, name: string) => {
    const value = OURS.test(name) ? undefined : secret(name);
    if (value === undefined)
      throw new EsekError("tool/secret", `A tool needs the environment variable ${name}, which is not set.`);
    return value;
  });
}
