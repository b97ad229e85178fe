import { type DescribeRouteOptions, resolver } from "hono-openapi";
import { z } from "zod";
import { templateButtonSchema, templateParameterSchema, templateSendSchema } from "../domain/draft.ts";
import { PROBLEM_JSON, type Problem, problemSchema } from "./problem.ts";

// Named, so that the document refers to them instead of repeating them.
templateParameterSchema.register(z.globalRegistry, { id: "TemplateParameter" });
templateButtonSchema.register(z.globalRegistry, { id: "TemplateButton" });
templateSendSchema.register(z.globalRegistry, { id: "TemplateSend" });

type Described = Parameters<typeof resolver>[0];

const acceptedSchema = z
  .strictObject({
    id: z.uuid().meta({ description: "Our id of the message; `esek explain ID` tells its whole story." }),
    state: z.enum(["queued", "deferred", "blocked"]),
    reason: z.string().meta({ description: "One word of the closed list in src/policy/reasons.ts." }),
    detail: z.string().optional(),
    until: z.iso.datetime().optional().meta({ description: "Deferred: when it is weighed again." }),
  })
  .meta({ id: "Accepted" });

const ID = "0198b2c4-5d6e-7f80-9a1b-2c3d4e5f6071";
const order = [
  { type: "text", text: "A-1042" },
  { type: "text", text: "shipped" },
];
const orderUpdate = { name: "order_update", language: "en", body: order };
const offer = { name: "weekly_offer", language: "en", body: [{ type: "text", text: "20% off all plants" }] };

/** Requests as one would send them. A response's example of the same name is what the server answers to it. */
const requests = {
  template: { summary: "A utility template", value: { to: "+972520000001", template: orderUpdate } },
  "second-offer": {
    summary: "Marketing to somebody who was offered something today",
    value: { to: "+972520000002", template: offer },
  },
  "no-opt-in": {
    summary: "Marketing to somebody who never agreed to it",
    value: { to: "+972520000003", template: offer },
  },
  "text-late": {
    summary: "A free text when the customer service window is closed",
    value: { to: "+972520000004", text: { body: "Your order is on its way." } },
  },
  "body-empty": { summary: "Nobody and nothing", value: {} },
  "body-number": {
    summary: "A number without its country code",
    value: { to: "0520000005", text: { body: "Your order is on its way." } },
  },
  "from-unknown": {
    summary: "A number that is not this merchant's",
    value: { from: "1", to: "+972520000006", text: { body: "Your order is on its way." } },
  },
};

const refused = (status: number, title: string, code: string, rest: Partial<Problem> = {}) => ({
  value: { type: "about:blank", title, status, code, ...rest } satisfies Problem,
});
const json = (examples: Record<string, { value: unknown }>) => ({
  "application/json": { schema: resolver(acceptedSchema), examples },
});
const problems = (examples: Record<string, { value: Problem }>) => ({
  [PROBLEM_JSON]: { schema: resolver(problemSchema), examples },
});

/** `POST /messages` in OpenAPI's words. `request` is the very schema that the handler reads with. */
export function sendDescription(request: Described): DescribeRouteOptions {
  return {
    operationId: "sendMessage",
    summary: "Send a message to a customer",
    description:
      "The message passes the same gate as every other, now and again at the door. `queued` is on its way, `deferred` waits until it may leave, `blocked` never leaves; `reason` says why.",
    security: [{ apiKey: ["messages:send"] }],
    parameters: [
      {
        in: "header",
        name: "Idempotency-Key",
        required: true,
        description:
          "New for each message, kept for 7 days. The same key and body give the same answer and send nothing; the same key with another body is refused.",
        schema: { type: "string", minLength: 1, maxLength: 200 },
      },
    ],
    requestBody: {
      required: true,
      description: "At most 64 KiB.",
      content: { "application/json": { schema: resolver(request), examples: requests } },
    },
    responses: {
      202: {
        description: "Kept: it leaves now, or when it may.",
        content: json({
          template: { value: { id: ID, state: "queued", reason: "allowed" } },
          "second-offer": {
            value: { id: ID, state: "deferred", reason: "frequency-cap", until: "2026-11-24T10:00:00.000Z" },
          },
        }),
      },
      400: {
        description:
          "The Idempotency-Key is missing or the body is not as described. Names paths, never a submitted value.",
        content: problems({
          "idempotency-key": refused(400, "Bad request", "idempotency-key", {
            detail: "Send an Idempotency-Key header, 1-200 characters, new for each message.",
          }),
          "body-empty": refused(400, "Bad request", "body", {
            errors: [
              { path: "", message: "give `to` or `recipient`" },
              { path: "", message: "give exactly one of `text` and `template`" },
            ],
          }),
          "body-number": refused(400, "Bad request", "body", {
            errors: [{ path: "to", message: "expected a number with + and country code" }],
          }),
        }),
      },
      401: {
        description: "No key, or one that is wrong or revoked.",
        content: problems({
          unauthorized: refused(401, "Unauthorized", "unauthorized", {
            detail: "Send `Authorization: Bearer esek_...`; `esek apikey create` makes one.",
          }),
        }),
      },
      403: {
        description: "The key has no scope messages:send.",
        content: problems({
          scope: refused(403, "Forbidden", "scope", { detail: "This key has no scope messages:send." }),
        }),
      },
      413: {
        description: "The body is over 64 KiB.",
        content: problems({ "body-too-large": refused(413, "Too large", "body-too-large") }),
      },
      422: {
        description:
          "Understood and refused: by the gate (`application/json`, the message is kept as blocked) or because it cannot be sent at all (a problem, nothing is kept).",
        content: {
          ...json({
            "no-opt-in": { value: { id: ID, state: "blocked", reason: "no-opt-in" } },
            "text-late": { value: { id: ID, state: "blocked", reason: "window-closed" } },
          }),
          ...problems({
            "from-unknown": refused(422, "Unprocessable", "api/from", {
              detail: "`from` is not a phone number id of this merchant.",
            }),
            "idempotency-conflict": refused(422, "Unprocessable", "api/idempotency", {
              detail:
                "This Idempotency-Key was used with another body within 7 days. Send a new key for a new message.",
            }),
          }),
        },
      },
      500: {
        description: "Our fault; nothing was kept. Try again with the same Idempotency-Key.",
        content: problems({ internal: refused(500, "Internal error", "internal") }),
      },
    },
  };
}

const connectedSchema = z
  .strictObject({
    merchant: z.string(),
    connected: z.literal(true),
    steps: z.array(z.looseObject({ step: z.string(), state: z.string(), say: z.string() })),
  })
  .meta({ id: "Connected" });

/** `POST /embedded-signup` in OpenAPI's words. */
export function signupDescription(request: Described): DescribeRouteOptions {
  const refusal = (description: string) => ({ description, content: problems({}) });
  return {
    operationId: "embeddedSignup",
    summary: "Connect a WABA and number with the code of Meta's Embedded Signup",
    description:
      "The code is exchanged for a token, which is kept encrypted; then every step of `merchant connect` is done.",
    security: [{ apiKey: ["merchants:connect"] }],
    requestBody: {
      required: true,
      description: "At most 16 KiB.",
      content: { "application/json": { schema: resolver(request) } },
    },
    responses: {
      200: {
        description: "Every step is done.",
        content: { "application/json": { schema: resolver(connectedSchema) } },
      },
      400: refusal("The body is not as described. Names paths, never a submitted value."),
      401: refusal("No key, or one that is wrong or revoked."),
      403: refusal("The key has no scope merchants:connect, or is another merchant's."),
      409: refusal("The WABA or number belongs to another merchant."),
      413: refusal("The body is over 16 KiB."),
      422: refusal("The code was refused, or a step failed: the checklist says which, and what to do."),
      500: refusal("Ours; it is in the log."),
      502: refusal("Graph does not answer."),
      503: refusal("This installation has no Meta app configured."),
    },
  };
}
