import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { masterKey, VARIABLES } from "../src/config.ts";
import { REFUSALS } from "../src/policy/reasons.ts";

const ROOT = join(import.meta.dirname, "..");
const PAGES = readdirSync(join(ROOT, "docs/operate")).map((name) => join("docs/operate", name));
const FILES = ["README.md", ...PAGES];
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const scripts = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;
const run = promisify(execFile);

/** What follows `esek --` wherever a page says it, up to the end of the line or of the code; with what runs it in the image. */
const ESEK = /(?:npm run esek --|node src\/cli\/main\.ts) ([^`\n|]+)/g;
const invocations = FILES.flatMap((file) => [...read(file).matchAll(ESEK)].map((match) => match[1]!.trim()));

/** The command, up to its first option or placeholder, and every option that is given to it anywhere. */
const commands = new Map<string, Set<string>>();
for (const said of invocations) {
  const command = said.match(/^[a-z]+(?: [a-z]+(?= |$))?/)![0];
  const options = commands.get(command) ?? new Set();
  for (const [option] of said.matchAll(/--[a-z-]+/g)) options.add(option);
  commands.set(command, options);
}

/** The lines of a page's blocks of shell: fenced as sh, or indented. */
function shellLines(file: string): string[] {
  const text = read(file);
  const fenced = [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap((match) => match[1]!.split("\n"));
  const indented = [...text.matchAll(/^ {4}((?:npm|node|openssl|docker|curl) .*)$/gm)].map((match) => match[1]!);
  return [...fenced, ...indented]
    .flatMap((line) => line.split("&&"))
    .map((line) => line.trim())
    .filter(Boolean);
}

describe.each(FILES)("what %s says works", (file) => {
  const text = read(file);
  const links = [...text.matchAll(/\]\(([^)]+)\)/g)].map((match) => match[1]!).filter((link) => !/^https?:/.test(link));

  it("every npm script it names exists", () => {
    const named = [...text.matchAll(/npm (?:run ([a-z]+)|(start|test))\b/g)].map((match) => (match[1] ?? match[2])!);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it("every file and heading it links to exists", () => {
    const broken = links.filter((link) => {
      const [path, anchor] = link.split("#");
      const target = path ? join(ROOT, dirname(file), path) : join(ROOT, file);
      return (
        !existsSync(target) || (anchor !== undefined && !headingsOf(readFileSync(target, "utf8")).includes(anchor))
      );
    });
    expect(broken).toEqual([]);
  });

  it("every variable it names is read by the configuration", () => {
    const named = [...text.matchAll(/`((?:META|ESEK|GRAPH|DATABASE|PG)_[A-Z_]+|OPENAI_[A-Z_]+|OTEL_TRACES_ENABLED)`/g)];
    expect(named.map((match) => match[1]!).filter((name) => !VARIABLES.includes(name))).toEqual([]);
  });

  it("every line of shell in it is one that a test knows how to try", () => {
    const known = [
      /^npm (ci|start|test|run [a-z]+)\b/,
      /^openssl rand -base64 32( > next\.key)?$/,
      /^docker compose (up -d --build|logs -f \w+|exec \w+ node src\/cli\/main\.ts .+)$/,
    ];
    expect(shellLines(file).filter((line) => !known.some((form) => form.test(line)))).toEqual([]);
  });
});

describe("the commands they name", () => {
  it.each([...commands].map(([command, options]) => [command, [...options]] as const))(
    "esek %s is one, with %s",
    async (command, options) => {
      const { stdout } = await run(process.execPath, [join(ROOT, "src/cli/main.ts"), ...command.split(" "), "--help"]);
      expect(stdout).toContain(`Usage: esek ${command} `);
      expect(options.filter((option) => !new RegExp(`${option}\\b`).test(stdout))).toEqual([]);
    },
  );

  it("openssl makes a key that Esek takes", async () => {
    const folder = mkdtempSync(join(tmpdir(), "esek-key-"));
    try {
      await run("sh", ["-c", "openssl rand -base64 32 > next.key"], { cwd: folder });
      expect(masterKey(readFileSync(join(folder, "next.key"), "utf8"))).toHaveLength(32);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("docker compose is asked for services that there are", () => {
    const { services } = parse(read("compose.yaml")) as { services: object };
    const named = FILES.flatMap(shellLines).flatMap(
      (line) => line.match(/^docker compose (?:logs -f|exec) (\w+)/)?.[1] ?? [],
    );
    expect(named.length).toBeGreaterThan(0);
    for (const name of named) expect(Object.keys(services)).toContain(name);
  });
});

describe("the operator's pages", () => {
  const sources = [...walk(join(ROOT, "src"))].map((path) => readFileSync(path, "utf8")).join("\n");

  it.each(PAGES)("%s is short, and the README leads to it", (page) => {
    expect(read(page).trimEnd().split("\n").length).toBeLessThanOrEqual(60);
    expect(read("README.md")).toContain(`](${page})`);
  });

  it.each(PAGES)("%s names reasons, notices and metrics that there are", (page) => {
    const text = read(page);
    const words = [...text.matchAll(/`([a-z]+(?:-[a-z]+)+)`/g)].map((match) => match[1]!);
    expect(words.filter((word) => !sources.includes(`"${word}"`))).toEqual([]);
    const metrics = [...text.matchAll(/`(esek_[a-z_0-9]+)`/g)].map((match) => match[1]!.replace(/^esek_|_count$/g, ""));
    const isOwn = (name: string) => sources.includes(`"${name}"`);
    expect(metrics.filter((name) => name !== "app" && !name.startsWith("nodejs_") && !isOwn(name))).toEqual([]);
  });

  it("the incidents' page has the reasons a number or a token waits for", () => {
    const waits = [
      "token-broken",
      "number-paused",
      "templates-restricted",
      "replies-restricted",
      "template-not-approved",
    ];
    for (const reason of waits) {
      expect(REFUSALS).toContain(reason);
      expect(read("docs/operate/incidents.md")).toContain(`\`${reason}\``);
    }
  });
});

/** A heading's address, as GitHub makes it. */
function headingsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\w -]/g, "")
      .replaceAll(" ", "-"),
  );
}

function* walk(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.name.endsWith(".ts") && !entry.name.endsWith(".test.ts")) yield path;
  }
}
