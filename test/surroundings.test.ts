import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { readConfig, VARIABLES } from "../src/config.ts";

const ROOT = join(import.meta.dirname, "..");
const read = (file: string) => readFileSync(join(ROOT, file), "utf8");
const example = read(".env.example");
const scripts = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;

type Compose = {
  services: Record<
    string,
    { image?: string; env_file?: string; environment: Record<string, string>; volumes: string[] }
  >;
  volumes: Record<string, unknown>;
};
const compose = parse(read("compose.yaml")) as Compose;
/** What compose.yaml itself takes from .env. */
const interpolated = [...read("compose.yaml").matchAll(/\$\{([A-Z_]+)/g)].map((match) => match[1]!);
/** The names under which the merchants' files here look for their tokens. */
const tokens = readdirSync(join(ROOT, "merchants")).map(
  (slug) => (parse(read(`merchants/${slug}/merchant.yaml`)) as { token: { env: string } }).token.env,
);

describe(".env.example", () => {
  const names = Object.keys(parseEnv(example));

  it("has every variable that the configuration, a merchant's file or compose.yaml reads, and no other", () => {
    expect([...names].sort()).toEqual([...new Set([...VARIABLES, ...tokens, ...interpolated])].sort());
  });

  it("says a line about each", () => {
    const lines = example.split("\n");
    const bare = lines.filter((line, index) => /^[A-Z]/.test(line) && !/^(#|[A-Z])/.test(lines[index - 1] ?? ""));
    expect(bare).toEqual([]);
    for (const name of names.filter((name) => name !== "GRAPH_API_VERSION"))
      expect(lines[lines.findIndex((line) => line.startsWith(`${name}=`)) - 1], name).toMatch(/^# .{15,}/);
  });

  it("copied as it is changes nothing: its values are the defaults", () => {
    const { secret: _a, ...copied } = readConfig(parseEnv(example) as NodeJS.ProcessEnv);
    const { secret: _b, ...defaults } = readConfig({});
    expect(copied).toEqual(defaults);
  });
});

describe("the image", () => {
  const dockerfile = read("Dockerfile");
  const lines = dockerfile.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const ignored = read(".dockerignore")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));

  it("starts what npm start starts, as nobody special, and says whether it lives", () => {
    const command = JSON.parse(lines.at(-1)!.replace("CMD ", "")) as string[];
    expect(command.join(" ")).toBe(scripts.start);
    expect(lines.indexOf("USER node")).toBeGreaterThan(lines.findIndex((line) => line.startsWith("COPY . .")));
    expect(dockerfile).toMatch(/^FROM node:24-slim$/m);
    expect(dockerfile).toContain("npm ci --omit=dev --omit=optional");
    expect(dockerfile).toMatch(/^HEALTHCHECK .*\/healthz/m);
  });

  it("leaves out secrets and tests, and nothing that the code reads at run time", () => {
    for (const name of [".env", ".esek", ".git", "node_modules", "test"]) expect(ignored).toContain(name);
    const needed = ["src", "migrations", "prompts", "sentences", "guardrails", "merchants", "package.json"];
    for (const name of needed) {
      expect(existsSync(join(ROOT, name)), name).toBe(true);
      expect(ignored.filter((pattern) => pattern === name || pattern.startsWith(`${name}/*`))).toEqual([]);
    }
  });
});

describe("compose.yaml", () => {
  it("gives Esek its secrets by .env, a Postgres of a version it supports, and keeps both their data", () => {
    const { esek, postgres } = compose.services;
    expect(esek!.env_file).toBe(".env");
    const url = new URL(esek!.environment.DATABASE_URL!.replace(/\$\{[^}]*\}/, "secret"));
    expect(Object.keys(compose.services)).toContain(url.hostname);
    expect([url.username, url.pathname]).toEqual([
      postgres!.environment.POSTGRES_USER,
      `/${postgres!.environment.POSTGRES_DB}`,
    ]);
    expect(postgres!.image).toBe("postgres:18");
    const named = Object.values(compose.services).flatMap(({ volumes }) =>
      volumes.map((volume) => volume.split(":")[0]!).filter((source) => !source.startsWith(".")),
    );
    expect(named.sort()).toEqual(Object.keys(compose.volumes).sort());
  });

  it("sets nothing by hand that .env.example does not know", () => {
    for (const name of Object.keys(compose.services.esek!.environment)) expect(VARIABLES).toContain(name);
  });
});
