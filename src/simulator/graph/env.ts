import type { HttpBindings } from "@hono/node-server";

/** What Graph routes find in Hono's context. */
export type GraphEnv = {
  Bindings: HttpBindings;
  Variables: {
    /** Set by a route that writes its own ledger entry. */
    inLedger: boolean;
  };
};
