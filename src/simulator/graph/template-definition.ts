import { GraphError, invalidParam } from "../graph-error.ts";
import { asText, characters, isObject, type JsonObject, objectsOf } from "../json.ts";
import type { TemplateCategory } from "../templates.ts";
import { checkTemplateButtons } from "./template-definition-buttons.ts";

export type TemplateDefinition = {
  name: string;
  language: string;
  category: TemplateCategory;
  parameterFormat: "POSITIONAL" | "NAMED";
  components: readonly JsonObject[];
};

const CATEGORIES = ["AUTHENTICATION", "MARKETING", "UTILITY"];

/** Checks a new template as Meta does before it goes into review (limits and traps of reference 3.6). */
export function checkTemplate(body: JsonObject): TemplateDefinition {
  const name = asText(body.name);
  if (name === undefined) throw invalidParam("The parameter name is required.");
  if (!/^[a-z0-9_]{1,512}$/.test(name)) {
    throw invalidParam("Param name must contain only lowercase letters, digits and underscores, at most 512.");
  }
  const language = asText(body.language);
  if (language === undefined) throw invalidParam("The parameter language is required.");
  if (!/^[a-z]{2,3}(?:_[A-Z]{2,4})?$/.test(language))
    throw invalidParam(`Param language is not supported: ${language}`);
  const category = asText(body.category)?.toUpperCase() ?? "";
  if (!CATEGORIES.includes(category)) {
    throw invalidParam(`Param category must be one of {${CATEGORIES.join(", ")}} - got "${String(body.category)}".`);
  }
  const named = asText(body.parameter_format)?.toUpperCase() === "NAMED";
  const components = objectsOf(body.components);
  const isLibrary = body.library_template_name !== undefined;
  if (!isLibrary) checkComponents(components, category as TemplateCategory, named);
  return {
    name,
    language,
    category: category as TemplateCategory,
    parameterFormat: named ? "NAMED" : "POSITIONAL",
    components,
  };
}

function checkComponents(components: readonly JsonObject[], category: TemplateCategory, named: boolean): void {
  const of = (type: string) => components.filter((c) => String(c.type).toUpperCase() === type);
  const body = of("BODY")[0];
  if (body === undefined) throw new GraphError(2388072, "The template needs a body.");
  if (category !== "AUTHENTICATION") {
    checkBody(body, named);
    const header = of("HEADER")[0];
    if (header !== undefined) checkHeader(header, named);
    const footer = of("FOOTER")[0];
    if (footer !== undefined) checkFooter(footer);
  }
  for (const type of ["BODY", "HEADER", "FOOTER", "BUTTONS"]) {
    if (of(type).length > 1) throw invalidParam(`Only one component of type ${type} is allowed.`);
  }
  const buttons = of("BUTTONS")[0];
  if (buttons !== undefined) checkTemplateButtons(objectsOf(buttons.buttons));
  for (const card of objectsOf(of("CAROUSEL")[0]?.cards)) checkCard(card);
}

function checkBody(body: JsonObject, named: boolean): void {
  const text = asText(body.text);
  if (text === undefined) throw new GraphError(2388072, "The body needs a text.");
  if (characters(text) > 1024) throw new GraphError(2388040, "The body is longer than 1024 characters.");
  const variables = checkVariables(text, named);
  if (/^\s*\{\{|\}\}\s*$/.test(text)) throw new GraphError(2388299);
  const words = text
    .replace(/\{\{[^}]*\}\}/g, " ")
    .split(/\s+/)
    .filter((word) => word !== "").length;
  // Meta does not publish the ratio; fewer than two words a variable was always refused where it was seen.
  if (variables.length > 0 && words < variables.length * 2 + 1) throw new GraphError(2388293);
  requireExamples(body, variables, named, "body_text");
}

function checkHeader(header: JsonObject, named: boolean): void {
  const format = String(header.format ?? "TEXT").toUpperCase();
  if (!["TEXT", "IMAGE", "VIDEO", "DOCUMENT", "LOCATION", "GIF", "PRODUCT"].includes(format)) {
    throw new GraphError(2388047, `Header format ${format} is not valid.`);
  }
  if (format !== "TEXT") return;
  const text = asText(header.text);
  if (text === undefined) throw new GraphError(2388047, "The header needs a text.");
  if (characters(text) > 60) throw new GraphError(2388040, "The header is longer than 60 characters.");
  const variables = checkVariables(text, named);
  if (variables.length > 1) throw new GraphError(2388047, "The header may have one variable.");
  requireExamples(header, variables, named, "header_text");
}

function checkFooter(footer: JsonObject): void {
  const text = asText(footer.text);
  if (text === undefined || text.includes("{{")) throw new GraphError(2388073, "The footer must be plain text.");
  if (characters(text) > 60) throw new GraphError(2388040, "The footer is longer than 60 characters.");
}

function checkCard(card: JsonObject): void {
  const body = objectsOf(card.components).find((c) => String(c.type).toUpperCase() === "BODY");
  if (characters(asText(body?.text) ?? "") > 160)
    throw new GraphError(2388040, "A card's body is over 160 characters.");
}

function checkVariables(text: string, named: boolean): string[] {
  const variables = [...text.matchAll(/\{\{([^}]*)\}\}/g)].map((match) => (match[1] ?? "").trim());
  if (/\}\}\s*\{\{/.test(text)) throw new GraphError(2388072, "Variables may not stand next to each other.");
  if (named) {
    if (variables.some((name) => !/^[a-z_][a-z0-9_]*$/.test(name))) {
      throw invalidParam("Named parameters must be lowercase letters, digits and underscores.");
    }
    return [...new Set(variables)];
  }
  const numbers = [...new Set(variables)].map(Number).sort((a, b) => a - b);
  if (numbers.some((number, index) => number !== index + 1)) {
    throw new GraphError(2388072, "Variables must be numbered {{1}}, {{2}}, ... without gaps.");
  }
  return numbers.map(String);
}

function requireExamples(component: JsonObject, variables: readonly string[], named: boolean, key: string): void {
  if (variables.length === 0) return;
  const example = isObject(component.example) ? component.example : {};
  const given = named ? example[`${key}_named_params`] : example[key];
  const list = Array.isArray(given) && Array.isArray(given[0]) ? given[0] : given;
  if (!Array.isArray(list) || list.length < variables.length) {
    throw new GraphError(key === "body_text" ? 2388072 : 2388047, "Every variable needs an example.");
  }
}
