import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { describeRoute } from "hono-openapi";
import { z } from "zod";
import { templateSendSchema, textOf } from "../domain/draft.ts";
import { EsekError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { sendDescription } from "./api-description.ts";
import { addDocs } from "./openapi.ts";
import { problem } from "./problem.ts";

/** What the API needs from the store; wired in `runtime.ts`. */
export type ApiDoors = {
  authenticate: (header: string | undefined) => Promise<{ merchantId: string; scopes: string[] } | undefined>;
  send: (
    merchantId: string,
    request: SendRequest,
    idempotencyKey: string,
    body: string,
  ) => Promise<{
    result: { id: string; state: string; reason: string; detail?: string; until?: string };
    isRepeat: boolean;
  }>;
};

const requestSchema = z
  .strictObject({
    from: z.string().optional(),
    to: z
      .string()
      .regex(/^\+\d{6,15}$/, "expected a number with + and country code")
      .optional(),
    recipient: z
      .string()
      .regex(/^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}$/, "expected a business-scoped user id")
      .optional(),
    text: z.strictObject({ body: z.string().min(1).max(4096) }).optional(),
    template: templateSendSchema.optional(),
    expires_at: z.iso.datetime().optional(),
  })
  .refine((value) => value.to !== undefined || value.recipient !== undefined, { message: "give `to` or `recipient`" })
  .refine((value) => (value.text === undefined) !== (value.template === undefined), {
    message: "give exactly one of `text` and `template`",
  })
  .meta({
    id: "SendRequest",
    // The two refinements above, said again for OpenAPI.
    allOf: [
      { anyOf: [{ required: ["to"] }, { required: ["recipient"] }] },
      { oneOf: [{ required: ["text"] }, { required: ["template"] }] },
    ],
  });

export type SendRequest = z.infer<typeof requestSchema>;

const BODY_LIMIT = 64 * 1024;

/** The business API. Answers are problem+json with paths and codes, never the submitted values. */
export function createApi(doors: ApiDoors, logger: Logger, more: readonly Hono[] = []): Hono {
  const app = new Hono();
  app.post(
    "/messages",
    describeRoute(sendDescription(requestSchema)),
    bodyLimit({
      maxSize: BODY_LIMIT,
      onError: (c) => problem(c, { status: 413, title: "Too large", code: "body-too-large" }),
    }),
    async (c) => {
      const caller = await doors.authenticate(c.req.header("authorization"));
      if (!caller)
        return problem(c, {
          status: 401,
          title: "Unauthorized",
          code: "unauthorized",
          detail: "Send `Authorization: Bearer esek_...`; `esek apikey create` makes one.",
        });
      if (!caller.scopes.includes("messages:send"))
        return problem(c, {
          status: 403,
          title: "Forbidden",
          code: "scope",
          detail: "This key has no scope messages:send.",
        });
      const idempotencyKey = c.req.header("idempotency-key");
      if (!idempotencyKey || idempotencyKey.length > 200)
        return problem(c, {
          status: 400,
          title: "Bad request",
          code: "idempotency-key",
          detail: "Send an Idempotency-Key header, 1-200 characters, new for each message.",
        });
      const body = await c.req.text();
      const parsed = requestSchema.safeParse(parseJson(body));
      if (!parsed.success)
        return problem(c, {
          status: 400,
          title: "Bad request",
          code: "body",
          errors: parsed.error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message })),
        });
      try {
        const { result } = await doors.send(caller.merchantId, parsed.data, idempotencyKey, body);
        return c.json(result, result.state === "blocked" ? 422 : 202);
      } catch (err) {
        if (err instanceof EsekError && err.publicMessage)
          return problem(c, { status: 422, title: "Unprocessable", code: err.code, detail: err.publicMessage });
        logger.error({ err }, "api request failed");
        return problem(c, { status: 500, title: "Internal error", code: "internal" });
      }
    },
  );
  for (const part of more) app.route("/", part);
  addDocs(app);
  return app;
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The words of a request that a guard must see before it may leave. */
export function wordsOf(request: SendRequest): string {
  return request.text?.body ?? (request.template ? textOf({ type: "template", template: request.template }) : "");
}
