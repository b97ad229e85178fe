import { z } from "zod";

/** Why a message leaves. Taken from the template's current category for templates, never from the caller. */
export type Purpose = "reply" | "opt-out-confirmation" | "utility" | "authentication" | "marketing";

/** Who wrote it: the merchant's agent, one of our fixed sentences, a person, or the business API. */
export type Author = "agent" | "fixed" | "human" | "api";

const index = z.number().int().min(0).max(9);

export const templateParameterSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: z.string().max(4096), name: z.string().optional() }),
  z.strictObject({
    type: z.literal("currency"),
    fallback: z.string(),
    code: z.string().length(3),
    amount1000: z.number().int(),
  }),
  z.strictObject({ type: z.literal("date-time"), fallback: z.string() }),
  z.strictObject({
    type: z.enum(["image", "video", "document"]),
    id: z.string().optional(),
    link: z.url().optional(),
    filename: z.string().optional(),
  }),
  z.strictObject({
    type: z.literal("location"),
    latitude: z.number(),
    longitude: z.number(),
    name: z.string().optional(),
    address: z.string().optional(),
  }),
]);

export const templateButtonSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("quick-reply"), index, payload: z.string().max(256) }),
  z.strictObject({ type: z.literal("url"), index, text: z.string().max(2000) }),
  z.strictObject({ type: z.literal("copy-code"), index, code: z.string().max(20) }),
  z.strictObject({ type: z.literal("flow"), index, token: z.string().optional(), data: z.unknown().optional() }),
  z.strictObject({ type: z.literal("catalog"), index, thumbnailProductId: z.string().optional() }),
]);

const cardSchema = z.strictObject({
  header: templateParameterSchema.optional(),
  body: z.array(templateParameterSchema).optional(),
  buttons: z.array(templateButtonSchema).optional(),
});

/** A template send in our words, with all component kinds; `whatsapp/` turns it into Meta's. */
export const templateSendSchema = z.strictObject({
  name: z.string().regex(/^[a-z0-9_]{1,512}$/),
  language: z.string().min(2).max(10),
  header: z.array(templateParameterSchema).optional(),
  body: z.array(templateParameterSchema).optional(),
  buttons: z.array(templateButtonSchema).optional(),
  limitedTimeOfferMs: z.number().int().optional(),
  cards: z.array(cardSchema).max(10).optional(),
});

export type TemplateParameter = z.infer<typeof templateParameterSchema>;
export type TemplateButton = z.infer<typeof templateButtonSchema>;
export type TemplateSend = z.infer<typeof templateSendSchema>;

/** One WhatsApp message that we may send. Lengths are Meta's: text 4,096, button body 1,024, titles 20 / 24. */
export type Content =
  | { type: "text"; text: string }
  | { type: "buttons"; text: string; buttons: { id: string; title: string }[] }
  | { type: "list"; text: string; button: string; rows: { id: string; title: string; description?: string }[] }
  | { type: "template"; template: TemplateSend };

/** What the agent wants to happen, before any guard or gate has seen it. */
export type Draft =
  | {
      type: "answer";
      text: string;
      buttons?: { id: string; title: string }[];
      list?: { button: string; rows: { id: string; title: string; description?: string }[] };
    }
  | { type: "hand-off"; text?: string }
  | { type: "end" };

export type Usage = { model: string; inputTokens: number; outputTokens: number; costUsd?: number };

/** How a draft came about: what was tried, what was called, what it rests on. No words of anybody. */
export type AgentTrace = {
  source: "model" | "knowledge";
  tries: { model: string; ms: number; error?: string }[];
  tools: { name: string; ms: number; ok: boolean; error?: string }[];
  cites: string[];
};

/** What was said earlier in a conversation that is too long to be read whole. */
export type Summary = { text: string; until: Date };

/** The words a person reads in a message, for history, guards and the console. */
export function textOf(content: Content): string {
  switch (content.type) {
    case "text":
      return content.text;
    case "buttons":
      return [content.text, ...content.buttons.map((button) => `[${button.title}]`)].join("\n");
    case "list":
      return [content.text, ...content.rows.map((row) => `- ${row.title}`)].join("\n");
    case "template":
      return `[template ${content.template.name} ${content.template.language}] ${(content.template.body ?? []).map((parameter) => (parameter.type === "text" ? parameter.text : parameter.type)).join(" | ")}`.trim();
  }
}

/** Two usages as one: the model is that of the last. */
export function addUsage(before: Usage | undefined, more: Usage): Usage {
  if (!before) return more;
  const cost = (before.costUsd ?? 0) + (more.costUsd ?? 0);
  return {
    model: more.model,
    inputTokens: before.inputTokens + more.inputTokens,
    outputTokens: before.outputTokens + more.outputTokens,
    ...(before.costUsd === undefined && more.costUsd === undefined ? {} : { costUsd: cost }),
  };
}
