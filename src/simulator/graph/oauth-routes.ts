import { type Context, Hono } from "hono";
import type { Sim } from "../context.ts";
import { GraphError, invalidParam } from "../graph-error.ts";
import { asText } from "../json.ts";
import type { GraphEnv } from "./env.ts";

/** `GET|POST /oauth/access_token`: a code of Embedded Signup for a business token (reference 3.8). Needs no token itself. */
export function oauthRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();
  app.get("/oauth/access_token", (c) => exchange(sim, c, c.req.query()));
  app.post("/oauth/access_token", async (c) => exchange(sim, c, await c.req.parseBody()));
  return app;
}

function exchange(sim: Sim, c: Context<GraphEnv>, given: Record<string, unknown>): Response {
  const [clientId, secret, code] = [given.client_id, given.client_secret, given.code].map(asText);
  if (clientId === undefined) throw new GraphError(101, undefined, { message: "Missing client_id parameter." });
  if (clientId !== sim.appId) {
    throw new GraphError(101, undefined, {
      message: "Error validating application. Cannot get application info due to a system error.",
    });
  }
  if (secret !== sim.appSecret) throw new GraphError(1, undefined, { message: "Error validating client secret." });
  if (code === undefined) throw invalidParam("The parameter code is required.");
  const now = sim.clock.now();
  const facts = sim.signupCodes.take(code, clientId, now);
  const token = `EAA${sim.random.hex(80)}`;
  sim.settings.tokens[token] = facts;
  return c.json({
    access_token: token,
    token_type: "bearer",
    ...(facts.expiresAt === undefined ? {} : { expires_in: Math.floor((facts.expiresAt - now) / 1000) }),
  });
}
