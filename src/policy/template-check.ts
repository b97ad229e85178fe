import type { TemplateSend } from "../domain/draft.ts";
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
        return (send.header ?? []).length > 0 ? undefined : "the header wants a location";
      return countProblem("header", variables(component.text), send.header ?? []);
    case "BODY":
      return countProblem("body", variables(component.text), send.body ?? []);
    case "BUTTONS":
      for (const [index, button] of (component.buttons ?? []).entries()) {
        const isDynamic = button.type.toUpperCase() === "URL" && /\{\{.+?\}\}/.test(button.url ?? "");
        const isCode = ["COPY_CODE", "OTP"].includes(button.type.toUpperCase());
        if ((isDynamic || isCode) && !(send.buttons ?? []).some((given) => given.index === index))
          return `button ${index} wants its value`;
      }
      return undefined;
    case "CAROUSEL":
      return (send.cards ?? []).length === (component.cards ?? []).length
        ? undefined
        : `the carousel wants ${(component.cards ?? []).length} cards, got ${(send.cards ?? []).length}`;
    case "LIMITED_TIME_OFFER":
      return send.limitedTimeOfferMs === undefined ? "the offer wants its expiry time" : undefined;
    default:
      return undefined;
  }
}

function countProblem(
  where: string,
  wanted: string[],
  given: readonly { type: string; text?: string; name?: string }[],
): string | undefined {
  if (given.some((parameter) => parameter.type === "text" && !parameter.text?.trim()))
    return `a ${where} variable is empty`;
  const isNamed = wanted.some((name) => !/^\d+$/.test(name));
  if (isNamed) {
    const absent = wanted.filter((name) => !given.some((parameter) => parameter.name === name));
    return absent.length > 0 ? `the ${where} wants ${absent.join(", ")}` : undefined;
  }
  return wanted.length === given.length
    ? undefined
    : `the ${where} wants ${wanted.length} variables, got ${given.length}`;
}

/** The distinct variable names of a template text, in order: `{{1}}`, `{{first_name}}`. */
export function variables(text: string | undefined): string[] {
  return [...new Set([...(text ?? "").matchAll(/\{\{\s*([\w]+)\s*\}\}/g)].map((match) => match[1]!))];
}
