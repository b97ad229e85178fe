import { asObject, asText, type JsonObject, objectsOf } from "./json.ts";

export type TemplateCategory = "MARKETING" | "UTILITY" | "AUTHENTICATION";

export type Template = {
  id: string;
  name: string;
  language: string;
  category: TemplateCategory;
  status: string;
  parameterFormat: "POSITIONAL" | "NAMED";
  components: readonly JsonObject[];
  qualityScore: string;
  rejectedReason: string;
  /** What a send answers `held_for_quality_assessment` for, and what becomes of it (reference 3.6, pacing). */
  held?: "release" | "drop";
  plan: TemplatePlan;
};

export type TemplateInput = Omit<Partial<Template>, "plan" | "components"> & {
  name: string;
  language: string;
  components?: readonly JsonObject[];
};

/** What a send of the template must supply, worked out once when the template is stored. */
export type TemplatePlan = {
  header: { format: string; text: string; variables: readonly string[] };
  body: { text: string; variables: readonly string[] };
  footer: string;
  buttons: readonly ButtonPlan[];
  limitedTimeOffer: boolean;
  cards: readonly TemplatePlan[];
};

export type ButtonPlan = { type: string; text: string; needsParameter: boolean };

/** The templates of one WABA, by name and exact language. */
export class TemplateShelf {
  readonly #byKey = new Map<string, Template>();

  find(name: string, language: string): Template | undefined {
    return this.#byKey.get(`${name}|${language}`);
  }

  list(): Template[] {
    return [...this.#byKey.values()];
  }

  put(input: TemplateInput, makeId: () => string): Template {
    const old = this.find(input.name, input.language);
    const components = input.components ?? old?.components ?? [];
    const category = input.category ?? old?.category ?? "UTILITY";
    const template: Template = {
      id: input.id ?? old?.id ?? makeId(),
      name: input.name,
      language: input.language,
      category,
      status: input.status ?? old?.status ?? "APPROVED",
      parameterFormat: input.parameterFormat ?? old?.parameterFormat ?? "POSITIONAL",
      components,
      qualityScore: input.qualityScore ?? old?.qualityScore ?? "UNKNOWN",
      rejectedReason: input.rejectedReason ?? old?.rejectedReason ?? "NONE",
      held: "held" in input ? input.held : old?.held,
      plan: planOf(components, category),
    };
    this.#byKey.set(`${template.name}|${template.language}`, template);
    return template;
  }

  remove(template: Template): void {
    this.#byKey.delete(`${template.name}|${template.language}`);
  }
}

/** Reads the components of a template definition. */
export function planOf(components: readonly JsonObject[], category: TemplateCategory): TemplatePlan {
  const of = (type: string) => components.find((c) => String(c.type).toUpperCase() === type);
  const header = of("HEADER");
  const body = of("BODY");
  const headerText = asText(header?.text) ?? "";
  const bodyText = asText(body?.text) ?? (category === "AUTHENTICATION" ? "*{{1}}* is your verification code." : "");
  return {
    header: {
      format: header === undefined ? "NONE" : String(header.format ?? "TEXT").toUpperCase(),
      text: headerText,
      variables: variablesOf(headerText),
    },
    body: { text: bodyText, variables: variablesOf(bodyText) },
    footer: asText(of("FOOTER")?.text) ?? "",
    buttons: objectsOf(of("BUTTONS")?.buttons).map(buttonPlan),
    limitedTimeOffer: asObject(of("LIMITED_TIME_OFFER")?.limited_time_offer).has_expiration === true,
    cards: objectsOf(of("CAROUSEL")?.cards).map((card) => planOf(objectsOf(card.components), "MARKETING")),
  };
}

function buttonPlan(button: JsonObject): ButtonPlan {
  const type = String(button.type).toUpperCase();
  const needsParameter =
    (type === "URL" && /\{\{.+\}\}/.test(String(button.url))) || type === "OTP" || type === "COPY_CODE";
  return { type, text: asText(button.text) ?? type, needsParameter };
}

function variablesOf(text: string): string[] {
  return [...new Set([...text.matchAll(/\{\{\s*([\w]+)\s*\}\}/g)].map((match) => match[1] ?? ""))];
}
