import type OpenAI from "openai";
import type { Usage } from "../domain/draft.ts";
import { EsekError } from "../errors.ts";

export type ChatMessage = { role: "system" | "user" | "assistant"; content: string };
export type ChatRequest = {
  model: string;
  messages: ChatMessage[];
  maxOutputTokens: number;
  timeoutMs: number;
  signal: AbortSignal;
};

/** One call to an OpenAI-compatible endpoint. No retry here: the turn decides what a failure means. */
export type LlmClient = { chat: (request: ChatRequest) => Promise<{ text: string; usage: Usage }> };

/** Throws `EsekError("model/...")`; the provider's own message may quote the prompt, so it is not carried. */
export function createLlm(options: { baseUrl: string | undefined; apiKey: string | undefined }): LlmClient {
  let client: OpenAI | undefined;
  return {
    async chat({ model, messages, maxOutputTokens, timeoutMs, signal }) {
      if (!options.baseUrl && !options.apiKey)
        throw new EsekError(
          "model/not-configured",
          "No model is configured. Set OPENAI_API_KEY, and OPENAI_BASE_URL for another provider.",
        );
      client ??= await connect(options);
      try {
        const completion = await client.chat.completions.create(
          { model, messages, max_tokens: maxOutputTokens },
          { timeout: timeoutMs, signal },
        );
        const text = completion.choices[0]?.message?.content;
        if (typeof text !== "string" || text.trim() === "")
          throw new EsekError("model/empty", "The model answered without a text.");
        return {
          text,
          usage: {
            model,
            inputTokens: completion.usage?.prompt_tokens ?? 0,
            outputTokens: completion.usage?.completion_tokens ?? 0,
          },
        };
      } catch (err) {
        if (err instanceof EsekError) throw err;
        const status = (err as { status?: number }).status;
        throw new EsekError(
          `model/${status ?? (err as Error).name}`,
          `The model endpoint failed (${status ? `HTTP ${status}` : (err as Error).name}). Check OPENAI_BASE_URL, OPENAI_API_KEY and the merchant's model name.`,
        );
      }
    },
  };
}

/** Loaded at the first call: a process that takes no turns never pays for it. */
async function connect(options: { baseUrl: string | undefined; apiKey: string | undefined }): Promise<OpenAI> {
  const { default: Client } = await import("openai");
  return new Client({ baseURL: options.baseUrl, apiKey: options.apiKey ?? "none", maxRetries: 0 });
}
