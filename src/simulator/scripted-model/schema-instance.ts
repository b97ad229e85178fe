import { asObject, isObject } from "../json.ts";

/** Enum values that mean "nothing wrong here", so that an unscripted judge lets the demo go on. */
const HARMLESS = ["allow", "allowed", "safe", "ok", "pass", "none", "clean", "no", "neutral"];
const PROSE = /reply|answer|text|message|content|response/i;

/** The smallest value that satisfies a JSON schema (the subset that structured output uses). */
export function instanceOf(schema: unknown, prose: string): unknown {
  return build(asObject(schema), prose, "", asObject(asObject(schema).$defs ?? asObject(schema).definitions));
}

function build(schema: Record<string, unknown>, prose: string, name: string, defs: Record<string, unknown>): unknown {
  if (typeof schema.$ref === "string") {
    return build(asObject(defs[schema.$ref.split("/").at(-1) ?? ""]), prose, name, defs);
  }
  if (schema.const !== undefined) return schema.const;
  if (Array.isArray(schema.enum)) {
    return schema.enum.find((value) => HARMLESS.includes(String(value).toLowerCase())) ?? schema.enum[0];
  }
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) {
    const isNullable = choices.some((choice) => isObject(choice) && choice.type === "null");
    return isNullable ? null : build(asObject(choices[0]), prose, name, defs);
  }
  const type = Array.isArray(schema.type) ? (schema.type.includes("null") ? "null" : schema.type[0]) : schema.type;
  switch (type) {
    case "object": {
      const properties = Object.entries(asObject(schema.properties));
      return Object.fromEntries(properties.map(([key, value]) => [key, build(asObject(value), prose, key, defs)]));
    }
    case "array": {
      const count = typeof schema.minItems === "number" ? schema.minItems : 0;
      return Array.from({ length: count }, () => build(asObject(schema.items), prose, name, defs));
    }
    case "number":
    case "integer":
      return typeof schema.minimum === "number" ? schema.minimum : 0;
    case "boolean":
      return false;
    case "null":
      return null;
    default:
      return name === "" || PROSE.test(name) ? prose : "";
  }
}
