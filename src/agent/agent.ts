import { type AgentTrace, addUsage, type Draft, type Usage } from "../domain/draft.ts";
import { EsekError, errorCode } from "../errors.ts";
import type { LlmClient } from "../llm/client.ts";
import type { AgentPort, AgentRequest, Drafted, KnowledgePort } from "../ports.ts";
import { contextFor } from "./context.ts";
import { fitHistory, summarise } from "./history.ts";
import { type HttpToolDeps, httpTools, type ToolRun } from "./http-tools.ts";
import { ownTools } from "./own-tools.ts";
import { brokenPromise } from "./promises.ts";
import { loadPrompt } from "./prompt.ts";
import type { Ending, ModelRunner } from "./runner.ts";

export type AgentDeps = {
  /** Undefined where no model is configured: then the merchant's documents answer alone. */
  run: ModelRunner | undefined;
  llm: LlmClient;
  knowledge: KnowledgePort;
  tools: HttpToolDeps;
  /** The language of a text, or undefined when it cannot be told. */
  language: (text: string, hints: readonly string[]) => string | undefined;
};

/** A draft that nobody could make, with what was tried. */
export class AgentFailure extends EsekError {
  readonly trace: AgentTrace;
  readonly usage: Usage | undefined;

  constructor(code: string, message: string, trace: AgentTrace, usage: Usage | undefined) {
    super(code, message);
    this.trace = trace;
    this.usage = usage;
  }
}

type Turn = { request: AgentRequest; signal: AbortSignal; trace: AgentTrace; tools: ToolRun; usage: Usage | undefined };

/**
 * The merchant's agent: the model with its tools, once more with the fallback model when that fails or says what it must
 * not, then the merchant's own documents. Rejects with `AgentFailure` when those do not know either; nothing is
 * guessed. Everything that was tried is in the trace.
 */
export function createAgent(deps: AgentDeps): AgentPort {
  const prompt = loadPrompt("agent");
  const summaryPrompt = loadPrompt("summary");
  return {
    version: (merchant) => `${merchant.version}+${prompt.id}-${prompt.version}`,
    async draft(request, signal) {
      const trace: AgentTrace = { source: "model", tries: [], tools: [], cites: [] };
      const tools: ToolRun = { turnId: request.turnId, done: new Map(), trace: trace.tools, acts: new Set() };
      const turn: Turn = { request, signal, trace, tools, usage: undefined };
      if (!deps.run || !request.isModelAllowed) return fromDocuments(deps, turn, "agent/no-model");
      const { older, recent } = fitHistory(request.history, request.merchant.config.model.historyTokens);
      const summary = older.length > 0 ? summarise(deps.llm, summaryPrompt, request, older, signal) : undefined;
      const system = (notes: readonly string[]) => contextFor(deps, prompt, { ...request, history: recent }, notes);
      const drafted = await tryModels(deps, turn, system);
      return { ...(drafted ?? (await fromDocuments(deps, turn, "agent/no-answer"))), ...optional(await summary) };
    },
  };
}

function optional(summary: Drafted["summary"]): Pick<Drafted, "summary"> {
  return summary ? { summary } : {};
}

type Context = (notes: readonly string[]) => ReturnType<typeof contextFor>;

/** The merchant's model, then its fallback (or itself once more). Undefined when neither gave an answer that may be used. */
async function tryModels(deps: AgentDeps, turn: Turn, context: Context): Promise<Drafted | undefined> {
  const { model } = turn.request.merchant.config;
  const notes = [...turn.request.notes];
  for (const name of [model.name, model.fallback ?? model.name]) {
    const started = performance.now();
    try {
      const draft = await tryOnce(deps, turn, name, await context(notes));
      turn.trace.tries.push({ model: name, ms: Math.round(performance.now() - started) });
      return { draft, usage: turn.usage, trace: turn.trace };
    } catch (err) {
      if (turn.signal.aborted) throw err;
      const code = errorCode(err);
      turn.trace.tries.push({ model: name, ms: Math.round(performance.now() - started), error: code });
      const note = NOTES[code];
      if (note) notes.push(note.replace("{language}", turn.request.language));
    }
  }
  return undefined;
}

/** What a model is told when its first answer could not be used. */
const NOTES: Record<string, string> = {
  "agent/language": "Your last draft was in another language. Answer in the language with tag {language}.",
  "agent/unkept-promise":
    "Your last draft said that something was done which no tool did. Say only what happened, or call hand_off.",
  "model/too-long": "Your last draft was far too long. Answer in a few sentences.",
  "model/empty": "Your last draft was empty.",
};

async function tryOnce(
  deps: AgentDeps,
  turn: Turn,
  model: string,
  context: Awaited<ReturnType<typeof contextFor>>,
): Promise<Draft> {
  const { request, signal, trace, tools } = turn;
  const { config } = request.merchant;
  const ending: Ending = { draft: undefined };
  const search = (query: string) => deps.knowledge.passages(request.merchant.id, query, request.language, 5);
  const { budgets } = config;
  const spent = (turn.usage?.inputTokens ?? 0) + (turn.usage?.outputTokens ?? 0);
  try {
    const { text, usage } = await deps.run!(
      {
        model,
        ...context,
        tools: [...ownTools(ending, search, trace.cites), ...httpTools(config, deps.tools, tools)],
        limits: {
          modelCalls: budgets.turnModelCalls,
          toolCalls: budgets.turnToolCalls,
          tokens: budgets.turnTokens - spent,
          outputTokens: config.model.maxOutputTokens,
          callMs: config.model.timeoutMs,
          allMs: budgets.turnMs,
        },
      },
      signal,
    );
    turn.usage = addUsage(turn.usage, priced(config.model.prices, usage));
    return usable(deps, request, ending.draft ?? asDraft(text), tools.acts);
  } catch (err) {
    const usage = (err as { usage?: Usage }).usage;
    if (usage) turn.usage = addUsage(turn.usage, priced(config.model.prices, usage));
    throw err;
  }
}

function priced(prices: { input: number; output: number } | undefined, usage: Usage): Usage {
  if (!prices) return usage;
  return { ...usage, costUsd: (usage.inputTokens * prices.input + usage.outputTokens * prices.output) / 1_000_000 };
}

/** Words as a draft. Models without tools may write the marks of the prompt instead of calling. */
function asDraft(text: string): Draft {
  const trimmed = text.trim();
  if (trimmed === "") throw new EsekError("model/empty", "The model answered without a text.");
  if (/\[\[hand-?off\]\]/i.test(trimmed)) return { type: "hand-off" };
  const words = trimmed.replace(/\[\[end\]\]/gi, "").trim();
  return words === "" ? { type: "end" } : { type: "answer", text: words };
}

/** A promise of a person becomes the hand-off it speaks of; a deed that no tool did, and a foreign language, are no answer. */
function usable(deps: AgentDeps, request: AgentRequest, draft: Draft, acts: ReadonlySet<string>): Draft {
  if (draft.type !== "answer") return draft;
  const promise = brokenPromise(draft.text, acts.size > 0);
  if (promise === "person") return { type: "hand-off" };
  if (promise === "deed")
    throw new EsekError(
      "agent/unkept-promise",
      "The draft says that something was done which no tool did in this turn.",
    );
  if (isForeign(deps, request, draft.text))
    throw new EsekError("agent/language", `The draft is not in the language ${request.language}.`);
  return draft;
}

/** Short answers, names and prices say nothing about their language; a paragraph in another script or tongue does. */
const TELLING_LETTERS = 40;

const SCRIPTS: Record<string, RegExp> = {
  he: /\p{sc=Hebrew}/gu,
  ar: /\p{sc=Arabic}/gu,
  fa: /\p{sc=Arabic}/gu,
  ur: /\p{sc=Arabic}/gu,
  ru: /\p{sc=Cyrillic}/gu,
  uk: /\p{sc=Cyrillic}/gu,
  hi: /\p{sc=Devanagari}/gu,
  th: /\p{sc=Thai}/gu,
  el: /\p{sc=Greek}/gu,
};

function isForeign(deps: AgentDeps, request: AgentRequest, text: string): boolean {
  const letters = text.match(/\p{L}/gu)?.length ?? 0;
  if (letters < TELLING_LETTERS) return false;
  const asked = request.language.split("-")[0]!;
  const own = SCRIPTS[asked];
  if (own && (text.match(own)?.length ?? 0) < letters / 4) return true;
  // A language that the merchant does not speak was only a guess about the customer's; and detectors take one tongue for
  // its neighbour, so that only another language of this merchant counts.
  const spoken = request.merchant.config.languages.map((tag) => tag.split("-")[0]!);
  if (!spoken.includes(asked)) return false;
  if (!own && (text.match(/\p{sc=Latin}/gu)?.length ?? 0) < letters / 4) return true;
  const said = deps.language(text, [request.language, ...request.merchant.config.languages])?.split("-")[0];
  return said !== undefined && said !== asked && spoken.includes(said);
}

/** The degraded mode and the embedded default are the same: an answer in the merchant's own words, with its source, or none. */
async function fromDocuments(deps: AgentDeps, turn: Turn, code: string): Promise<Drafted> {
  const { request, trace, usage } = turn;
  trace.source = "knowledge";
  const answer = await deps.knowledge.answer(request.merchant.id, request.question, request.language);
  if (answer.type === "abstain")
    throw new AgentFailure(code, "Neither the model nor the merchant's documents gave an answer.", trace, usage);
  trace.cites.push(`${answer.cites.source}#${answer.cites.title}`);
  const source = answer.cites.title === "" ? answer.cites.source : answer.cites.title;
  return { draft: { type: "answer", text: `${answer.text}\n\n_${source.replace(/[_*~`]/g, "")}_` }, usage, trace };
}
