import { createHmac } from "node:crypto";
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { Sim } from "../context.ts";
import { GraphError } from "../graph-error.ts";
import { makeTraceId } from "../ids.ts";
import type { GraphEnv } from "./env.ts";

/** Refuses a call without a valid bearer token, or with a wrong `appsecret_proof`. */
export function requireToken(sim: Sim, c: Context<GraphEnv>): void {
  const header = c.req.header("authorization");
  const token = header?.match(/^(?:Bearer|OAuth)\s+(.+)$/i)?.[1] ?? c.req.query("access_token");
  if (token === undefined) {
    throw new GraphError(190, undefined, {
      message: "An active access token must be used to query information about the current user.",
      httpStatus: 401,
    });
  }
  const scope = scopeOf(sim, token);
  if (scope === undefined) {
    throw new GraphError(190, undefined, {
      message: "Invalid OAuth access token - Cannot parse access token",
      httpStatus: 401,
    });
  }
  const proof = c.req.query("appsecret_proof");
  if (proof !== undefined && proof !== createHmac("sha256", sim.appSecret).update(token).digest("hex")) {
    throw new GraphError(100, undefined, {
      message: "Invalid appsecret_proof provided in the API argument",
      type: "GraphMethodException",
    });
  }
  const wabaId = accountOf(sim, c.req.path.split("/")[2] ?? "");
  if (scope !== "all" && wabaId !== undefined && !scope.includes(wabaId)) {
    throw new GraphError(200, undefined, {
      message:
        "(#200) You do not have the necessary permissions required to send messages on behalf of this WhatsApp Business Account",
    });
  }
}

/** The accounts a token may touch; undefined for a token that is none. */
export function scopeOf(sim: Sim, token: string): "all" | readonly string[] | undefined {
  if (sim.settings.accessTokens.includes(token)) return "all";
  return Object.hasOwn(sim.settings.tokenScopes, token) ? sim.settings.tokenScopes[token] : undefined;
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
