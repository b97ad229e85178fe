import { GraphError, invalidParam } from "../graph-error.ts";
import { characters, isObject, type JsonObject } from "../json.ts";

/** 131008 with the path of what is absent. */
export function missing(path: string): GraphError {
  return new GraphError(131008, `Parameter ${path} is missing or empty.`);
}

/** 131009 with the sentence that Meta puts into the details. */
export function invalid(details: string): GraphError {
  return new GraphError(131009, details);
}

export function requireObject(parent: JsonObject, key: string, path = key): JsonObject {
  const value = parent[key];
  if (value === undefined || value === null) throw missing(path);
  if (!isObject(value)) throw invalidParam(`Param ${path} must be a JSON object.`);
  return value;
}

export function requireList(parent: JsonObject, key: string, path = key): readonly JsonObject[] {
  const value = parent[key];
  if (value === undefined || value === null) throw missing(path);
  if (!Array.isArray(value)) throw invalidParam(`Param ${path} must be an array.`);
  return value.map((element, index) => {
    if (!isObject(element)) throw invalidParam(`Param ${path}[${index}] must be a JSON object.`);
    return element;
  });
}

export function requireText(parent: JsonObject, key: string, path = key): string {
  const value = parent[key];
  if (value === undefined || value === null || value === "") throw missing(path);
  if (typeof value !== "string") throw invalidParam(`Param ${path} must be a string.`);
  return value;
}

export function optionalText(parent: JsonObject, key: string, path = key): string | undefined {
  const value = parent[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "string") throw invalidParam(`Param ${path} must be a string.`);
  return value;
}

/** A limit of Graph's own schema: code 100. */
export function atMost(text: string | undefined, max: number, path: string): void {
  if (text !== undefined && characters(text) > max) {
    throw invalidParam(`Param ${path} must be at most ${max} characters long.`);
  }
}

/** A limit of interactive content: code 131009, worded as Meta does. */
export function lengthWithin(text: string, max: number, what: string): void {
  const length = characters(text);
  if (length < 1 || length > max) throw invalid(`${what} length invalid. Min length: 1, Max length: ${max}`);
}

export function requireUrl(value: string, path: string): void {
  if (!URL.canParse(value) || !/^https?:$/i.test(new URL(value).protocol)) {
    throw invalidParam(`Param ${path} is not a valid URI.`);
  }
}
