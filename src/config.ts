import { readFileSync } from "node:fs";
import { z } from "zod";
import { EsekError } from "./errors.ts";

const port = z.coerce.number().int().min(0).max(65_535);
const positiveMs = z.coerce.number().int().min(0).max(600_000);

const schema = z.object({
  PORT: port.optional(),
  DATABASE_URL: z
    .string()
    .regex(/^postgres(ql)?:\/\//, "expected postgres://user:password@host:5432/database")
    .optional(),
  ESEK_DATA_DIR: z.string().min(1).default(".esek"),
  ESEK_MASTER_KEY: z.string().optional(),
  META_APP_ID: z
    .string()
    .regex(/^\d{5,20}$/, "expected the Meta app's id: digits")
    .optional(),
  META_APP_SECRET: z.string().min(1).optional(),
  META_VERIFY_TOKEN: z.string().min(1).optional(),
  GRAPH_API_URL: z.url().default("https://graph.facebook.com"),
  GRAPH_API_VERSION: z
    .string()
    .regex(/^v\d+\.\d+$/, "expected a version such as v26.0")
    .default("v26.0"),
  OPENAI_API_KEY: z.string().optional(),
  OPENAI_BASE_URL: z.url().optional(),
  ESEK_ROLE: z.enum(["all", "web", "worker"]).default("all"),
  ESEK_BURST_WINDOW_MS: positiveMs.optional(),
  ESEK_LOG_LEVEL: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
  ESEK_MERCHANT_FILE: z.string().optional(),
  ESEK_PIN: z
    .string()
    .regex(/^\d{6}$/, "expected the six digits of two-step verification")
    .optional(),
  PG_BIN_DIR: z.string().optional(),
  OTEL_TRACES_ENABLED: z.enum(["0", "1"]).optional(),
});

/** Every variable that is read here, each also as `NAME_FILE`. */
export const VARIABLES: readonly string[] = Object.keys(schema.shape);

export type Config = {
  mode: "demo" | "live";
  port: number;
  /** A worker has no door of its own unless it is given a port. */
  isPortGiven: boolean;
  databaseUrl: string | undefined;
  dataDir: string;
  masterKey: Buffer | undefined;
  /** The Meta app's id: for the code exchange of Embedded Signup, and to tell whose app a token belongs to. */
  appId: string | undefined;
  /** One, or two during rotation; either verifies a webhook. */
  appSecrets: string[];
  verifyToken: string | undefined;
  graphApiUrl: string;
  graphApiVersion: string;
  openaiApiKey: string | undefined;
  openaiBaseUrl: string | undefined;
  role: "all" | "web" | "worker";
  burstWindowMs: number | undefined;
  logLevel: string;
  merchantFile: string | undefined;
  pgBinDir: string | undefined;
  /** `auto`: spans are made when an OpenTelemetry SDK was loaded before us. */
  traces: "on" | "off" | "auto";
  /** The two-step verification PIN that registers a number; needed by `merchant connect` and Embedded Signup alone. */
  pin: string | undefined;
  /** The environment a merchant's token reference (`token: {env: NAME}`) is resolved against. */
  secret: (name: string) => string | undefined;
};

/**
 * Reads the environment, once. Demo mode = no `META_APP_SECRET`: simulator and scripted model; anything else is live.
 * `NAME_FILE` names a file that holds the value of `NAME`, for every secret. Throws `EsekError("config")` with every
 * bad variable, what was expected and what to do.
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const secret = (name: string) => fromFile(env, name) ?? (env[name] || undefined);
  const source: Record<string, string | undefined> = {};
  for (const name of VARIABLES) source[name] = secret(name);
  const parsed = schema.safeParse(source);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => `${issue.path.join(".")}: ${issue.message}`);
    throw new EsekError("config", `Environment is not usable:\n  ${lines.join("\n  ")}`);
  }
  const value = parsed.data;
  const mode = value.META_APP_SECRET ? "live" : "demo";
  if (mode === "live" && !value.ESEK_MASTER_KEY)
    throw new EsekError(
      "config",
      "ESEK_MASTER_KEY is missing. Live mode (META_APP_SECRET is set) never makes up a key: give 32 random bytes in base64, " +
        "e.g. `openssl rand -base64 32`, in ESEK_MASTER_KEY or a file named by ESEK_MASTER_KEY_FILE, and keep a copy: without it nothing stored can be read.",
    );
  if (mode === "live" && !value.META_VERIFY_TOKEN)
    throw new EsekError(
      "config",
      "META_VERIFY_TOKEN is missing: the string you typed beside the callback URL in the Meta app.",
    );
  return {
    mode,
    port: value.PORT ?? 8080,
    isPortGiven: value.PORT !== undefined,
    databaseUrl: value.DATABASE_URL,
    dataDir: value.ESEK_DATA_DIR,
    masterKey: value.ESEK_MASTER_KEY === undefined ? undefined : masterKey(value.ESEK_MASTER_KEY),
    appId: value.META_APP_ID,
    appSecrets: (value.META_APP_SECRET ?? "")
      .split(",")
      .map((part) => part.trim())
      .filter(Boolean),
    verifyToken: value.META_VERIFY_TOKEN,
    graphApiUrl: value.GRAPH_API_URL.replace(/\/$/, ""),
    graphApiVersion: value.GRAPH_API_VERSION,
    openaiApiKey: value.OPENAI_API_KEY,
    openaiBaseUrl: value.OPENAI_BASE_URL,
    role: value.ESEK_ROLE,
    burstWindowMs: value.ESEK_BURST_WINDOW_MS,
    logLevel: value.ESEK_LOG_LEVEL,
    merchantFile: value.ESEK_MERCHANT_FILE,
    pgBinDir: value.PG_BIN_DIR,
    traces: value.OTEL_TRACES_ENABLED === undefined ? "auto" : value.OTEL_TRACES_ENABLED === "1" ? "on" : "off",
    pin: value.ESEK_PIN,
    secret,
  };
}

/** 32 bytes from base64, or a start that says what is wrong. */
export function masterKey(base64: string): Buffer {
  const bytes = Buffer.from(base64.trim(), "base64");
  if (bytes.length !== 32 || !/^[A-Za-z0-9+/_-]{43}=?$/.test(base64.trim()))
    throw new EsekError(
      "config",
      `ESEK_MASTER_KEY must be 32 bytes in base64; it holds ${bytes.length}. Make one with \`openssl rand -base64 32\`.`,
    );
  return bytes;
}

function fromFile(env: NodeJS.ProcessEnv, name: string): string | undefined {
  const file = env[`${name}_FILE`];
  if (!file) return undefined;
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw new EsekError(
      "config",
      `${name}_FILE names a file that cannot be read. Check the path and its permissions.`,
      { cause },
    );
  }
}
