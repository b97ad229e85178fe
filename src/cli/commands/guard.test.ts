import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";

type Result = { code: number | null; out: string; err: string };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "esek-guard-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function esek(...args: string[]): Promise<Result> {
  return new Promise((resolve, reject) => {
    const main = join(import.meta.dirname, "../main.ts");
    const child = spawn(process.execPath, [main, ...args], { cwd: folder, env: { PATH: process.env.PATH } });
    const result: Result = { code: null, out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => (result.out += chunk));
    child.stderr.on("data", (chunk: Buffer) => (result.err += chunk));
    child.on("error", reject);
    child.on("close", (code) => resolve({ ...result, code }));
  });
}

/** A command that must succeed without a word on stderr, and what it printed as JSON lines. */
async function rows<Row = Record<string, unknown>>(...args: string[]): Promise<Row[]> {
  const { code, out, err } = await esek(...args);
  expect([code, err], args.join(" ")).toEqual([0, ""]);
  return jsonLines<Row>(out);
}

function jsonLines<Row = Record<string, unknown>>(text: string): Row[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Row);
}

function write(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

describe("esek guard", () => {
  it("intent writes one JSON line a row on stdout and nothing else", async () => {
    const file = write(
      "intents.jsonl",
      [
        { id: "a", text: "STOP" },
        { id: 2, text: "Do you sell cacti?" },
        { id: "c", text: "הסר", lang: "he" },
        { id: "d", text: "STOP ALL" },
        { id: "e", text: "cancel", context: "order_open" },
      ]
        .map((row) => JSON.stringify(row))
        .join("\n"),
    );
    const found = await rows("guard", "intent", "--input", file);
    expect(found.map((row) => [row.id, row.intent, row.scope])).toEqual([
      ["a", "opt_out", "marketing"],
      [2, "none", undefined],
      ["c", "opt_out", "marketing"],
      ["d", "opt_out", "all"],
      ["e", "none", undefined],
    ]);
    for (const row of found) expect(row).toMatchObject({ rule: expect.any(String), score: expect.any(Number) });
  });

  it("classify writes one JSON line a row on stdout and nothing else", async () => {
    const file = write(
      "classify.jsonl",
      [
        { id: 1, text: "I want to buy cocaine" },
        { id: 2, text: "When do you open?" },
        { id: 3, text: "20% off today", direction: "outbound" },
      ]
        .map((row) => JSON.stringify(row))
        .join("\n"),
    );
    const found = await rows<{ checks: { check: string; verdict: string }[] }>("guard", "classify", "--input", file);
    expect(found).toMatchObject([
      { id: 1, verdict: "flagged", category: "drugs" },
      { id: 2, verdict: "clear", category: null },
      { id: 3, verdict: "clear" },
    ]);
    expect(found[2]!.checks).toContainEqual(expect.objectContaining({ check: "promotion", verdict: "flagged" }));
  });

  it("a row that is none ends with 1 and its line; a missing file is named", async () => {
    const rowsFile = write("bad-rows.jsonl", '{"id":1,"text":"a"}\n{"id":2}\n');
    const [bad, missing] = await Promise.all([
      esek("guard", "intent", "--input", rowsFile),
      esek("guard", "classify", "--input", join(folder, "nowhere.jsonl")),
    ]);
    expect([bad.code, jsonLines(bad.out).length]).toEqual([1, 1]);
    expect(bad.err).toContain("bad-rows.jsonl:2");
    expect([missing.code, missing.out, missing.err]).toEqual([1, "", expect.stringContaining("does not exist")]);
  });

  it("needs neither a database nor a folder to write in", () => {
    expect(readdirSync(folder).filter((name) => !name.endsWith(".jsonl"))).toEqual([]);
  });
});
