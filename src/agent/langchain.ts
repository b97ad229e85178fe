import type { AIMessage, BaseMessage } from "@langchain/core/messages";
import { EsekError, errorCode } from "../errors.ts";
import type { ModelRunner, RunRequest } from "./runner.ts";

/** Longer than any answer to a customer; a model that says more than this has lost the thread. */
const LONGEST = 20_000;

/**
 * LangChain's agent loop behind our runner: loaded at the first call, so that a process that takes no turns, or has no
 * model, never pays for it. State, policy and persistence stay ours; nothing is traced to anybody.
 */
export function createLangChainRunner(options: {
  baseUrl: string | undefined;
  apiKey: string | undefined;
}): ModelRunner {
  let library: Promise<Library> | undefined;
  return async (request, signal) => {
    library ??= load();
    const { langchain, openai } = await library;
    const timeout = AbortSignal.timeout(request.limits.allMs);
    const model = new openai.ChatOpenAI({
      model: request.model,
      apiKey: options.apiKey ?? "none",
      configuration: { baseURL: options.baseUrl },
      maxRetries: 0,
      timeout: request.limits.callMs,
      maxTokens: request.limits.outputTokens,
    });
    const spent = { input: 0, output: 0 };
    const agent = langchain.createAgent({
      model,
      tools: request.tools.map((tool) =>
        langchain.tool((args: Record<string, unknown>) => tool.call(args, signal), {
          name: tool.name,
          description: tool.description,
          schema: tool.schema,
          returnDirect: tool.endsTurn,
        }),
      ),
      systemPrompt: request.system,
      middleware: [
        langchain.modelCallLimitMiddleware({ runLimit: request.limits.modelCalls, exitBehavior: "error" }),
        langchain.toolCallLimitMiddleware({ runLimit: request.limits.toolCalls, exitBehavior: "continue" }),
        budget(langchain, request, spent),
      ],
    });
    try {
      const { messages } = await agent.invoke(
        { messages: request.messages.map(({ role, content }) => ({ role, content })) },
        { signal: AbortSignal.any([signal, timeout]), recursionLimit: 60 },
      );
      return {
        text: lastWords(messages as BaseMessage[]),
        usage: { model: request.model, inputTokens: spent.input, outputTokens: spent.output },
      };
    } catch (err) {
      throw Object.assign(asModelError(err, timeout.aborted), {
        usage: { model: request.model, inputTokens: spent.input, outputTokens: spent.output },
      });
    }
  };
}

type Library = { langchain: typeof import("langchain"); openai: typeof import("@langchain/openai") };

async function load(): Promise<Library> {
  // The library sends what it sees to its maker's service when these are set, whoever set them.
  for (const name of Object.keys(process.env)) if (/^(LANGSMITH|LANGCHAIN)_/.test(name)) delete process.env[name];
  const [langchain, openai] = await Promise.all([import("langchain"), import("@langchain/openai")]);
  return { langchain, openai };
}

/** Counts what each call used, and ends a turn that used too much before it calls again. */
function budget(
  { createMiddleware }: Library["langchain"],
  request: RunRequest,
  spent: { input: number; output: number },
) {
  return createMiddleware({
    name: "EsekBudget",
    wrapModelCall: async (call, next) => {
      if (spent.input + spent.output >= request.limits.tokens)
        throw new EsekError(
          "model/turn-budget",
          `The turn used its ${request.limits.tokens} tokens without an answer.`,
        );
      const answer = await next(call);
      const usage = (answer as AIMessage).usage_metadata;
      spent.input += usage?.input_tokens ?? 0;
      spent.output += usage?.output_tokens ?? 0;
      return answer;
    },
  });
}

function lastWords(messages: BaseMessage[]): string {
  const last = messages.at(-1);
  if (last?.getType() !== "ai") return "";
  const text = typeof last.content === "string" ? last.content : last.text;
  if (text.length > LONGEST)
    throw new EsekError("model/too-long", `The model answered with ${text.length} characters; ${LONGEST} is the most.`);
  return text;
}

/** An error with what it was wrapped around, outermost first. */
function causes(err: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let one = err; one && chain.length < 8; one = (one as { cause?: unknown }).cause) chain.push(one);
  return chain;
}

/** What the provider says may quote the prompt, so only its class and status are carried. */
function asModelError(err: unknown, isTimeout: boolean): EsekError {
  const chain = causes(err);
  const known = chain.find((one) => one instanceof EsekError);
  if (known) return known as EsekError;
  if (isTimeout) return new EsekError("model/turn-time", "The turn took longer than its budget of time.");
  const status = chain.map((one) => (one as { status?: unknown }).status).find((one) => typeof one === "number");
  const name = (chain.at(-1) as Error).name;
  return new EsekError(
    `model/${status ?? (name === "Error" ? errorCode(err) : name)}`,
    `The model endpoint failed (${status ? `HTTP ${status}` : name}). Check OPENAI_BASE_URL, OPENAI_API_KEY and the merchant's model name.`,
  );
}
