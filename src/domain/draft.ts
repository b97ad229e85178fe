/** Why a message leaves. Taken from the template's current category for templates, never from the caller. */
export type Purpose = "reply" | "opt-out-confirmation" | "utility" | "authentication" | "marketing";

/** Who wrote it: the merchant's agent, one of our fixed sentences, a person, or the business API. */
export type Author = "agent" | "fixed" | "human" | "api";

/** Components of a template send in our words; `whatsapp/` turns them into Meta's. */
export type TemplateParameter =
  | { type: "text"; text: string; name?: string }
  | { type: "currency"; fallback: string; code: string; amount1000: number }
  | { type: "date-time"; fallback: string }
  | { type: "image" | "video" | "document"; id?: string; link?: string; filename?: string }
  | { type: "location"; latitude: number; longitude: number; name?: string; address?: string };

export type TemplateButton =
  | { type: "quick-reply"; index: number; payload: string }
  | { type: "url"; index: number; text: string }
  | { type: "copy-code"; index: number; code: string }
  | { type: "flow"; index: number; token?: string; data?: unknown }
  | { type: "catalog"; index: number; thumbnailProductId?: string };

export type TemplateCard = { header?: TemplateParameter; body?: TemplateParameter[]; buttons?: TemplateButton[] };

export type TemplateSend = {
  name: string;
  language: string;
  header?: TemplateParameter[];
  body?: TemplateParameter[];
  buttons?: TemplateButton[];
  limitedTimeOfferMs?: number;
  cards?: TemplateCard[];
};

/** One WhatsApp message that we may send. Lengths are Meta's: text 4,096, button body 1,024, titles 20 / 24. */
export type Content =
  | { type: "text"; text: string }
  | { type: "buttons"; text: string; buttons: { id: string; title: string }[] }
  | { type: "list"; text: string; button: string; rows: { id: string; title: string; description?: string }[] }
  | { type: "template"; template: TemplateSend };

/** What the agent wants to happen, before any guard or gate has seen it. */
export type Draft =
  | { type: "answer"; text: string; buttons?: { id: string; title: string }[]; list?: { button: string; rows: { id: string; title: string; description?: string }[] } }
  | { type: "hand-off"; text?: string }
  | { type: "end" };

export type Usage = { model: string; inputTokens: number; outputTokens: number; costUsd?: number };

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
