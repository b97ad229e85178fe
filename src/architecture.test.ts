import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const SRC = import.meta.dirname;

/**
 * Who may import whom, beyond its own folder. `domain` and `errors` are everybody's. `ports:type` means types only.
 * Wrong rule? Change it here, with a decision record that says why.
 */
const ALLOWED: Record<string, string[]> = {
  domain: [],
  errors: [],
  policy: [],
  ports: ["policy:type", "knowledge:type"],
  turn: ["policy", "ports:type"],
  pipeline: ["policy", "ports:type", "turn"],
  guardrails: ["llm", "ports:type", "policy:type"],
  agent: ["llm", "knowledge", "guardrails", "ports:type", "safe-fetch"],
  llm: [],
  crypto: [],
  whatsapp: ["ports:type"],
  store: ["crypto", "policy", "knowledge", "ports:type", "logger:type"],
  knowledge: ["guardrails"],
  workers: ["pipeline", "ports:type", "safe-fetch:type", "logger:type"],
  http: ["pipeline:type", "ports:type", "logger:type"],
  simulator: [],
  config: [],
  logger: [],
  "merchant-file": [],
  metrics: ["ports:type"],
  tracing: ["ports:type"],
  "safe-fetch": [],
  // Meta's management side and the store, put together for `merchant connect`, Embedded Signup and `doctor --live`.
  connect: ["policy", "store", "whatsapp"],
  // The composition: these know everybody and are known by nobody but each other.
  runtime: ["*"],
  doors: ["*"],
  "template-sync": ["*"],
  start: ["*"],
  simulated: ["*"],
  try: ["*"],
  "try-sandbox": ["*"],
  main: ["*"],
  cli: ["*"],
};

/** Policy decides; the store may derive facts with it, but decisions reach it as functions. */
const NOT_IN_STORE = /\b(decideOutbound|outboundGate|onNews|commandsOf|decideInbound|planSending|templateFallback)\b/;
/** The two are written separately, so that they do not share a mistake. */
const NEVER: [string, string][] = [
  ["simulator", "whatsapp"],
  ["whatsapp", "simulator"],
];

type Import = { file: string; target: string; isType: boolean; line: string };

describe("who may import whom", () => {
  it("every import in src keeps to the table", () => {
    expect(files(SRC).flatMap((file) => violations(relative(SRC, file), readFileSync(file, "utf8")))).toEqual([]);
  });

  it.each([
    ["domain/x.ts", 'import { a } from "../policy/a.ts";'],
    ["policy/x.ts", 'import { transaction } from "../store/database.ts";'],
    ["policy/x.ts", 'import type { Ports } from "../ports.ts";'],
    ["pipeline.ts", 'import { createOutbox } from "./store/outbox.ts";'],
    ["store/x.ts", 'import { decideOutbound } from "../policy/outbound-gate.ts";'],
    ["whatsapp/x.ts", 'import { startSimulator } from "../simulator/server.ts";'],
    ["simulator/x.ts", 'const { sendBody } = await import("../whatsapp/payload.ts");'],
    ["agent/x.ts", 'export { toWhatsApp } from "../whatsapp/format.ts";'],
    ["http/x.ts", 'import { receive } from "../pipeline.ts";'],
  ])("a planted violation in %s is found: %s", (file, source) => {
    expect(violations(file, source)).toHaveLength(1);
  });

  it("what is allowed is not reported", () => {
    expect(
      violations(
        "store/x.ts",
        'import type { Outbound } from "../policy/outbound-gate.ts";\nimport { standing } from "../policy/consent.ts";',
      ),
    ).toEqual([]);
    expect(violations("pipeline.ts", 'import type { Ports } from "./ports.ts";')).toEqual([]);
  });

  it("LangChain is loaded by one file, at its first call: who takes no turns never pays for it", () => {
    const loads = files(SRC).flatMap((file) => {
      const source = readFileSync(file, "utf8");
      const isLoaded = /^import (?!type )[^;]*"@?langchain/m.test(source);
      const isLoadedLater = /await import\("@?langchain|import\("@?langchain[^)]*"\)(?!\.|;)/.test(
        source.replace(/typeof import\([^)]*\)/g, ""),
      );
      return isLoaded || isLoadedLater ? [`${relative(SRC, file)}${isLoaded ? " at its start" : ""}`] : [];
    });
    expect(loads.filter((file) => !file.endsWith(".test.ts") && !file.startsWith("architecture"))).toEqual([
      "agent/langchain.ts",
    ]);
  });

  it("policy and domain touch no clock, no randomness and nothing asynchronous", () => {
    const found = files(SRC)
      .map((file) => relative(SRC, file))
      .filter((file) => file.startsWith("policy/") || (file.startsWith("domain/") && file !== "domain/ids.ts"))
      .filter((file) =>
        /\b(async|await|Date\.now|Math\.random|new Date\(\)|process\.|fetch\()/.test(
          readFileSync(join(SRC, file), "utf8").replace(/\/\*[\s\S]*?\*\//g, ""),
        ),
      );
    expect(found).toEqual([]);
  });
});

function violations(file: string, source: string): string[] {
  return imports(file, source).flatMap((found) => {
    const from = roomOf(file);
    const to = roomOf(found.target);
    if (from === to || to === "domain" || to === "errors") return [];
    if (NEVER.some(([a, b]) => a === from && b === to)) return [`${file} must never import ${to}: ${found.line}`];
    const allowed = ALLOWED[from] ?? [];
    if (allowed.includes("*")) return [];
    if (from === "store" && to === "policy" && !found.isType && NOT_IN_STORE.test(found.line))
      return [`${file} takes a decision itself; hand it in as a function: ${found.line}`];
    if (allowed.includes(to) || (found.isType && allowed.includes(`${to}:type`))) return [];
    return [
      `${file} may not import ${to}: ${found.line}. Move the code, or change the table in architecture.test.ts with a decision record.`,
    ];
  });
}

function imports(file: string, source: string): Import[] {
  const pattern = /^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"(\.[^"]+)"|\bimport\("(\.[^"]+)"\)/gm;
  return [...source.matchAll(pattern)].map((match) => ({
    file,
    target: relative(SRC, resolve(SRC, dirname(file), match[2] ?? match[3]!)),
    isType: match[1] !== undefined,
    line: match[0].replace(/\s+/g, " "),
  }));
}

/** The folder below src, or the file's own name for files that lie directly in it. */
function roomOf(path: string): string {
  const [first] = path.split("/");
  return first!.replace(/\.ts$/, "");
}

function files(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) return name === "fixtures" ? [] : files(path);
    return name.endsWith(".ts") && !name.endsWith(".test.ts") ? [path] : [];
  });
}
