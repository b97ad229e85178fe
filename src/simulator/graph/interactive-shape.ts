import { isObject, type JsonObject } from "../json.ts";
import { invalid, lengthWithin, missing, requireList, requireObject, requireText } from "./checks.ts";
import { checkMedia, type MediaLookup } from "./media-shape.ts";
import { checkProductLists } from "./product-shape.ts";

type Rule = {
  bodyMax?: number;
  bodyOptional?: boolean;
  headers: readonly string[];
  headerRequired?: boolean;
  action: (action: JsonObject, lookup: MediaLookup) => void;
};

const MEDIA_HEADERS = ["image", "video", "document"] as const;

/** Each interactive type with its limits (reference 3.2). */
const RULES: Readonly<Record<string, Rule>> = {
  button: { headers: ["text", ...MEDIA_HEADERS], action: checkReplyButtons },
  list: { bodyMax: 4096, headers: ["text"], action: checkList },
  cta_url: { headers: ["text", ...MEDIA_HEADERS], action: checkCtaUrl },
  location_request_message: { headers: [], action: named("send_location") },
  flow: { headers: ["text", ...MEDIA_HEADERS], action: checkFlow },
  product: { bodyOptional: true, headers: [], action: checkProduct },
  product_list: { headers: ["text"], headerRequired: true, action: checkProductLists },
  catalog_message: { headers: [], action: named("catalog_message") },
  carousel: { headers: [], action: checkCarousel },
  order_details: { headers: ["image", "text"], action: named("review_and_pay") },
  order_status: { headers: [], action: named("review_order") },
  voice_call: { headers: [], action: named("voice_call") },
  call_permission_request: { bodyOptional: true, headers: [], action: named("call_permission_request") },
  request_contact_info: { headers: [], action: () => {} },
  address_message: { headers: [], action: named("address_message") },
};

/** Checks `interactive` as Meta does; refuses with 131008 or 131009. */
export function checkInteractive(interactive: JsonObject, lookup: MediaLookup): void {
  const type = requireText(interactive, "type", "interactive['type']");
  const rule = Object.hasOwn(RULES, type) ? RULES[type] : undefined;
  if (rule === undefined) throw invalid(`Interactive type ${type} is not valid.`);
  if (!(rule.bodyOptional && interactive.body === undefined)) {
    const body = requireObject(interactive, "body", "interactive['body']");
    lengthWithin(requireText(body, "text", "interactive['body']['text']"), rule.bodyMax ?? 1024, "Body text");
  }
  if (interactive.footer !== undefined) {
    const footer = requireObject(interactive, "footer", "interactive['footer']");
    lengthWithin(requireText(footer, "text", "interactive['footer']['text']"), 60, "Footer text");
  }
  checkHeader(interactive, type, rule, lookup);
  if (type === "request_contact_info" && interactive.action === undefined) return;
  rule.action(requireObject(interactive, "action", "interactive['action']"), lookup);
}

function checkHeader(interactive: JsonObject, type: string, rule: Rule, lookup: MediaLookup): void {
  if (interactive.header === undefined) {
    if (rule.headerRequired) throw missing("interactive['header']");
    return;
  }
  const header = requireObject(interactive, "header", "interactive['header']");
  const kind = requireText(header, "type", "interactive['header']['type']");
  if (!rule.headers.includes(kind)) throw invalid(`Header type ${kind} is not supported for interactive type ${type}`);
  if (kind === "text") {
    lengthWithin(requireText(header, "text", "interactive['header']['text']"), 60, "Header text");
  } else {
    checkMedia(requireObject(header, kind, `interactive['header']['${kind}']`), kind, lookup);
  }
}

function named(name: string): Rule["action"] {
  return (action) => {
    if (requireText(action, "name", "interactive['action']['name']") !== name) {
      throw invalid(`Action name must be ${name}`);
    }
  };
}

function checkReplyButtons(action: JsonObject): void {
  const buttons = requireList(action, "buttons", "interactive['action']['buttons']");
  if (buttons.length < 1 || buttons.length > 3) {
    throw invalid("Invalid buttons count. Min allowed buttons: 1, Max allowed buttons: 3");
  }
  const titles = new Set<string>();
  const ids = new Set<string>();
  for (const button of buttons) {
    if (button.type !== "reply") throw invalid("Button type must be reply");
    const reply = requireObject(button, "reply", "button['reply']");
    const title = requireText(reply, "title", "button['reply']['title']");
    const id = requireText(reply, "id", "button['reply']['id']");
    lengthWithin(title, 20, "Button title");
    lengthWithin(id, 256, "Button id");
    if (titles.has(title)) throw invalid("Duplicate button titles are not allowed");
    if (ids.has(id)) throw invalid("Duplicate button ids are not allowed");
    titles.add(title);
    ids.add(id);
  }
}

function checkList(action: JsonObject): void {
  lengthWithin(requireText(action, "button", "interactive['action']['button']"), 20, "List button text");
  const sections = requireList(action, "sections", "interactive['action']['sections']");
  if (sections.length < 1 || sections.length > 10) {
    throw invalid("Invalid sections count. Min allowed sections: 1, Max allowed sections: 10");
  }
  let total = 0;
  const ids = new Set<string>();
  for (const section of sections) {
    if (sections.length > 1 || section.title !== undefined) {
      lengthWithin(requireText(section, "title", "section['title']"), 24, "Section title");
    }
    const rows = requireList(section, "rows", "section['rows']");
    if (rows.length < 1) throw invalid("Invalid rows count. Min allowed rows: 1");
    total += rows.length;
    for (const row of rows) checkRow(row, ids);
  }
  if (total > 10) throw invalid("Total row count exceed max allowed count: 10");
}

function checkRow(row: JsonObject, ids: Set<string>): void {
  const id = requireText(row, "id", "row['id']");
  lengthWithin(id, 200, "Row id");
  lengthWithin(requireText(row, "title", "row['title']"), 24, "Row title");
  if (row.description !== undefined && row.description !== "") {
    lengthWithin(requireText(row, "description", "row['description']"), 72, "Row description");
  }
  if (ids.has(id)) throw invalid("Duplicate row ids are not allowed");
  ids.add(id);
}

function checkCtaUrl(action: JsonObject): void {
  named("cta_url")(action, () => true);
  const parameters = requireObject(action, "parameters", "interactive['action']['parameters']");
  lengthWithin(requireText(parameters, "display_text", "parameters['display_text']"), 20, "Display text");
  const url = requireText(parameters, "url", "parameters['url']");
  if (!URL.canParse(url) || !/^https?:/i.test(url)) throw invalid("Button url is not a valid URI.");
}

function checkFlow(action: JsonObject): void {
  named("flow")(action, () => true);
  const parameters = requireObject(action, "parameters", "interactive['action']['parameters']");
  requireText(parameters, "flow_message_version", "parameters['flow_message_version']");
  lengthWithin(requireText(parameters, "flow_cta", "parameters['flow_cta']"), 30, "Flow CTA");
  if (parameters.flow_id === undefined && parameters.flow_name === undefined) throw missing("parameters['flow_id']");
  const kind = parameters.flow_action ?? "navigate";
  if (kind !== "navigate" && kind !== "data_exchange") throw invalid("flow_action must be navigate or data_exchange");
  const payload = parameters.flow_action_payload;
  if (isObject(payload) && payload.data !== undefined && !isObject(payload.data)) {
    throw invalid("flow_action_payload data must be a non-empty object");
  }
}

function checkProduct(action: JsonObject): void {
  requireText(action, "catalog_id", "interactive['action']['catalog_id']");
  requireText(action, "product_retailer_id", "interactive['action']['product_retailer_id']");
}

function checkCarousel(action: JsonObject, lookup: MediaLookup): void {
  const cards = requireList(action, "cards", "interactive['action']['cards']");
  if (cards.length < 2 || cards.length > 10)
    throw invalid("Invalid cards count. Min allowed cards: 2, Max allowed: 10");
  const shapes = new Set<string>();
  for (const card of cards) {
    const header = requireObject(card, "header", "card['header']");
    const kind = requireText(header, "type", "card['header']['type']");
    if (kind !== "image" && kind !== "video") throw invalid("Card header must be image or video");
    checkMedia(requireObject(header, kind, `card['header']['${kind}']`), kind, lookup);
    if (card.body !== undefined) {
      lengthWithin(requireText(requireObject(card, "body"), "text", "card['body']['text']"), 160, "Card body text");
    }
    const cardAction = requireObject(card, "action", "card['action']");
    const buttons = Array.isArray(cardAction.buttons) ? cardAction.buttons.length : 0;
    shapes.add(`${kind} ${buttons > 0 ? `quick_reply ${buttons}` : "cta_url"}`);
    if (buttons === 0) checkCtaUrl(cardAction);
  }
  if (shapes.size > 1) throw invalid("All cards must have the same header type and the same buttons");
}
