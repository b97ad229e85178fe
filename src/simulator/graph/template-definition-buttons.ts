import { GraphError, invalidParam } from "../graph-error.ts";
import { asText, characters, type JsonObject } from "../json.ts";

const MAX_OF: Readonly<Record<string, number>> = {
  QUICK_REPLY: 10,
  URL: 2,
  PHONE_NUMBER: 1,
  COPY_CODE: 1,
  OTP: 1,
  FLOW: 1,
  CATALOG: 1,
  MPM: 1,
  SPM: 1,
  VOICE_CALL: 1,
  CALL_PERMISSION_REQUEST: 1,
  REQUEST_CONTACT_INFO: 1,
  APP: 1,
};

/** Checks the buttons of a new template: how many of each, their texts, and that quick replies stand together. */
export function checkTemplateButtons(buttons: readonly JsonObject[]): void {
  if (buttons.length < 1 || buttons.length > 10) throw invalidParam("A template has 1 to 10 buttons.");
  const counts = new Map<string, number>();
  const types = buttons.map((button) => String(button.type).toUpperCase());
  for (const type of types) {
    const max = MAX_OF[type];
    if (max === undefined) throw invalidParam(`Button type ${type} is not valid.`);
    const count = (counts.get(type) ?? 0) + 1;
    counts.set(type, count);
    if (count > max) throw invalidParam(`At most ${max} buttons of type ${type} are allowed.`);
  }
  // Quick replies may be in front or behind, never between other buttons (reference 3.6).
  const runs = types
    .map((type) => type === "QUICK_REPLY")
    .filter((isReply, i, all) => i === 0 || isReply !== all[i - 1]);
  if (runs.filter((isReply) => isReply).length > 1) throw invalidParam("Quick reply buttons must be grouped together.");
  buttons.forEach(checkButton);
}

function checkButton(button: JsonObject): void {
  const type = String(button.type).toUpperCase();
  const text = asText(button.text);
  if (text !== undefined && characters(text) > 25)
    throw new GraphError(2388040, "A button text is over 25 characters.");
  if (text === undefined && ["QUICK_REPLY", "URL", "PHONE_NUMBER", "FLOW"].includes(type)) {
    throw invalidParam("A button needs a text.");
  }
  if (type === "URL") {
    const url = asText(button.url) ?? "";
    if (!URL.canParse(url.replace(/\{\{\d+\}\}/g, "1")) || url.length > 2000)
      throw invalidParam("A button url is not valid.");
    if (url.includes("{{")) {
      if (!/\{\{1\}\}$/.test(url)) throw invalidParam("A button url may have one variable, at its end.");
      if (!Array.isArray(button.example) || button.example.length === 0)
        throw invalidParam("A url variable needs an example.");
    }
  }
  if (type === "PHONE_NUMBER" && !/^\+?\d{5,20}$/.test(asText(button.phone_number) ?? "")) {
    throw invalidParam("A button phone_number is not valid.");
  }
}
