import { businessName } from "../domain/merchant.ts";
import type { ChatMessage } from "../llm/client.ts";
import type { AgentRequest, KnowledgePort } from "../ports.ts";
import type { Prompt } from "./prompt.ts";

/** Documents this short are read whole; of longer ones the passages that are about the question. */
const WHOLE_LIMIT = 12_000;
const MERCHANT_TEXT_LIMIT = 40_000;
const PASSAGES = 8;

/** What the model reads: our rules, the merchant's own words as fenced data, what was said, and the question. */
export async function contextFor(
  { knowledge }: { knowledge: KnowledgePort },
  prompt: Prompt,
  request: AgentRequest,
  notes: readonly string[],
): Promise<{ system: string; messages: ChatMessage[] }> {
  const { config } = request.merchant;
  const merchant = [config.promptText, await documents(knowledge, request)].join("\n\n").slice(0, MERCHANT_TEXT_LIMIT);
  const told = request.summary ? [`Earlier in this chat: ${request.summary.text}`, ...notes] : notes;
  const system = prompt.fill({
    business: businessName(config, request.language),
    language: request.language,
    notes: told.map((note) => `- ${note}`).join("\n"),
    merchant,
  });
  const history = request.history.map(
    (entry): ChatMessage => ({ role: entry.who === "customer" ? "user" : "assistant", content: entry.text }),
  );
  return { system, messages: [...history, { role: "user", content: request.question }] };
}

async function documents(knowledge: KnowledgePort, request: AgentRequest): Promise<string> {
  const { knowledgeTexts } = request.merchant.config;
  const size = knowledgeTexts.reduce((sum, { text }) => sum + text.length, 0);
  if (size <= WHOLE_LIMIT) return knowledgeTexts.map(({ file, text }) => `# ${file}\n${text}`).join("\n\n");
  const passages = await knowledge.passages(request.merchant.id, request.question, request.language, PASSAGES);
  return passages.map(({ title, text }) => `# ${title}\n${text}`).join("\n\n");
}
