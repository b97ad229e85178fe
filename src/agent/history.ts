import type { Summary } from "../domain/draft.ts";
import type { LlmClient } from "../llm/client.ts";
import type { AgentRequest, HistoryEntry } from "../ports.ts";
import type { Prompt } from "./prompt.ts";

/** Letters a token: less than in English, because Hebrew, Arabic and Hindi take more tokens for the same letters. */
const LETTERS_A_TOKEN = 2.5;

/** The newest entries that fit into the budget, and what is older. */
export function fitHistory(
  history: readonly HistoryEntry[],
  budgetTokens: number,
): { older: HistoryEntry[]; recent: HistoryEntry[] } {
  let left = budgetTokens * LETTERS_A_TOKEN;
  let from = history.length;
  while (from > 0 && left - history[from - 1]!.text.length >= 0) left -= history[--from]!.text.length;
  return { older: history.slice(0, from), recent: history.slice(from) };
}

/**
 * What was said before, in a few lines, together with an earlier summary; made beside the answer, for the next turn.
 * Undefined when it could not be made: then the next turn tries again.
 */
export async function summarise(
  llm: LlmClient,
  prompt: Prompt,
  request: AgentRequest,
  older: readonly HistoryEntry[],
  signal: AbortSignal,
): Promise<Summary | undefined> {
  const last = older.at(-1);
  if (!last) return undefined;
  const { model } = request.merchant.config;
  const said = older.map(({ who, text }) => `${who}: ${text}`).join("\n");
  try {
    const { text } = await llm.chat({
      model: model.name,
      messages: [
        { role: "system", content: prompt.fill({ language: request.language }) },
        { role: "user", content: [request.summary?.text, said].filter(Boolean).join("\n") },
      ],
      maxOutputTokens: 400,
      timeoutMs: model.timeoutMs,
      signal,
    });
    return { text: text.slice(0, 3000), until: last.at };
  } catch {
    return undefined;
  }
}
