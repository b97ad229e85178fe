import type { HttpBindings } from "@hono/node-server";

/** What Graph routes find in Hono's context: node's own request and response. */
export type GraphEnv = { Bindings: HttpBindings };
