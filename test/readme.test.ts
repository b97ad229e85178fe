import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..");
const README = readFileSync(join(ROOT, "README.md"), "utf8");
const scripts = (JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { scripts: Record<string, string> })
  .scripts;
const run = promisify(execFile);

/** Every `npm run esek -- WORDS` of the README, up to its first option or placeholder. */
const commands = [...new Set([...README.matchAll(/npm run esek -- ([a-z]+(?: [a-z]+)?)/g)].map((match) => match[1]!))];

describe("what the README says works", () => {
  it.each(commands)("esek %s is a command", async (command) => {
    const { stdout } = await run(process.execPath, [join(ROOT, "src/cli/main.ts"), ...command.split(" "), "--help"]);
    expect(stdout).toContain("Usage: esek");
  });

  it("every npm script it names exists", () => {
    const named = [...README.matchAll(/npm (?:run ([a-z]+)|(start|test))\b/g)].map((match) => (match[1] ?? match[2])!);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it("every file it links to exists", () => {
    const links = [...README.matchAll(/\]\(([^)#:]+)\)/g)].map((match) => match[1]!);
    expect(links.length).toBeGreaterThan(3);
    expect(links.filter((link) => !existsSync(join(ROOT, link)))).toEqual([]);
  });

  it("every variable it names is read by the configuration", () => {
    const config = readFileSync(join(ROOT, "src/config.ts"), "utf8");
    const named = [...README.matchAll(/`((?:META|ESEK|OPENAI|GRAPH|DATABASE|PG)_[A-Z_]+)`/g)].map((match) => match[1]!);
    expect(named.filter((name) => !config.includes(`${name}:`))).toEqual([]);
  });
});
