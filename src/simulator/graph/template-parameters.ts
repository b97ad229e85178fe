import { GraphError, invalidParam } from "../graph-error.ts";
import { asText, type JsonObject } from "../json.ts";
import type { TemplatePlan } from "../templates.ts";
import { atMost, missing, requireList, requireObject, requireText } from "./checks.ts";
import { checkLocation, checkMedia, type MediaLookup } from "./media-shape.ts";

const TEXT_KINDS = new Set(["text", "currency", "date_time"]);
const MEDIA_FORMATS = new Set(["IMAGE", "VIDEO", "DOCUMENT", "GIF"]);

/** The values for a component's variables, in the order of the variables. */
export function readParameters(
  component: JsonObject | undefined,
  variables: readonly string[],
  named: boolean,
  where: string,
): string[] {
  const parameters =
    component?.parameters == null ? [] : requireList(component, "parameters", `${where}['parameters']`);
  if (parameters.length !== variables.length) throw countMismatch(where, parameters.length, variables.length);
  if (!named) return parameters.map((parameter) => parameterText(parameter, where));
  const byName = new Map<string, string>();
  for (const parameter of parameters) {
    const name = asText(parameter.parameter_name);
    if (name === undefined) throw new GraphError(100, "Parameter name is missing or empty");
    if (!variables.includes(name)) {
      throw new GraphError(132012, `${where}: parameter name ${name} is not in the created template`);
    }
    byName.set(name, parameterText(parameter, where));
  }
  if (byName.size !== variables.length) throw countMismatch(where, byName.size, variables.length);
  return variables.map((variable) => byName.get(variable)!);
}

/** Checks the header and returns its text ("" for media). */
export function matchHeader(
  plan: TemplatePlan,
  component: JsonObject | undefined,
  named: boolean,
  lookup: MediaLookup,
): string {
  const { format } = plan.header;
  if (format === "NONE" || format === "TEXT") {
    const given = parametersOf(component);
    const media = given.find((parameter) => !TEXT_KINDS.has(kindOf(parameter)));
    if (media !== undefined) throw formatMismatch(format, kindOf(media));
    const values = readParameters(component, plan.header.variables, named, "header");
    for (const value of values) atMost(value, 60, "header['parameters'][0]['text']");
    return fillText(plan.header.text, plan.header.variables, values);
  }
  const parameter = parametersOf(component)[0];
  if (parameter === undefined) throw formatMismatch(format, "UNKNOWN");
  const kind = kindOf(parameter);
  if (kind.toUpperCase() !== format) throw formatMismatch(format, kind);
  const value = requireObject(parameter, kind, `header['${kind}']`);
  if (MEDIA_FORMATS.has(format)) checkMedia(value, kind, lookup);
  if (format === "LOCATION") checkLocation(value);
  return "";
}

/** Replaces `{{1}}` or `{{name}}` by the values. */
export function fillText(text: string, variables: readonly string[], values: readonly string[]): string {
  return text.replace(/\{\{\s*([\w]+)\s*\}\}/g, (whole, name: string) => values[variables.indexOf(name)] ?? whole);
}

function parametersOf(component: JsonObject | undefined): readonly JsonObject[] {
  return component?.parameters == null ? [] : requireList(component, "parameters");
}

function kindOf(parameter: JsonObject): string {
  return asText(parameter.type)?.toLowerCase() ?? "unknown";
}

function parameterText(parameter: JsonObject, where: string): string {
  const kind = kindOf(parameter);
  if (kind === "text") return checkedText(parameter, where);
  if (kind === "currency") {
    const currency = requireObject(parameter, "currency");
    if (typeof currency.amount_1000 !== "number") throw missing("currency['amount_1000']");
    if (asText(currency.code)?.length !== 3) throw new GraphError(132012, `${where}: currency code is not valid`);
    return requireText(currency, "fallback_value", "currency['fallback_value']");
  }
  if (kind === "date_time") return requireText(requireObject(parameter, "date_time"), "fallback_value");
  if (kind === "unknown") throw missing(`${where}['parameters']['type']`);
  throw new GraphError(132012, `${where}: Format mismatch, expected TEXT, received ${kind.toUpperCase()}`);
}

function checkedText(parameter: JsonObject, where: string): string {
  const value = parameter.text;
  if (value === undefined || value === null || value === "") {
    throw new GraphError(131008, "Parameter of type text is missing text value");
  }
  if (typeof value !== "string") throw invalidParam(`Param ${where}['parameters']['text'] must be a string.`);
  // 132018 since v23; older versions said the same sentence with other codes.
  if (/[\n\r\t]| {5}/.test(value)) {
    throw new GraphError(132018, "Param text cannot have new-line/tab characters or more than 4 consecutive spaces");
  }
  return value;
}

function countMismatch(where: string, given: number, expected: number): GraphError {
  return new GraphError(
    132000,
    `${where}: number of localizable_params (${given}) does not match the expected number of params (${expected})`,
  );
}

function formatMismatch(expected: string, received: string): GraphError {
  return new GraphError(132012, `header: Format mismatch, expected ${expected}, received ${received.toUpperCase()}`);
}
