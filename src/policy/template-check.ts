import type { TemplateButton, TemplateSend } from "../domain/draft.ts";
import type { Template, TemplateComponent } from "../domain/template.ts";
import type { Refusal } from "./reasons.ts";

export type TemplateFacts = {
  /** The template in exactly this language, as last synchronised; undefined when there is none. */
  template: Template | undefined;
  /** Languages in which the name exists at all. */
  languages: readonly string[];
};

export type TemplateProblem = { reason: Refusal; detail: string };

/**
 * What Meta would refuse (132000, 132001, 132012, 132015, 132016), found before the POST. Sendable only while the status
 * is APPROVED (Meta, template lifecycle); languages never fall back by themselves.
 */
export function checkTemplate(send: TemplateSend, facts: TemplateFacts): TemplateProblem | undefined {
  if (!facts.template) {
    if (facts.languages.length === 0)
      return { reason: "template-unknown", detail: `"${send.name}" does not exist at this WABA` };
    return {
      reason: "template-language-missing",
      detail: `"${send.name}" has no "${send.language}"; it has ${facts.languages.join(", ")}`,
    };
  }
  if (facts.template.status !== "APPROVED")
    return { reason: "template-not-approved", detail: `"${send.name}" ${send.language} is ${facts.template.status}` };
  const missing = missingVariables(send, facts.template.components);
  return missing
    ? { reason: "template-variables-missing", detail: `"${send.name}" ${send.language}: ${missing}` }
    : undefined;
}

function missingVariables(send: TemplateSend, components: readonly TemplateComponent[]): string | undefined {
  const has = (type: string) => components.some((component) => component.type.toUpperCase() === type);
  if ((send.header ?? []).length > 0 && !has("HEADER")) return "it has no header, but one was given";
  if ((send.buttons ?? []).length > 0 && !has("BUTTONS")) return "it has no buttons, but values for some were given";
  if ((send.cards ?? []).length > 0 && !has("CAROUSEL")) return "it is no carousel, but cards were given";
  if ((send.body ?? []).length > 0 && !has("BODY")) return "it has no body, but values for one were given";
  if (send.limitedTimeOfferMs !== undefined && !has("LIMITED_TIME_OFFER"))
    return "it is no limited-time offer, but an expiry was given";
  const media = [...(send.header ?? []), ...(send.body ?? [])].find(
    (value) => "link" in value && value.link === undefined && "id" in value && value.id === undefined,
  );
  if (media) return `the ${media.type} has neither id nor link`;
  if ((send.body ?? []).some((value) => ["image", "video", "document", "location"].includes(value.type)))
    return "a body variable takes text, an amount or a date";
  for (const component of components) {
    const problem = componentProblem(send, component);
    if (problem) return problem;
  }
  return undefined;
}

function componentProblem(send: TemplateSend, component: TemplateComponent): string | undefined {
  switch (component.type.toUpperCase()) {
    case "HEADER":
      if (component.format && !["TEXT", "LOCATION"].includes(component.format.toUpperCase()))
        return (send.header ?? []).some((parameter) => parameter.type === component.format!.toLowerCase())
          ? undefined
          : `the header wants a ${component.format.toLowerCase()}`;
      if (component.format?.toUpperCase() === "LOCATION")
        return send.header?.length === 1 && send.header[0]!.type === "location"
          ? undefined
          : "the header wants a location";
      if ((send.header ?? []).some((value) => value.type !== "text")) return "the header wants text";
      return countProblem("header", variables(component.text), send.header ?? []);
    case "BODY":
      return countProblem("body", variables(component.text), send.body ?? []);
    case "BUTTONS":
      return buttonsProblem(send.buttons ?? [], component.buttons ?? []);
    case "CAROUSEL": {
      const cards = component.cards ?? [];
      if ((send.cards ?? []).length !== cards.length)
        return `the carousel wants ${cards.length} cards, got ${(send.cards ?? []).length}`;
      for (const [index, card] of cards.entries()) {
        const given = send.cards![index]!;
        const problem = missingVariables(
          {
            name: send.name,
            language: send.language,
            header: given.header ? [given.header] : undefined,
            body: given.body,
            buttons: given.buttons,
          },
          card.components,
        );
        if (problem) return `card ${index}: ${problem}`;
      }
      return undefined;
    }
    case "LIMITED_TIME_OFFER":
      return send.limitedTimeOfferMs === undefined ? "the offer wants its expiry time" : undefined;
    default:
      return undefined;
  }
}

type Defined = { type: string; text?: string; url?: string };

/** Every dynamic button needs its value, and every value its button of that kind. */
function buttonsProblem(given: readonly TemplateButton[], defined: readonly Defined[]): string | undefined {
  const kinds: Record<TemplateButton["type"], string[]> = {
    "quick-reply": ["QUICK_REPLY"],
    url: ["URL", "OTP"],
    "copy-code": ["COPY_CODE"],
    flow: ["FLOW"],
    catalog: ["CATALOG", "MPM", "SPM"],
  };
  for (const value of given) {
    const button = defined[value.index];
    if (!button) return `there is no button ${value.index}`;
    if (given.filter((other) => other.index === value.index).length > 1) return `button ${value.index} got two values`;
    if (!kinds[value.type].includes(button.type.toUpperCase()))
      return `button ${value.index} is a ${button.type.toLowerCase()}, got a value for ${value.type}`;
  }
  for (const [index, button] of defined.entries()) {
    const isDynamic = button.type.toUpperCase() === "URL" && /\{\{.+?\}\}/.test(button.url ?? "");
    const isCode = ["COPY_CODE", "OTP"].includes(button.type.toUpperCase());
    if ((isDynamic || isCode) && !given.some((value) => value.index === index))
      return `button ${index} wants its value`;
  }
  return undefined;
}

function countProblem(
  where: string,
  wanted: string[],
  given: readonly { type: string; text?: string; name?: string }[],
): string | undefined {
  if (given.some((parameter) => parameter.type === "text" && !parameter.text?.trim()))
    return `a ${where} variable is empty`;
  if (given.some((parameter) => /[\n\t]| {5,}/.test(parameter.text ?? "")))
    return `a ${where} variable has a line break, a tab or a run of spaces`;
  const isNamed = wanted.some((name) => !/^\d+$/.test(name));
  if (isNamed) {
    const absent = wanted.filter((name) => !given.some((parameter) => parameter.name === name));
    if (absent.length > 0) return `the ${where} wants ${absent.join(", ")}`;
    return given.length === wanted.length
      ? undefined
      : `the ${where} wants ${wanted.length} variables, got ${given.length}`;
  }
  return wanted.length === given.length
    ? undefined
    : `the ${where} wants ${wanted.length} variables, got ${given.length}`;
}

/** The distinct variable names of a template text, in order: `{{1}}`, `{{first_name}}`. */
export function variables(text: string | undefined): string[] {
  return [...new Set([...(text ?? "").matchAll(/\{\{\s*([\w]+)\s*\}\}/g)].map((match) => match[1]!))];
}
