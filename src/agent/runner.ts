import type { z } from "zod";
import type { Draft, Usage } from "../domain/draft.ts";
import type { ChatMessage } from "../llm/client.ts";

/** Something a model may call. What it returns goes back to the model, unless it ends the turn. */
export type AgentTool = {
  name: string;
  description: string;
  schema: z.ZodObject;
  endsTurn: boolean;
  call: (args: Record<string, unknown>, signal: AbortSignal) => Promise<string>;
};

export type RunRequest = {
  model: string;
  system: string;
  messages: ChatMessage[];
  tools: readonly AgentTool[];
  limits: {
    modelCalls: number;
    toolCalls: number;
    tokens: number;
    outputTokens: number;
    callMs: number;
    allMs: number;
  };
};

/** The model's last words; empty when a tool ended the turn. */
export type RunResult = { text: string; usage: Usage };

/** One model with its tools until it has an answer. Rejects with `EsekError("model/...")`, never with the provider's own words. */
export type ModelRunner = (request: RunRequest, signal: AbortSignal) => Promise<RunResult>;

/** The draft that a tool call asked for, in place of words. */
export type Ending = { draft: Draft | undefined };
