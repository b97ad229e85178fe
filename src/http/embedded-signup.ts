import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { describeRoute } from "hono-openapi";
import { z } from "zod";
import { EsekError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { type ApiDoors, parseJson } from "./api.ts";
import { signupDescription } from "./api-description.ts";
import { PROBLEM_JSON } from "./problem.ts";

export type SignupStep = { step: string; about?: string; state: string; say: string; code?: string };
export type SignupDoors = Pick<ApiDoors, "authenticate"> & {
  signUp: (
    merchantId: string,
    request: SignupBody,
  ) => Promise<{ slug: string; isConnected: boolean; steps: SignupStep[] }>;
};

const SCOPE = "merchants:connect";
const metaId = z.string().regex(/^\d{5,20}$/, "expected Meta's id: digits, in quotes");
const bodySchema = z.strictObject({
  code: z.string().min(1).max(4096),
  waba_id: metaId,
  phone_number_id: metaId,
  slug: z.string().max(60).optional(),
  pin: z
    .string()
    .regex(/^\d{6}$/, "expected six digits")
    .optional(),
  coexistence: z.boolean().default(false),
});
export type SignupBody = z.infer<typeof bodySchema>;

const BODY_LIMIT = 16 * 1024;
const STATUS: Record<string, ContentfulStatusCode | undefined> = {
  "signup/code": 422,
  "signup/merchant": 403,
  "signup/taken": 409,
  "signup/app": 503,
  "signup/not-configured": 503,
  "graph/unreachable": 502,
};

/**
 * `POST /embedded-signup`: the code of Meta's Embedded Signup for a connected merchant. 200 with the checklist when every
 * step is done, 422 with the same list when one failed. Nothing that was sent is said again.
 */
export function createEmbeddedSignup(doors: SignupDoors, logger: Logger): Hono {
  const app = new Hono();
  const refuse = (c: Context, status: ContentfulStatusCode, title: string, code: string, more: object = {}) =>
    c.json({ type: "about:blank", title, status, code, ...more }, status, { "Content-Type": PROBLEM_JSON });

  app.post(
    "/embedded-signup",
    describeRoute(signupDescription(bodySchema)),
    bodyLimit({ maxSize: BODY_LIMIT, onError: (c) => refuse(c, 413, "Too large", "body-too-large") }),
    async (c) => {
      const caller = await doors.authenticate(c.req.header("authorization"));
      if (!caller) return refuse(c, 401, "Unauthorized", "unauthorized");
      if (!caller.scopes.includes(SCOPE))
        return refuse(c, 403, "Forbidden", "scope", { detail: `This key has no scope ${SCOPE}.` });
      const parsed = bodySchema.safeParse(parseJson(await c.req.text()));
      if (!parsed.success)
        return refuse(c, 400, "Bad request", "body", {
          errors: parsed.error.issues.map((issue) => ({ path: issue.path.join("."), message: messageOf(issue) })),
        });
      try {
        const { slug, isConnected, steps } = await doors.signUp(caller.merchantId, parsed.data);
        if (isConnected) return c.json({ merchant: slug, connected: true, steps });
        const detail = "Some steps failed; what was done stays done, and the list says what to do.";
        return refuse(c, 422, "Not connected", "not-connected", { detail, merchant: slug, connected: false, steps });
      } catch (err) {
        const status = err instanceof EsekError ? STATUS[err.code] : undefined;
        if (err instanceof EsekError && status)
          return refuse(c, status, "Signup refused", err.code, { detail: err.publicMessage ?? err.message });
        logger.error({ err }, "embedded signup failed");
        return refuse(c, 500, "Internal error", "internal");
      }
    },
  );
  return app;
}

/** zod names unknown keys in its message, and those were sent. */
function messageOf(issue: { code: string; message: string }): string {
  return issue.code === "unrecognized_keys" ? "only the documented fields" : issue.message;
}
