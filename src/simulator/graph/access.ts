import { createHmac } from "node:crypto";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Sim } from "../context.ts";
import { GraphError } from "../graph-error.ts";
import { makeTraceId } from "../ids.ts";
import { MANAGEMENT, MESSAGING, type Token, tokenOf } from "../tokens.ts";
import type { GraphEnv } from "./env.ts";
import { noSuchObject } from "./nodes.ts";

const MESSAGING_EDGES = new Set(["messages", "marketing_messages", "media", "block_users"]);
const NO_ACCOUNT =
  "(#200) You do not have the necessary permissions required to send messages on behalf of this WhatsApp Business Account";

/** Refuses a call without a valid bearer token, with a wrong `appsecret_proof`, or beyond what the token may do. */
export function requireToken(sim: Sim, c: Context<GraphEnv>): void {
  const header = c.req.header("authorization");
  const token = header?.match(/^(?:Bearer|OAuth)\s+(.+)$/i)?.[1] ?? c.req.query("access_token");
  if (token === undefined) {
    throw new GraphError(190, undefined, {
      message: "An active access token must be used to query information about the current user.",
      httpStatus: 401,
    });
  }
  if (token === `${sim.appId}|${sim.appSecret}`) {
    requireAppRoute(c);
    return;
  }
  const known = tokenOf(sim, token);
  if (known === undefined) {
    throw new GraphError(190, undefined, {
      message: "Invalid OAuth access token - Cannot parse access token",
      httpStatus: 401,
    });
  }
  if (known.refusal !== undefined) throw new GraphError(190, undefined, { ...known.refusal, httpStatus: 401 });
  const proof = c.req.query("appsecret_proof");
  if (proof !== undefined && proof !== createHmac("sha256", sim.appSecret).update(token).digest("hex")) {
    throw new GraphError(100, undefined, {
      message: "Invalid appsecret_proof provided in the API argument",
      type: "GraphMethodException",
    });
  }
  requirePermission(sim, known, c.req.path.split("/").slice(2), c.req.method);
}

/** An app token (`<app id>|<app secret>`) may look at tokens; accounts belong to businesses. */
function requireAppRoute(c: Context<GraphEnv>): void {
  if (c.req.path.split("/")[2] !== "debug_token") {
    throw new GraphError(200, undefined, { message: "(#200) Provide valid app ID" });
  }
}

/** Sends need one permission, everything else about an account the other (reference 1.5, 3.8). */
function requirePermission(sim: Sim, token: Token, [id = "", edge = ""]: string[], method: string): void {
  const wabaId = accountOf(sim, id);
  if (wabaId === undefined) return;
  const isMessaging = MESSAGING_EDGES.has(edge);
  if (token.accounts !== "all" && !token.accounts.includes(wabaId)) {
    // What a token may not see does not exist for it; a send says what is missing.
    if (!isMessaging) throw noSuchObject(id, method.toLowerCase());
    throw new GraphError(200, undefined, { message: NO_ACCOUNT });
  }
  const scope = isMessaging ? MESSAGING : MANAGEMENT;
  if (!token.scopes.includes(scope)) {
    throw new GraphError(200, undefined, { message: `(#200) Requires ${scope} permission to manage the object` });
  }
}

function accountOf(sim: Sim, id: string): string | undefined {
  return sim.world.phones.get(id)?.waba.id ?? sim.world.wabas.get(id)?.id;
}

/** Answers a refusal in Meta's shape, with Meta's headers. */
export function answerError(sim: Sim, c: Context<GraphEnv>, error: GraphError): Response {
  const traceId = makeTraceId(sim.random);
  c.header("x-fb-trace-id", traceId);
  if (error.httpStatus === 401) {
    c.header("www-authenticate", `OAuth "Facebook Platform" "invalid_token" "${error.message}"`);
  }
  return c.json(error.toBody(traceId), error.httpStatus as ContentfulStatusCode);
}
