import { z } from "zod";
import { EsekError } from "../errors.ts";
import { type GraphAddress, GraphRefusal, graphCall, type ManagementOptions } from "./graph-call.ts";

/** What `debug_token` says of a token. `accounts` is undefined where a permission is not bound to any. */
export type RemoteToken = {
  isValid: boolean;
  appId: string | undefined;
  expiresAt: Date | undefined;
  scopes: string[];
  accounts: (scope: string) => string[] | undefined;
};
export type RemoteWaba = { id: string; portfolioId: string | undefined };
export type RemoteHealth = { canSend: string; blockers: { entity: string; canSend: string; codes: number[] }[] };
export type RemoteNumber = {
  id: string;
  display: string | undefined;
  status: string;
  quality: string;
  throughput: string | undefined;
  messagingLimit: string | undefined;
  /** Where Meta delivers: the app's callback, and what overrides it for this number's messages. */
  webhook: { application: string | undefined; override: string | undefined };
  health: RemoteHealth | undefined;
};
export type RemoteProfile = { email: string | undefined; websites: string[]; vertical: string | undefined };

const text = z.string().optional().catch(undefined);
const id = z.union([z.string(), z.number()]).transform(String);

const debugSchema = z.looseObject({
  data: z.looseObject({
    is_valid: z.boolean().catch(false),
    app_id: id.optional().catch(undefined),
    expires_at: z.number().catch(0),
    scopes: z.array(z.string()).catch([]),
    granular_scopes: z
      .array(z.looseObject({ scope: z.string(), target_ids: z.array(id).optional().catch(undefined) }))
      .catch([]),
  }),
});

/**
 * What a token is. Asked with the app's own token where we have one, because an expired token cannot ask about itself.
 * Meta documents the token in the query of this one call; it is in no log of ours.
 */
export async function readToken(
  address: GraphAddress,
  app: { id: string | undefined; secret: string | undefined },
  token: string,
): Promise<RemoteToken> {
  const asking = app.id && app.secret ? `${app.id}|${app.secret}` : token;
  const { data } = parse(
    debugSchema,
    await graphCall({ ...address, token: asking }, { path: "debug_token", query: { input_token: token } }),
  );
  return {
    isValid: data.is_valid,
    appId: data.app_id,
    expiresAt: data.expires_at > 0 ? new Date(data.expires_at * 1000) : undefined,
    scopes: data.scopes,
    accounts: (scope) => data.granular_scopes.find((granted) => granted.scope === scope)?.target_ids,
  };
}

const exchangeSchema = z.looseObject({ access_token: z.string().min(1) });

/** A code of Embedded Signup for a business token; the code lives 30 s and works once. Posted, so that no secret is in a URL. */
export async function exchangeCode(
  address: GraphAddress,
  app: { id: string; secret: string },
  code: string,
): Promise<string> {
  const form = { client_id: app.id, client_secret: app.secret, code };
  return parse(exchangeSchema, await graphCall(address, { method: "POST", path: "oauth/access_token", form }))
    .access_token;
}

const wabaSchema = z.looseObject({ id, owner_business_info: z.looseObject({ id }).optional().catch(undefined) });

/** A WABA and whose portfolio it is, where the token may know that. */
export async function readWaba(options: ManagementOptions, wabaId: string): Promise<RemoteWaba> {
  const ask = (fields: string) => graphCall(options, { path: wabaId, query: { fields } });
  const answer = await ask("id,owner_business_info").catch((err: unknown) => {
    // Without business_management the owner may be refused while the WABA itself is not.
    if (err instanceof GraphRefusal && (err.graphCode === 10 || err.graphCode === 200)) return ask("id,name");
    throw err;
  });
  const waba = parse(wabaSchema, answer);
  return { id: waba.id, portfolioId: waba.owner_business_info?.id };
}

const numberSchema = z.looseObject({
  id,
  display_phone_number: text,
  status: z.string().catch("UNKNOWN"),
  quality_rating: z.string().catch("UNKNOWN"),
  throughput: z.looseObject({ level: text }).optional().catch(undefined),
  whatsapp_business_manager_messaging_limit: text,
  webhook_configuration: z
    .looseObject({ application: text, whatsapp_business_account: text, phone_number: text })
    .optional()
    .catch(undefined),
  health_status: z
    .looseObject({
      can_send_message: z.string(),
      entities: z
        .array(
          z.looseObject({
            entity_type: z.string().catch("UNKNOWN"),
            can_send_message: z.string().catch("UNKNOWN"),
            errors: z.array(z.looseObject({ error_code: z.number() })).catch([]),
          }),
        )
        .catch([]),
    })
    .optional()
    .catch(undefined),
});
const numbersSchema = z.looseObject({
  data: z.array(numberSchema),
  paging: z
    .looseObject({ cursors: z.looseObject({ after: text }).optional() })
    .optional()
    .catch(undefined),
});
const NUMBER_FIELDS =
  "id,display_phone_number,status,quality_rating,throughput,whatsapp_business_manager_messaging_limit,webhook_configuration,health_status";
const MAX_PAGES = 50;

/** Every number of a WABA. */
export async function listNumbers(options: ManagementOptions, wabaId: string): Promise<RemoteNumber[]> {
  const found: RemoteNumber[] = [];
  let after: string | undefined;
  for (let count = 0; count < MAX_PAGES; count++) {
    const query = { fields: NUMBER_FIELDS, limit: "100", ...(after ? { after } : {}) };
    const page = parse(numbersSchema, await graphCall(options, { path: `${wabaId}/phone_numbers`, query }));
    found.push(...page.data.map(numberOf));
    const next = page.paging?.cursors?.after;
    if (!next || next === after || page.data.length === 0) return found;
    after = next;
  }
  return found;
}

/** One number, as it is now. */
export async function readNumber(options: ManagementOptions, phoneNumberId: string): Promise<RemoteNumber> {
  return numberOf(
    parse(numberSchema, await graphCall(options, { path: phoneNumberId, query: { fields: NUMBER_FIELDS } })),
  );
}

function numberOf(raw: z.infer<typeof numberSchema>): RemoteNumber {
  const { webhook_configuration: hook, health_status: health } = raw;
  return {
    id: raw.id,
    display: raw.display_phone_number,
    status: raw.status,
    quality: raw.quality_rating,
    throughput: raw.throughput?.level,
    messagingLimit: raw.whatsapp_business_manager_messaging_limit,
    webhook: { application: hook?.application, override: hook?.phone_number ?? hook?.whatsapp_business_account },
    health: health && {
      canSend: health.can_send_message,
      blockers: health.entities
        .filter((entity) => entity.can_send_message !== "AVAILABLE")
        .map((entity) => ({
          entity: entity.entity_type,
          canSend: entity.can_send_message,
          codes: entity.errors.map((error) => error.error_code),
        })),
    },
  };
}

/** Puts a number onto the Cloud API. A number without a PIN gets this one. */
export async function registerNumber(options: ManagementOptions, phoneNumberId: string, pin: string): Promise<void> {
  const json = { messaging_product: "whatsapp", pin };
  await graphCall(options, { method: "POST", path: `${phoneNumberId}/register`, json });
}

const appsSchema = z.looseObject({
  data: z.array(z.looseObject({ whatsapp_business_api_data: z.looseObject({ id }).optional().catch(undefined) })),
});

/** The apps that get a WABA's webhooks. */
export async function subscribedApps(options: ManagementOptions, wabaId: string): Promise<string[]> {
  const { data } = parse(appsSchema, await graphCall(options, { path: `${wabaId}/subscribed_apps` }));
  return data.flatMap((app) => app.whatsapp_business_api_data?.id ?? []);
}

/** Subscribes the token's own app. Takes an override of the callback away, so it is called only where the app is missing. */
export async function subscribeApp(options: ManagementOptions, wabaId: string): Promise<void> {
  await graphCall(options, { method: "POST", path: `${wabaId}/subscribed_apps` });
}

const profileSchema = z.looseObject({
  data: z.array(z.looseObject({ email: text, websites: z.array(z.string()).catch([]), vertical: text })),
});

/** What a customer sees of the business. */
export async function readProfile(options: ManagementOptions, phoneNumberId: string): Promise<RemoteProfile> {
  const query = { fields: "email,websites,vertical" };
  const path = `${phoneNumberId}/whatsapp_business_profile`;
  const [profile] = parse(profileSchema, await graphCall(options, { path, query })).data;
  return {
    email: profile?.email || undefined,
    websites: profile?.websites.filter((site) => site !== "") ?? [],
    vertical: profile?.vertical,
  };
}

function parse<T extends z.ZodType>(schema: T, value: unknown): z.infer<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const where = parsed.error.issues.map((issue) => issue.path.join(".") || "answer").join(", ");
  throw new EsekError("graph/shape", `Graph's answer is not in the documented shape (${where}).`);
}
