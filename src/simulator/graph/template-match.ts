import { GraphError, invalidParam } from "../graph-error.ts";
import { characters, type JsonObject, objectsOf } from "../json.ts";
import type { Template, TemplatePlan, TemplateShelf } from "../templates.ts";
import { invalid, missing, requireList, requireObject, requireText } from "./checks.ts";
import type { MediaLookup } from "./media-shape.ts";
import { matchButtons } from "./template-buttons.ts";
import { fillText, matchHeader, readParameters } from "./template-parameters.ts";

export type MatchedTemplate = {
  template: Template;
  /** What the person reads. */
  text: string;
  buttons: { id: string; title: string }[];
};

const COMPONENTS = ["header", "body", "button", "limited_time_offer", "carousel"] as const;

/**
 * Finds the template by name and exact language and checks the parameters against its definition. There is no fallback
 * language, and only APPROVED may be sent (reference 3.5, 3.6).
 */
export function matchTemplate(content: JsonObject, shelf: TemplateShelf, lookup: MediaLookup): MatchedTemplate {
  const name = requireText(content, "name", "template['name']");
  const language = requireObject(content, "language", "template['language']");
  const code = requireText(language, "code", "template['language']['code']");
  if (language.policy !== undefined && language.policy !== "deterministic") {
    throw invalidParam("Param template['language']['policy'] must be one of {DETERMINISTIC}");
  }
  const components = content.components == null ? [] : requireList(content, "components", "template['components']");
  for (const component of components) {
    const type = String(component.type).toLowerCase();
    if (!COMPONENTS.includes(type as (typeof COMPONENTS)[number])) {
      throw invalidParam(
        `Param template['components'] type must be one of {BODY, BUTTON, CAROUSEL, HEADER} - got "${type}".`,
      );
    }
  }
  const template = sendable(shelf.find(name, code), name, code);
  const named = template.parameterFormat === "NAMED";
  const { text, buttons } = matchComponents(template.plan, components, named, lookup);
  return { template, text, buttons };
}

function sendable(template: Template | undefined, name: string, code: string): Template {
  switch (template?.status) {
    case "APPROVED":
      return template;
    case "PAUSED":
      throw new GraphError(132015, `Template ${name} is paused due to low quality and cannot be sent.`);
    case "DISABLED":
      throw new GraphError(132016, `Template ${name} is disabled and cannot be sent.`);
    default:
      throw new GraphError(132001, `template name (${name}) does not exist in ${code}`);
  }
}

function matchComponents(
  plan: TemplatePlan,
  components: readonly JsonObject[],
  named: boolean,
  lookup: MediaLookup,
): { text: string; buttons: { id: string; title: string }[] } {
  const of = (type: string) => components.filter((c) => String(c.type).toLowerCase() === type);
  for (const type of ["header", "body", "limited_time_offer", "carousel"]) {
    if (of(type).length > 1) throw invalid(`Only one component of type ${type} is allowed`);
  }
  const header = matchHeader(plan, of("header")[0], named, lookup);
  const values = readParameters(of("body")[0], plan.body.variables, named, "body");
  const body = fillText(plan.body.text, plan.body.variables, values);
  // The documented limits for a filled body: 1024, or 32768 when the template is nothing but a body.
  const onlyBody = plan.header.format === "NONE" && plan.footer === "" && plan.buttons.length === 0;
  if (characters(body) > (onlyBody ? 32_768 : 1024)) {
    throw new GraphError(132005, "body: the hydrated text is too long");
  }
  if (plan.limitedTimeOffer) requireOffer(of("limited_time_offer")[0]);
  const buttons = matchButtons(plan.buttons, of("button"));
  const cards = matchCards(plan, of("carousel")[0], named, lookup);
  return { text: [header, body, plan.footer, ...cards].filter((part) => part !== "").join("\n"), buttons };
}

function requireOffer(component: JsonObject | undefined): void {
  const parameter = objectsOf(component?.parameters)[0];
  if (parameter === undefined) throw missing("limited_time_offer['parameters']");
  const offer = requireObject(parameter, "limited_time_offer");
  if (typeof offer.expiration_time_ms !== "number") throw missing("limited_time_offer['expiration_time_ms']");
}

function matchCards(
  plan: TemplatePlan,
  component: JsonObject | undefined,
  named: boolean,
  lookup: MediaLookup,
): string[] {
  if (plan.cards.length === 0) {
    if (component !== undefined) throw new GraphError(132012, "carousel: the template has no carousel");
    return [];
  }
  const cards = component === undefined ? [] : requireList(component, "cards", "carousel['cards']");
  if (cards.length !== plan.cards.length) {
    throw new GraphError(
      132012,
      `carousel: number of cards (${cards.length}) does not match the expected number of cards (${plan.cards.length})`,
    );
  }
  return cards.map((card, position) => {
    const index = Number(card.card_index ?? position);
    const cardPlan = plan.cards[index];
    if (cardPlan === undefined) throw invalid(`carousel: card_index ${index} is not valid`);
    return matchComponents(cardPlan, requireList(card, "components", "card['components']"), named, lookup).text;
  });
}
