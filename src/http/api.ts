import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { templateSendSchema, textOf } from "../domain/draft.ts";
import { EsekError } from "../errors.ts";
import type { Logger } from "../logger.ts";

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
  });

export type SendRequest = z.infer<typeof requestSchema>;

const BODY_LIMIT = 64 * 1024;

/** The business API. Answers are problem+json with paths and codes, never the submitted values. */
export function createApi(doors: ApiDoors, logger: Logger): Hono {
  const app = new Hono();
  app.post(
    "/messages",
    bodyLimit({ maxSize: BODY_LIMIT, onError: (c) => c.json(problem(413, "Too large", "body-too-large"), 413) }),
    async (c) => {
      const caller = await doors.authenticate(c.req.header("authorization"));
      if (!caller)
        return c.json(
          problem(
            401,
            "Unauthorized",
            "unauthorized",
            "Send `Authorization: Bearer esek_...`; `esek apikey create` makes one.",
          ),
          401,
        );
      if (!caller.scopes.includes("messages:send"))
        return c.json(problem(403, "Forbidden", "scope", "This key has no scope messages:send."), 403);
      const idempotencyKey = c.req.header("idempotency-key");
      if (!idempotencyKey || idempotencyKey.length > 200)
        return c.json(
          problem(
            400,
            "Bad request",
            "idempotency-key",
            "Send an Idempotency-Key header, 1-200 characters, new for each message.",
          ),
          400,
        );
      const body = await c.req.text();
      const parsed = requestSchema.safeParse(parseJson(body));
      if (!parsed.success)
        return c.json(
          {
            ...problem(400, "Bad request", "body"),
            errors: parsed.error.issues.map((issue) => ({ path: issue.path.join("."), message: issue.message })),
          },
          400,
        );
      try {
        const { result } = await doors.send(caller.merchantId, parsed.data, idempotencyKey, body);
        return c.json(result, result.state === "blocked" ? 422 : 202);
      } catch (err) {
        if (err instanceof EsekError && err.publicMessage)
          return c.json(problem(422, "Unprocessable", err.code, err.publicMessage), 422);
        logger.error({ err }, "api request failed");
        return c.json(problem(500, "Internal error", "internal"), 500);
      }
    },
  );
  return app;
}

export function problem(status: number, title: string, code: string, detail?: string) {
  return { type: "about:blank", title, status, code, ...(detail ? { detail } : {}) };
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
