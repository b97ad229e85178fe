import { Hono } from "hono";
import type { Sim } from "../context.ts";
import { GraphError } from "../graph-error.ts";
import { answerError, requireToken } from "./access.ts";
import type { GraphEnv } from "./env.ts";
import { postMessage } from "./messages.ts";

/** The Graph API under `/:version`. Every call but a send is written to the ledger by the middleware here. */
export function graphRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();
  app.post("/:id/messages", (c) => postMessage(sim, c, false));
  app.post("/:id/marketing_messages", (c) => postMessage(sim, c, true));

  app.use("*", async (c, next) => {
    requireToken(sim, c);
    await next();
    if (c.get("inLedger")) return;
    sim.ledger.append({
      at: sim.clock.now(),
      kind: "other",
      type: `${c.req.method} ${new URL(c.req.url).pathname.replace(/^\/[^/]+/, "")}`,
      body: null,
      outcome: c.res.status < 400 ? "accepted" : "rejected",
    });
  });
  app.onError((error, c) => {
    if (error instanceof GraphError) return answerError(sim, c, error);
    throw error;
  });
  app.notFound((c) =>
    answerError(
      sim,
      c,
      new GraphError(100, undefined, { message: `Unknown path components: ${new URL(c.req.url).pathname}`, subcode: 33 }),
    ),
  );
  return app;
}
