import type { ChatRequest } from "./chat-request.ts";
import type { Answer } from "./demo-assistant.ts";

export type Completion = {
  id: string;
  created: number;
  model: string;
  answer: Answer;
  finishReason: string;
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
};

/** Tokens as a rough count of four characters each: stable, and near enough for budgets. */
export function usageOf(request: ChatRequest, answer: Answer): Completion["usage"] {
  const asked = request.messages.reduce((sum, message) => sum + message.text.length + 8, 0);
  const said = (answer.text?.length ?? 0) + (answer.toolCalls ? JSON.stringify(answer.toolCalls).length : 0);
  const prompt_tokens = Math.ceil(asked / 4);
  const completion_tokens = Math.ceil(said / 4);
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

/** The body of a completion that is not streamed. */
export function completionBody(completion: Completion): unknown {
  const { id, created, model, answer, finishReason, usage } = completion;
  return {
    id,
    object: "chat.completion",
    created,
    model,
    system_fingerprint: "fp_simulator",
    choices: [
      {
        index: 0,
        message: { role: "assistant", content: answer.text ?? null, refusal: null, ...toolCallsOf(completion) },
        logprobs: null,
        finish_reason: finishReason,
      },
    ],
    usage,
  };
}

/** The chunks of a streamed completion, a few words each, `[DONE]` not included. */
export function* completionChunks(completion: Completion, includeUsage: boolean): Generator<unknown> {
  const { id, created, model, answer, finishReason, usage } = completion;
  const chunk = (delta: unknown, finish: string | null) => ({
    id,
    object: "chat.completion.chunk",
    created,
    model,
    system_fingerprint: "fp_simulator",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...(includeUsage ? { usage: null } : {}),
  });
  yield chunk({ role: "assistant", content: "" }, null);
  for (const piece of answer.text?.match(/(?:\S+\s*){1,4}|\s+/g) ?? []) yield chunk({ content: piece }, null);
  const { tool_calls } = toolCallsOf(completion);
  for (const [index, call] of (tool_calls ?? []).entries()) yield chunk({ tool_calls: [{ index, ...call }] }, null);
  yield chunk({}, finishReason);
  if (includeUsage) yield { ...chunk({}, null), choices: [], usage };
}

function toolCallsOf({ id, answer }: Completion) {
  if (answer.toolCalls === undefined) return {};
  return {
    tool_calls: answer.toolCalls.map((call, index) => ({
      id: `call_${id.slice(9)}_${index}`,
      type: "function" as const,
      function: { name: call.name, arguments: JSON.stringify(call.arguments ?? {}) },
    })),
  };
}
