type Schema = Record<string, unknown>;

/** Words that say nothing about a value, or that say again what `pattern` beside them says. */
const SILENT = new Set(["description", "summary", "title", "format", "id"]);

/**
 * What is wrong with a value by a JSON Schema, as paths; empty when it fits. Knows the words that our documents use and
 * throws on any other, so that a new word is never silently a "fits".
 */
export function misfits(schema: Schema, value: unknown, root: Schema, path = "$"): string[] {
  return Object.entries(schema).flatMap(([word, rule]) => {
    if (SILENT.has(word)) return [];
    const check = WORDS[word];
    if (!check) throw new Error(`${path}: the check does not know the word ${word}`);
    return check(rule as never, value, root, path, schema);
  });
}

type Check = (rule: never, value: unknown, root: Schema, path: string, schema: Schema) => string[];

const fits = (schema: Schema, value: unknown, root: Schema, path: string) =>
  misfits(schema, value, root, path).length === 0;
const no = (path: string, word: string, isWrong: boolean) => (isWrong ? [`${path} ${word}`] : []);
const isObject = (value: unknown): value is Schema =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const WORDS: Record<string, Check> = {
  $ref: (rule: string, value, root, path) => misfits(deref(rule, root), value, root, path),
  type: (rule: string, value, _root, path) => no(path, `is no ${rule}`, !isOf(rule, value)),
  const: (rule, value, _root, path) => no(path, "is another constant", value !== rule),
  enum: (rule: unknown[], value, _root, path) => no(path, "is not one of the words", !rule.includes(value)),
  pattern: (rule: string, value, _root, path) =>
    no(path, "does not match", typeof value === "string" && !new RegExp(rule, "u").test(value)),
  minLength: (rule: number, value, _root, path) => no(path, "is too short", String(value).length < rule),
  maxLength: (rule: number, value, _root, path) => no(path, "is too long", String(value).length > rule),
  minimum: (rule: number, value, _root, path) => no(path, "is too small", Number(value) < rule),
  maximum: (rule: number, value, _root, path) => no(path, "is too big", Number(value) > rule),
  maxItems: (rule: number, value, _root, path) => no(path, "has too many", Array.isArray(value) && value.length > rule),
  items: (rule: Schema, value, root, path) =>
    Array.isArray(value) ? value.flatMap((item, index) => misfits(rule, item, root, `${path}.${index}`)) : [],
  required: (rule: string[], value, _root, path) =>
    isObject(value) ? rule.filter((name) => !(name in value)).map((name) => `${path}.${name} is missing`) : [],
  properties: (rule: Record<string, Schema>, value, root, path) =>
    isObject(value)
      ? Object.entries(rule).flatMap(([name, inner]) =>
          name in value ? misfits(inner, value[name], root, `${path}.${name}`) : [],
        )
      : [],
  additionalProperties: (_rule: false, value, _root, path, schema) =>
    isObject(value)
      ? Object.keys(value)
          .filter((name) => !(name in (schema.properties as Schema)))
          .map((name) => `${path}.${name} is unknown`)
      : [],
  allOf: (rule: Schema[], value, root, path) => rule.flatMap((part) => misfits(part, value, root, path)),
  anyOf: (rule: Schema[], value, root, path) =>
    no(path, "fits none", !rule.some((part) => fits(part, value, root, path))),
  oneOf: (rule: Schema[], value, root, path) =>
    no(path, "does not fit exactly one", rule.filter((part) => fits(part, value, root, path)).length !== 1),
};

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case "object":
      return isObject(value);
    case "array":
      return Array.isArray(value);
    case "integer":
      return Number.isInteger(value);
    default:
      return typeof value === type;
  }
}

/** What a `#/...` reference names; throws when it names nothing. */
export function deref(reference: string, root: Schema): Schema {
  const found = reference
    .slice(2)
    .split("/")
    .reduce<unknown>((at, name) => (at as Schema | undefined)?.[name], root);
  if (!isObject(found)) throw new Error(`${reference} names nothing`);
  return found;
}
