import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { masterKey, readConfig } from "./config.ts";
import { EsekError } from "./errors.ts";

const KEY = randomBytes(32).toString("base64");
const LIVE = { META_APP_SECRET: "secret", META_VERIFY_TOKEN: "verify", ESEK_MASTER_KEY: KEY };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "esek-config-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function refusal(env: Record<string, string>): EsekError {
  try {
    readConfig(env);
  } catch (err) {
    if (err instanceof EsekError) return err;
    throw err;
  }
  throw new Error("the environment was accepted");
}

describe("the environment", () => {
  it("may be empty: demo mode with every default", () => {
    const { secret, ...config } = readConfig({});
    expect(config).toEqual({
      mode: "demo",
      port: 8080,
      isPortGiven: false,
      databaseUrl: undefined,
      dataDir: ".esek",
      masterKey: undefined,
      appId: undefined,
      appSecrets: [],
      verifyToken: undefined,
      graphApiUrl: "https://graph.facebook.com",
      graphApiVersion: "v26.0",
      openaiApiKey: undefined,
      openaiBaseUrl: undefined,
      role: "all",
      burstWindowMs: undefined,
      logLevel: "info",
      merchantFile: undefined,
      pgBinDir: undefined,
      traces: "auto",
      pin: undefined,
    });
    expect(secret("ANYTHING")).toBeUndefined();
  });

  it("with an app secret is live mode; two secrets are two, whatever the spaces", () => {
    const config = readConfig({ ...LIVE, META_APP_SECRET: " new , old,", GRAPH_API_URL: "http://localhost:4000/" });
    expect(config).toMatchObject({ mode: "live", appSecrets: ["new", "old"], graphApiUrl: "http://localhost:4000" });
    expect(config.masterKey).toEqual(Buffer.from(KEY, "base64"));
  });

  it("treats an empty variable as one that is not set", () => {
    const empty = { META_APP_SECRET: "", DATABASE_URL: "", PORT: "", OPENAI_BASE_URL: "" };
    expect(readConfig(empty)).toMatchObject({ mode: "demo", port: 8080, databaseUrl: undefined });
  });

  it.each([
    ["PORT", "eighty"],
    ["PORT", "70000"],
    ["PORT", "-1"],
    ["PORT", "80.5"],
    ["DATABASE_URL", "mysql://localhost/esek"],
    ["GRAPH_API_URL", "graph.facebook.com"],
    ["GRAPH_API_VERSION", "26"],
    ["OPENAI_BASE_URL", "not a url"],
    ["ESEK_ROLE", "sender"],
    ["ESEK_BURST_WINDOW_MS", "1 s"],
    ["ESEK_BURST_WINDOW_MS", "-5"],
    ["ESEK_LOG_LEVEL", "loud"],
    ["ESEK_MASTER_KEY", "c2hvcnQ="],
    ["ESEK_PIN", "12345a"],
    ["META_APP_ID", "my-app"],
  ])("with %s=%s is refused by that name, without quoting the value", (name, value) => {
    const err = refusal({ [name]: value });
    expect(err.code).toBe("config");
    expect(err.message).toContain(name);
    if (value.length > 5) expect(err.message).not.toContain(value);
  });

  it("names every bad variable at once", () => {
    const { message } = refusal({ PORT: "x", ESEK_ROLE: "y", GRAPH_API_VERSION: "z" });
    for (const name of ["PORT", "ESEK_ROLE", "GRAPH_API_VERSION"]) expect(message).toContain(name);
  });

  it.each([
    ["ESEK_MASTER_KEY", "openssl rand -base64 32"],
    ["META_VERIFY_TOKEN", "callback URL"],
  ])("live without %s is refused, and says what to do", (name, advice) => {
    const env: Record<string, string> = { ...LIVE };
    delete env[name];
    const { message } = refusal(env);
    expect(message).toContain(name);
    expect(message).toContain(advice);
  });
});

describe("NAME_FILE", () => {
  it("holds the value of NAME, for our secrets and a merchant's token", () => {
    const file = join(folder, "key");
    writeFileSync(file, `${KEY}\n`);
    const token = join(folder, "token");
    writeFileSync(token, "EAAtoken\n");
    const config = readConfig({ ESEK_MASTER_KEY_FILE: file, DEMO_ACCESS_TOKEN_FILE: token });
    expect(config.masterKey).toEqual(Buffer.from(KEY, "base64"));
    expect(config.secret("DEMO_ACCESS_TOKEN")).toBe("EAAtoken");
  });

  it("that cannot be read is refused by name, not taken for missing", () => {
    const { message } = refusal({ META_APP_SECRET_FILE: join(folder, "nowhere") });
    expect(message).toContain("META_APP_SECRET_FILE");
  });
});

describe("the master key", () => {
  it.each([0, 16, 31, 33, 64])("of %i bytes is refused with its length, never its bytes", (length) => {
    const base64 = randomBytes(length).toString("base64");
    expect(() => masterKey(base64)).toThrow(`it holds ${length}`);
  });
});
