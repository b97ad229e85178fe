import { type Context, Hono } from "hono";
import type { Sim } from "../context.ts";
import { GraphError } from "../graph-error.ts";
import { answerError, requireToken } from "./access.ts";
import { accountRoutes } from "./account-routes.ts";
import { blockRoutes } from "./block-routes.ts";
import type { GraphEnv } from "./env.ts";
import { mediaRoutes } from "./media-routes.ts";
import { postMessage } from "./messages.ts";
import { nodeRoutes } from "./node-routes.ts";
import { oauthRoutes } from "./oauth-routes.ts";
import { profileRoutes } from "./profile-routes.ts";
import { registrationRoutes } from "./registration.ts";
import { templateRoutes } from "./template-routes.ts";

/** The Graph API under `/:version`. Every call but a send is written to the ledger by the middleware here. */
export function graphRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();
  app.post("/:id/messages", (c) => postMessage(sim, c, false));
  app.post("/:id/marketing_messages", (c) => postMessage(sim, c, true));

  app.use("*", async (c, next) => {
    await next();
    const { id, body } = await describe(c);
    sim.ledger.append({
      at: sim.clock.now(),
      kind: "other",
      phoneId: id !== undefined && sim.world.phones.has(id) ? id : undefined,
      type: `${c.req.method} ${pathOf(c)}`,
      body,
      outcome: c.res.status < 400 ? "accepted" : "rejected",
      errorCode: c.error instanceof GraphError ? c.error.code : undefined,
    });
  });
  app.route("/", oauthRoutes(sim));
  app.use("*", async (c, next) => {
    requireToken(sim, c);
    const { managementError, edgeErrors } = sim.settings;
    const code = edgeErrors[c.req.path.split("/").at(-1) ?? ""] ?? managementError;
    if (code !== null) throw new GraphError(code);
    await next();
  });
  app.route("/", mediaRoutes(sim));
  app.route("/", templateRoutes(sim));
  app.route("/", accountRoutes(sim));
  app.route("/", registrationRoutes(sim));
  app.route("/", profileRoutes(sim));
  app.route("/", blockRoutes(sim));
  app.route("/", nodeRoutes(sim));
  app.all("*", (c) => {
    throw new GraphError(2500, undefined, { message: `Unknown path components: ${pathOf(c)}` });
  });
  app.onError((error, c) => {
    if (error instanceof GraphError) return answerError(sim, c, error);
    throw error;
  });
  return app;
}

/** The path below the version. */
function pathOf(c: Context<GraphEnv>): string {
  return c.req.path.replace(/^\/[^/]+/, "");
}

/** The object named by the path and the JSON that was sent; Hono keeps what a route has already read. */
async function describe(c: Context<GraphEnv>): Promise<{ id: string | undefined; body: unknown }> {
  const isJson = c.req.header("content-type")?.startsWith("application/json") ?? false;
  return { id: pathOf(c).split("/")[1], body: isJson ? await c.req.json().catch(() => null) : null };
}
