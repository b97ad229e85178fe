import { isConnected } from "./connect/connect.ts";
import { embeddedSignup } from "./connect/embedded-signup.ts";
import type { ConnectWorld } from "./connect/run.ts";
import type { MerchantId } from "./domain/ids.ts";
import { type ApiDoors, wordsOf } from "./http/api.ts";
import type { SignupDoors } from "./http/embedded-signup.ts";
import { decideOutbound } from "./policy/outbound-gate.ts";
import type { Ports } from "./ports.ts";
import type { RuntimeOptions } from "./runtime.ts";
import { authenticate } from "./store/api-keys.ts";
import { sendBusinessMessage } from "./store/business-messages.ts";
import type { Store } from "./store/store.ts";

/** The business API's way in; the page "Try it" sends templates by the same. */
export function apiDoors(ports: Ports, store: Store): ApiDoors {
  return {
    authenticate: (header) => authenticate(store, header),
    send: async (merchantId, request, idempotencyKey, body) =>
      sendBusinessMessage(
        store,
        {
          merchantId: merchantId as MerchantId,
          phoneNumberId: request.from,
          person: { waId: request.to?.slice(1), bsuid: request.recipient },
          content: request.template
            ? { type: "template", template: request.template }
            : { type: "text", text: request.text!.body },
          verdict: await ports.guard.check(wordsOf(request), "outbound"),
          author: "api",
          idempotencyKey,
          body,
          expiresAt: request.expires_at ? new Date(request.expires_at) : undefined,
        },
        decideOutbound,
      ),
  };
}

/** Embedded Signup: the code is exchanged, then every step of `merchant connect` is done. */
export function signupDoors(options: RuntimeOptions, store: Store): SignupDoors {
  const { config, appId, verifyToken } = options;
  const world: ConnectWorld = {
    store,
    graph: { url: options.graphUrl, version: config.graphApiVersion },
    app: { id: appId ?? config.appId, secret: options.appSecrets[0], verifyToken },
  };
  return {
    authenticate: (header) => authenticate(store, header),
    async signUp(caller, body) {
      const merchantId = caller as MerchantId;
      const fromEnvironment = options.secret((await store.merchants.get(merchantId)).config.token.env);
      const { slug, steps } = await embeddedSignup(world, {
        merchantId,
        code: body.code,
        wabaId: body.waba_id,
        phoneNumberId: body.phone_number_id,
        slug: body.slug,
        pin: body.pin ?? config.pin,
        isCoexistence: body.coexistence,
        fromEnvironment,
      });
      return { slug, steps, isConnected: isConnected(steps) };
    },
  };
}
