import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { EsekError } from "../errors.ts";

export const GUARDRAILS = join(import.meta.dirname, "../../guardrails");

/** Rows of a TSV under `guardrails/`, by the names in its header. Throws with file and line for a row of another width. */
export function readTsv(file: string): Record<string, string>[] {
  const lines = readFileSync(join(GUARDRAILS, file), "utf8").split("\n");
  const header = lines[0]!.split("\t");
  return lines.slice(1).flatMap((line, index) => {
    if (line === "") return [];
    const cells = line.split("\t");
    if (cells.length > header.length)
      throw new EsekError(
        "guardrails/row",
        `guardrails/${file}:${index + 2} has ${cells.length} columns; expected ${header.join(", ")}.`,
      );
    return [Object.fromEntries(header.map((name, column) => [name, cells[column] ?? ""]))];
  });
}

/** Language tags that have a file in a folder of `guardrails/`. */
export function languagesIn(folder: string): string[] {
  return readdirSync(join(GUARDRAILS, folder))
    .filter((name) => /^[a-z]{2,3}(-[A-Za-z]+)?\.tsv$/.test(name))
    .map((name) => name.slice(0, -4))
    .sort();
}
