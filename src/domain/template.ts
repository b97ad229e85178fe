export type TemplateCategory = "MARKETING" | "UTILITY" | "AUTHENTICATION";

/** A template as Meta holds it. Sendable only while `status` is APPROVED; both words are open sets. */
export type Template = {
  name: string;
  language: string;
  category: string;
  status: string;
  components: TemplateComponent[];
};

export type TemplateComponent = {
  type: string;
  format?: string;
  text?: string;
  buttons?: { type: string; text?: string; url?: string; example?: unknown }[];
  cards?: { components: TemplateComponent[] }[];
  [key: string]: unknown;
};
