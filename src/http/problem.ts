import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { z } from "zod";

/** What a refused or failed request is answered with (RFC 9457): codes and paths, never a submitted value. */
export const problemSchema = z
  .strictObject({
    type: z.literal("about:blank"),
    title: z.string(),
    status: z.int().meta({ description: "The HTTP status once more." }),
    code: z.string().optional().meta({ description: "A stable word for programs." }),
    detail: z.string().optional().meta({ description: "What to do, for people." }),
    errors: z
      .array(z.strictObject({ path: z.string(), message: z.string() }))
      .optional()
      .meta({ description: "Which members of the body are wrong, by path." }),
  })
  .meta({ id: "Problem" });

export type Problem = z.infer<typeof problemSchema>;

export const PROBLEM_JSON = "application/problem+json";

/** Answers with a problem of this status. */
export function problem(c: Context, said: Omit<Problem, "type">): Response {
  const body: Problem = { type: "about:blank", ...said };
  return c.json(body, said.status as ContentfulStatusCode, { "Content-Type": PROBLEM_JSON });
}
