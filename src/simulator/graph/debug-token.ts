import type { Sim } from "../context.ts";
import { invalidParam } from "../graph-error.ts";
import type { JsonObject } from "../json.ts";
import { ALL_SCOPES, tokenOf } from "../tokens.ts";

/** `GET /debug_token?input_token=`: what a token is. One that no longer works is an answer too, with `is_valid: false`. */
export function debugToken(sim: Sim, input: string | undefined): JsonObject {
  if (!input) throw invalidParam("The parameter input_token is required.");
  const token = tokenOf(sim, input);
  if (token === undefined) {
    return {
      data: {
        error: { code: 190, message: "Invalid OAuth access token - Cannot parse access token" },
        is_valid: false,
        scopes: [],
      },
    };
  }
  const targets = token.accounts === "all" ? [...sim.world.wabas.keys()] : token.accounts;
  return {
    data: {
      app_id: token.appId,
      type: "SYSTEM_USER",
      application: "Esek",
      data_access_expires_at: 0,
      ...(token.refusal === undefined
        ? {}
        : { error: { code: 190, message: token.refusal.message, subcode: token.refusal.subcode } }),
      expires_at: token.expiresAt === undefined ? 0 : Math.floor(token.expiresAt / 1000),
      is_valid: token.refusal === undefined,
      issued_at: 1_760_000_000,
      scopes: token.scopes,
      granular_scopes: token.scopes
        .filter((scope) => ALL_SCOPES.includes(scope))
        .map((scope) => ({ scope, target_ids: targets })),
      user_id: "122100000000000000",
    },
  };
}
