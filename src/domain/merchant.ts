import { z } from "zod";
import { MAXIMUM_DAYS, MINIMUM_DAYS, RETENTION_CLASSES, type RetentionClass } from "./retention.ts";

const time = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, "expected a time of day such as 09:00");
const language = z.string().regex(/^[a-z]{2,3}(-[A-Za-z]{2,4})?$/, "expected a language tag such as en, he or pt-BR");
const environmentName = z
  .string()
  .regex(/^[A-Z][A-Z0-9_]*$/, "expected the name of an environment variable such as ACME_TOKEN");

export const WEBHOOK_EVENTS = ["message", "decision", "notice"] as const;

const number = z.strictObject({
  id: z.string().regex(/^\d{5,20}$/, "expected Meta's phone number id: digits, in quotes"),
  display: z
    .string()
    .regex(/^\+[\d\s()-]{6,24}$/, "expected the number with its country code, such as +972 50 000 0000"),
  coexistence: z.boolean().default(false),
});

const days = (name: RetentionClass) =>
  z
    .number()
    .int()
    .min(MINIMUM_DAYS[name], `expected at least ${MINIMUM_DAYS[name]} days`)
    .max(MAXIMUM_DAYS, `expected at most ${MAXIMUM_DAYS} days`)
    .optional();

const waba = z.strictObject({
  id: z.string().regex(/^\d{5,20}$/, "expected the WABA id: digits, in quotes"),
  numbers: z.array(number).min(1),
});

const parameter = z.strictObject({
  type: z.enum(["string", "number", "integer", "boolean"]).default("string"),
  description: z.string().min(1).max(300),
  required: z.boolean().default(true),
  enum: z.array(z.string().min(1)).min(1).optional(),
});

const usd = z.number().min(0).max(1_000_000);

/** An HTTP call that the agent may make, as data. `{name}` in the address is replaced by the argument; `${NAME}` by an environment variable. */
const tool = z.strictObject({
  name: z.string().regex(/^[a-z][a-z0-9_]{1,40}$/, "expected lower-case letters, digits and underscores"),
  description: z.string().min(10).max(600),
  method: z.enum(["GET", "POST", "PUT", "PATCH", "DELETE"]).default("GET"),
  url: z
    .string()
    .regex(
      /^(https?:\/\/|\$\{[A-Z][A-Z0-9_]*\})/,
      "expected https://host/path or an environment variable in ${} before the path",
    ),
  parameters: z.record(z.string().regex(/^[a-z][a-zA-Z0-9_]{0,40}$/), parameter).default({}),
  /** Header values are written out, or `${NAME}` for one that is a secret. */
  headers: z.record(z.string().regex(/^[A-Za-z][A-Za-z0-9-]*$/), z.string().max(2000)).default({}),
  /** What this call does for the customer (it cancels, books, refunds): the agent may say so only after it succeeded. */
  act: z.boolean().default(false),
  timeoutMs: z.number().int().min(200).max(20_000).default(8000),
});

/** A merchant as its YAML file says; see `merchants/demo/merchant.yaml`. Applied idempotently by `esek merchant apply`. */
export const merchantSchema = z.strictObject({
  slug: z.string().regex(/^[a-z][a-z0-9-]{1,40}$/, "expected lower-case letters, digits and dashes"),
  name: z.string().min(1).max(60),
  /** The name as customers read it, by language. */
  names: z.record(language, z.string().min(1).max(60)).default({}),
  country: z.string().regex(/^[A-Z]{2}$/, "expected ISO 3166 alpha-2, such as IL"),
  zone: z.string().refine(isZone, "expected an IANA time zone such as Asia/Jerusalem"),
  languages: z.array(language).min(1),
  portfolio: z.string().min(1),
  wabas: z.array(waba).min(1),
  token: z.strictObject({ env: environmentName }),
  prompt: z.string().min(1),
  model: z.strictObject({
    name: z.string().min(1),
    fallback: z.string().min(1).optional(),
    timeoutMs: z.number().int().min(1000).max(300_000).default(60_000),
    maxOutputTokens: z.number().int().min(16).max(8192).default(700),
    /** Of the conversation, in tokens, before older turns are summarised. */
    historyTokens: z.number().int().min(200).max(100_000).default(3000),
    /** US dollars for a million tokens; without them budgets in dollars count nothing. */
    prices: z.strictObject({ input: usd, output: usd }).optional(),
  }),
  tools: z.array(tool).max(20).default([]),
  /** The hosts that tools may call, exactly as written. */
  toolHosts: z.array(z.string().regex(/^[a-z0-9.-]+(:\d+)?$/i, "expected a host such as api.example.com")).default([]),
  budgets: z
    .strictObject({
      turnTokens: z.number().int().min(100).max(1_000_000).default(30_000),
      turnModelCalls: z.number().int().min(1).max(20).default(5),
      turnToolCalls: z.number().int().min(0).max(20).default(6),
      turnMs: z.number().int().min(1000).max(300_000).default(90_000),
      contactAnswersPerDay: z.number().int().min(1).max(10_000).default(200),
      contactUsdPerDay: usd.optional(),
      merchantUsdPerDay: usd.optional(),
      /** WhatsApp's own prices; what the business starts waits for the next day once it is reached. */
      whatsappUsdPerDay: usd.optional(),
    })
    .default({ turnTokens: 30_000, turnModelCalls: 5, turnToolCalls: 6, turnMs: 90_000, contactAnswersPerDay: 200 }),
  /** US dollars a message by Meta's price category, from the merchant's own rate card. */
  whatsappPrices: z.record(z.string().regex(/^[a-z_]+$/), usd).default({}),
  /** Where the merchant's own systems are told; signed with the secret. `texts`: the customer's words too, not ids alone. */
  webhook: z
    .strictObject({
      url: z.url(),
      secret: z.strictObject({ env: environmentName }),
      events: z.array(z.enum(WEBHOOK_EVENTS)).default([...WEBHOOK_EVENTS]),
      texts: z.boolean().default(false),
    })
    .optional(),
  knowledge: z.array(z.string().min(1)).default([]),
  escalation: z.strictObject({ contact: z.string().min(3).max(200), hours: z.string().min(1).max(100) }),
  fallbackTemplates: z.strictObject({ answerReady: z.string().min(1).optional() }).default({}),
  /** Marketing leaves only between `from` and `to` in the recipient's zone. May only tighten the country's rule. */
  sendWindow: z.strictObject({ from: time, to: time }).optional(),
  caps: z
    .strictObject({
      perDay: z.number().int().min(0).max(1),
      perWeek: z.number().int().min(0).max(3),
      perMonth: z.number().int().min(0).max(8),
    })
    .default({ perDay: 1, perWeek: 3, perMonth: 8 }),
  burst: z
    .strictObject({
      windowMs: z.number().int().min(0).max(10_000).default(1200),
      capMs: z.number().int().min(0).max(60_000).default(8000),
    })
    .default({ windowMs: 1200, capMs: 8000 }),
  humanIdleHours: z.number().min(0.1).max(168).default(12),
  /** Days each class of data is kept, where the merchant wants other than `policy/retention.ts` says: `{messages: 365}`. */
  retention: z
    .strictObject(
      Object.fromEntries(RETENTION_CLASSES.map((name) => [name, days(name)])) as Record<
        RetentionClass,
        ReturnType<typeof days>
      >,
    )
    .optional(),
});

/** The file, with the texts of the files it names read in. */
export type MerchantConfig = z.infer<typeof merchantSchema> & {
  promptText: string;
  knowledgeTexts: { file: string; text: string }[];
};

/** The name a customer of this language reads. */
export function businessName(config: Pick<MerchantConfig, "name" | "names">, languageTag: string): string {
  return config.names[languageTag] ?? config.names[languageTag.split("-")[0]!] ?? config.name;
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
