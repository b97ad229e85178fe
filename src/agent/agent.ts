import type { Draft } from "../domain/draft.ts";
import { businessName } from "../domain/merchant.ts";
import type { ChatMessage, LlmClient } from "../llm/client.ts";
import type { AgentPort, AgentRequest } from "../ports.ts";
import { loadPrompt, type Prompt } from "./prompt.ts";

const MERCHANT_TEXT_LIMIT = 40_000;

/** The merchant's agent in its simplest form: our rules, the merchant's text as fenced data, the conversation, one call. */
export function createAgent(llm: LlmClient, prompt: Prompt = loadPrompt()): AgentPort {
  return {
    version: (merchant) => `${merchant.version}+${prompt.id}-${prompt.version}`,
    async draft(request, signal) {
      const { model } = request.merchant.config;
      const { text, usage } = await llm.chat({
        model: model.name,
        messages: messagesFor(prompt, request),
        maxOutputTokens: model.maxOutputTokens,
        timeoutMs: model.timeoutMs,
        signal,
      });
      return { draft: asDraft(text), usage };
    },
  };
}

function messagesFor(prompt: Prompt, request: AgentRequest): ChatMessage[] {
  const { config } = request.merchant;
  const merchant = [config.promptText, ...config.knowledgeTexts.map(({ file, text }) => `# ${file}\n${text}`)]
    .join("\n\n")
    .slice(0, MERCHANT_TEXT_LIMIT);
  const system = prompt.fill({
    business: businessName(config, request.language),
    language: request.language,
    notes: request.notes.map((note) => `- ${note}`).join("\n"),
    merchant,
  });
  const history = request.history.map(
    (entry): ChatMessage => ({ role: entry.who === "customer" ? "user" : "assistant", content: entry.text }),
  );
  return [{ role: "system", content: system }, ...history, { role: "user", content: request.question }];
}

function asDraft(text: string): Draft {
  const trimmed = text.trim();
  if (/\[\[hand-?off\]\]/i.test(trimmed)) return { type: "hand-off" };
  const words = trimmed.replace(/\[\[end\]\]/gi, "").trim();
  return words === "" ? { type: "end" } : { type: "answer", text: words };
}
