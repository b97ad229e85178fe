import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { EsekError } from "../errors.ts";

/**
 * Secrets from stdin, one a line, in the order asked for. On a terminal each is asked for on stderr and not shown while it
 * is typed. Throws `EsekError("input/missing")` naming what did not come.
 */
export async function readSecrets(labels: readonly string[]): Promise<string[]> {
  if (labels.length === 0) return [];
  const isTerminal = process.stdin.isTTY === true;
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: isTerminal });
  const given = lines[Symbol.asyncIterator]();
  const found: string[] = [];
  try {
    for (const label of labels) {
      if (isTerminal) process.stderr.write(`${label}: `);
      const { value, done } = await given.next();
      if (isTerminal) process.stderr.write("\n");
      const text = done ? "" : String(value).trim();
      if (text === "") throw new EsekError("input/missing", `${label} was expected on stdin, one line each.`);
      found.push(text);
    }
  } finally {
    lines.close();
  }
  return found;
}
