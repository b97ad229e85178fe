import { z } from "zod";
import type { ChatRequest } from "./chat-request.ts";
import { lastUserText } from "./chat-request.ts";

/** One scripted behaviour. The first rule whose `when` fits the last user message is used. */
export const Rule = z.object({
  /** A substring (case does not matter) or a regular expression written as `/.../flags`. Absent: always. */
  when: z.string().optional(),
  /** Also required: a substring of any system message, to script one prompt (a judge, a translator) alone. */
  whenSystem: z.string().optional(),
  reply: z.string().optional(),
  toolCalls: z.array(z.object({ name: z.string(), arguments: z.unknown().optional() })).optional(),
  /** Calls its tools also after a tool's result, for ever. */
  again: z.boolean().optional(),
  /** Replied as JSON text. */
  json: z.unknown().optional(),
  delayMs: z.number().min(0).optional(),
  /** An HTTP error instead of a completion. */
  status: z.number().int().min(400).max(599).optional(),
  retryAfter: z.number().optional(),
  /** Status 200 with a body that is no JSON. */
  garbage: z.boolean().optional(),
  /** An empty reply. */
  empty: z.boolean().optional(),
  /** No answer until the caller gives up. */
  hang: z.boolean().optional(),
  /** Pads the reply to this many bytes. */
  sizeBytes: z.number().int().min(0).optional(),
  finishReason: z.string().optional(),
  /** Used up after so many calls. */
  times: z.number().int().min(1).optional(),
});

export type Rule = z.output<typeof Rule>;

export const Script = z.object({ rules: z.array(Rule).default([]), default: Rule.optional() });

/** The rules in force and how they are chosen. */
export class RuleBook {
  #rules: Rule[] = [];
  #default: Rule | undefined;

  set(script: z.output<typeof Script>): void {
    this.#rules = script.rules.map((rule) => ({ ...rule }));
    this.#default = script.default;
  }

  /** The rule for a call, counted down; undefined leaves it to the demo assistant. */
  take(request: ChatRequest): Rule | undefined {
    const rule = this.#rules.find((candidate) => fits(candidate, request)) ?? this.#default;
    if (rule?.times !== undefined && --rule.times <= 0) this.#rules = this.#rules.filter((other) => other !== rule);
    return rule;
  }
}

function fits(rule: Rule, request: ChatRequest): boolean {
  // After a tool's result, a rule that only calls tools would call them forever.
  const isAfterTool = request.messages.at(-1)?.role === "tool";
  if (isAfterTool && !rule.again && rule.toolCalls !== undefined && rule.reply === undefined && rule.json === undefined)
    return false;
  if (rule.whenSystem !== undefined) {
    const wanted = rule.whenSystem.toLowerCase();
    const system = request.messages.filter((message) => message.role === "system" || message.role === "developer");
    if (!system.some((message) => message.text.toLowerCase().includes(wanted))) return false;
  }
  return rule.when === undefined || matches(rule.when, lastUserText(request));
}

function matches(pattern: string, text: string): boolean {
  const regex = pattern.match(/^\/(.+)\/([a-z]*)$/s);
  if (regex !== null) return new RegExp(regex[1] ?? "", regex[2]).test(text);
  return text.toLowerCase().includes(pattern.toLowerCase());
}
