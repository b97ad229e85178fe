import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Document, isMap, LineCounter, parseDocument } from "yaml";
import { type MerchantConfig, merchantSchema } from "./domain/merchant.ts";
import { EsekError } from "./errors.ts";

const TEXT_LIMIT = 200_000;

/**
 * A merchant's YAML file with the texts it names. Throws `EsekError("merchant/file")` naming every line that is wrong and
 * what was expected there; nothing is half-read.
 */
export function readMerchantFile(file: string): MerchantConfig {
  const source = readText(file, file);
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const broken = document.errors[0];
  if (broken)
    throw new EsekError(
      "merchant/file",
      `${file}:${broken.linePos?.[0].line ?? 1} is not YAML: ${broken.message.split("\n")[0]}`,
    );
  const parsed = merchantSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const problems = parsed.error.issues.map(
      (issue) => `${file}:${lineOf(document, lines, issue.path)} ${issue.path.join(".") || "file"}: ${issue.message}`,
    );
    throw new EsekError("merchant/file", problems.join("\n"));
  }
  const folder = dirname(file);
  return {
    ...parsed.data,
    promptText: readText(join(folder, parsed.data.prompt), `${file} prompt`),
    knowledgeTexts: parsed.data.knowledge.map((name) => ({
      file: name,
      text: readText(join(folder, name), `${file} knowledge`),
    })),
  };
}

function readText(path: string, where: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    throw new EsekError("merchant/file", `${where}: cannot read ${path}. Paths are relative to the merchant's file.`, {
      cause,
    });
  }
  if (bytes.length > TEXT_LIMIT)
    throw new EsekError("merchant/file", `${path} has ${bytes.length} bytes; the limit is ${TEXT_LIMIT}.`);
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    if (text.includes("\0")) throw new Error("binary");
    if (text.trim() === "") throw new EsekError("merchant/file", `${path} is empty.`);
    return text;
  } catch (err) {
    if (err instanceof EsekError) throw err;
    throw new EsekError("merchant/file", `${path} is not UTF-8 text.`);
  }
}

/** The line of the deepest node on the way to a problem; an unknown key is found by its name. */
function lineOf(document: Document, lines: LineCounter, path: readonly PropertyKey[]): number {
  for (let depth = path.length; depth >= 0; depth--) {
    const node = depth === 0 ? document.contents : document.getIn(path.slice(0, depth) as (string | number)[], true);
    const range = (node as { range?: [number, number, number] } | null)?.range;
    if (range && (depth > 0 || isMap(node))) return lines.linePos(range[0]).line;
  }
  return 1;
}
