import { Hono } from "hono";
import { z } from "zod";
import type { Sim } from "../context.ts";
import { CODE_LIFE_MS } from "../signup-codes.ts";
import { readBody } from "./input.ts";

export const Token = z.strictObject({
  wabaIds: z.array(z.string()).optional(),
  scopes: z.array(z.string()).optional(),
  expiresAt: z.number().optional(),
  isRevoked: z.boolean().optional(),
  appId: z.string().optional(),
});

const Code = z.strictObject({
  token: Token.default({}),
  appId: z.string().optional(),
  lifeMs: z.number().default(CODE_LIFE_MS),
});

/** A merchant has finished Embedded Signup in the browser: the code that the page got. */
export function signupRoutes(sim: Sim): Hono {
  const app = new Hono();
  app.post("/signup-codes", async (c) => {
    const { token, appId = sim.appId, lifeMs } = await readBody(c, Code);
    const expiresAt = sim.clock.now() + lifeMs;
    return c.json({ code: sim.signupCodes.issue({ appId, token, expiresAt, isUsed: false }) });
  });
  return app;
}
