import { readFileSync } from "node:fs";
import { join } from "node:path";
import { EsekError } from "../errors.ts";

const FOLDER = join(import.meta.dirname, "../../prompts");

export type Prompt = { id: string; version: string; fill: (values: Record<string, string>) => string };

/** A prompt of `prompts/` with front matter `{id, version, variables}`. Merchant text is put in as fenced data, its own fences defused. */
export function loadPrompt(name: string): Prompt {
  const file = join(FOLDER, `${name}.md`);
  const match = /^---\n([\s\S]*?)\n---\n([\s\S]*)$/.exec(readFileSync(file, "utf8"));
  const id = /^id: (\S+)$/m.exec(match?.[1] ?? "")?.[1];
  const version = /^version: (\S+)$/m.exec(match?.[1] ?? "")?.[1];
  if (!match || !id || !version)
    throw new EsekError("prompt/format", `${file} needs front matter with id and version.`);
  const body = match[2]!;
  return {
    id,
    version,
    fill: (values) =>
      body.replace(/\{(\w+)\}/g, (whole, key: string) => values[key]?.replaceAll(/<\/?merchant>/gi, "") ?? whole),
  };
}
