import { createHash } from "node:crypto";
import { z } from "zod";
import { type Content, textOf } from "../../domain/draft.ts";
import type { SimItem, TemplateDefinition } from "./doors.ts";

/** A message as the page draws it. `key` stands for the wamid, which holds a phone number and never leaves. */
export type Bubble = {
  key: string;
  from: "customer" | "business" | "staff";
  at: number;
  type: string;
  header?: string;
  text: string;
  footer?: string;
  /** Reply buttons and a template's quick replies can be tapped; a link only shows where it would lead. */
  buttons: { id: string; title: string; kind: "reply" | "link" }[];
  list?: { button: string; sections: { title: string; rows: { id: string; title: string; description?: string }[] }[] };
  image?: string;
  place?: { name: string; latitude: number; longitude: number };
  template?: { name: string; category: string };
  status?: string;
  errorCode?: number;
  statusAt?: Record<string, number>;
};

export function keyOf(wamid: string): string {
  return createHash("sha256").update(wamid).digest("base64url").slice(0, 20);
}

const text = z.string().catch("");
const words = z.object({ text }).catch({ text: "" });
const interactive = z.object({
  type: text,
  header: words.optional(),
  body: words.optional(),
  footer: words.optional(),
  action: z
    .object({
      button: text,
      sections: z
        .array(
          z.object({
            title: text,
            rows: z.array(z.object({ id: text, title: text, description: z.string().optional() })).catch([]),
          }),
        )
        .catch([]),
    })
    .catch({ button: "", sections: [] }),
});
const reply = z.object({ title: text });
const answered = z.object({ button_reply: reply.optional(), list_reply: reply.optional() });
const media = z.object({ id: text, caption: text });
const place = z.object({ latitude: z.number(), longitude: z.number(), name: text });
const parameter = z.looseObject({ type: text });
const templateBody = z.object({
  name: text,
  language: z.object({ code: text }).catch({ code: "" }),
  components: z.array(z.object({ type: text, parameters: z.array(parameter).catch([]) })).catch([]),
});

/** Reads a message of the simulated chat into what the page draws; an unknown shape keeps its readable text. */
export function bubbleOf(item: SimItem, definitions: readonly TemplateDefinition[]): Bubble {
  const base: Bubble = {
    key: keyOf(item.wamid),
    from: item.direction === "in" ? "customer" : item.direction === "echo" ? "staff" : "business",
    at: item.at,
    type: item.type,
    text: item.text,
    buttons: (item.buttons ?? []).map((button) => ({ ...button, kind: "reply" as const })),
    status: item.status,
    errorCode: item.errorCode,
    statusAt: item.statusAt,
  };
  switch (item.type) {
    case "interactive":
      return item.direction === "in" ? { ...base, text: titleOf(item.body) ?? item.text } : interactiveOf(base, item);
    case "template":
      return templateOf(base, item, definitions);
    case "image":
    case "sticker": {
      const { id, caption } = media.catch({ id: "", caption: "" }).parse(item.body);
      return { ...base, text: caption, ...(id ? { image: id } : {}) };
    }
    case "location": {
      const parsed = place.safeParse(item.body);
      return parsed.success ? { ...base, text: "", place: parsed.data } : base;
    }
    default:
      return base;
  }
}

function titleOf(body: unknown): string | undefined {
  const parsed = answered.safeParse(body);
  return parsed.data?.button_reply?.title ?? parsed.data?.list_reply?.title;
}

function interactiveOf(base: Bubble, item: SimItem): Bubble {
  const parsed = interactive.safeParse(item.body);
  if (!parsed.success) return base;
  const { type, header, body, footer, action } = parsed.data;
  return {
    ...base,
    ...(header?.text ? { header: header.text } : {}),
    text: body?.text ?? base.text,
    ...(footer?.text ? { footer: footer.text } : {}),
    ...(type === "list" ? { buttons: [], list: { button: action.button, sections: action.sections } } : {}),
  };
}

/** The template's own parts with the variables filled in, for the person to see what they would see. */
function templateOf(base: Bubble, item: SimItem, definitions: readonly TemplateDefinition[]): Bubble {
  const parsed = templateBody.safeParse(item.body);
  const send = parsed.data;
  const definition = send && definitions.find((one) => one.name === send.name && one.language === send.language.code);
  if (!definition) return base;
  const part = (type: string) => definition.components.find((component) => component.type.toUpperCase() === type);
  const filled = (type: string) => fill(part(type)?.text ?? "", parametersOf(send, type));
  const kinds = (part("BUTTONS")?.buttons ?? []).map((button) => button.type.toUpperCase());
  const [header, body, footer] = [filled("HEADER"), filled("BODY"), part("FOOTER")?.text ?? ""];
  return {
    ...base,
    ...(header ? { header } : {}),
    text: body || base.text,
    ...(footer ? { footer } : {}),
    buttons: base.buttons.map((button, index) => ({
      ...button,
      kind: (kinds[index] ?? "QUICK_REPLY") === "QUICK_REPLY" ? "reply" : "link",
    })),
    template: { name: definition.name, category: definition.category },
  };
}

function parametersOf(send: z.infer<typeof templateBody>, type: string): string[] {
  const component = send.components.find((one) => one.type.toUpperCase() === type);
  return (component?.parameters ?? []).map((value) => {
    const shown = value as {
      text?: unknown;
      currency?: { fallback_value?: unknown };
      date_time?: { fallback_value?: unknown };
    };
    return String(shown.text ?? shown.currency?.fallback_value ?? shown.date_time?.fallback_value ?? "");
  });
}

/** The words of a message that has not left, as the person would read them. */
export function wordsOf(content: Content, definitions: readonly TemplateDefinition[]): string {
  if (content.type !== "template") return textOf(content);
  const { name, language, body = [] } = content.template;
  const definition = definitions.find((one) => one.name === name && one.language === language);
  const text = definition?.components.find((component) => component.type.toUpperCase() === "BODY")?.text;
  const values = body.map((value) => (value.type === "text" ? value.text : "fallback" in value ? value.fallback : ""));
  return text ? fill(text, values) : textOf(content);
}

/** Variables by their order of appearance, which serves numbered and named ones alike. */
function fill(template: string, values: readonly string[]): string {
  const names: string[] = [];
  return template.replace(/\{\{\s*([^}]+?)\s*\}\}/g, (whole, name: string) => {
    if (!names.includes(name)) names.push(name);
    return values[names.indexOf(name)] ?? whole;
  });
}

/** The example values a template was submitted with: enough to send it for a look. */
export function exampleOf(definition: TemplateDefinition): { type: "text"; text: string; name?: string }[] {
  const body = definition.components.find((component) => component.type.toUpperCase() === "BODY");
  const { body_text, body_text_named_params } = examples.parse(body?.example ?? {});
  const names = [...new Set([...(body?.text ?? "").matchAll(/\{\{\s*([^}]+?)\s*\}\}/g)].map((match) => match[1]!))];
  return names.map((name, index) => {
    if (/^\d+$/.test(name)) return { type: "text", text: body_text[0]?.[index] ?? "…" };
    return { type: "text", name, text: body_text_named_params.find((one) => one.param_name === name)?.example ?? "…" };
  });
}

const examples = z.object({
  body_text: z.array(z.array(z.string())).catch([]),
  body_text_named_params: z.array(z.object({ param_name: z.string(), example: z.string() })).catch([]),
});
