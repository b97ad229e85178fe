import type { MerchantId } from "../domain/ids.ts";
import { EsekError } from "../errors.ts";
import { GraphRefusal } from "../whatsapp/graph-call.ts";
import { exchangeCode } from "../whatsapp/onboarding.ts";
import type { StepResult } from "./checklist.ts";
import { connectMerchant } from "./connect.ts";
import type { ConnectWorld } from "./run.ts";
import { numberTarget } from "./targets.ts";

export type SignupRequest = {
  merchantId: MerchantId;
  code: string;
  wabaId: string;
  phoneNumberId: string;
  slug: string | undefined;
  pin: string | undefined;
  isCoexistence: boolean;
  /** The token that the environment holds for the merchant, if any: it goes first at run time. */
  fromEnvironment: string | undefined;
};

/**
 * Embedded Signup's last step: the browser's code becomes a business token, kept encrypted, and the merchant is connected
 * with it. Everything that can be refused without Meta is refused before the code is spent. Throws `EsekError("signup/...")`.
 */
export async function embeddedSignup(
  world: ConnectWorld,
  request: SignupRequest,
): Promise<{ slug: string; steps: StepResult[] }> {
  const { store, app } = world;
  if (!app.id || !app.secret)
    throw refusal("not-configured", "Set META_APP_ID and META_APP_SECRET of the app that the signup runs in.");
  const { config } = await store.merchants.get(request.merchantId);
  if (request.slug !== undefined && request.slug !== config.slug)
    throw refusal("merchant", "The key belongs to another merchant than `slug` names.");
  const owners = await Promise.all([
    store.merchants.route({ wabaId: request.wabaId }),
    store.merchants.route({ phoneNumberId: request.phoneNumberId }),
  ]);
  if (owners.some((owner) => owner && owner.merchantId !== request.merchantId))
    throw refusal("taken", "The WABA or number belongs to another merchant here.");
  const token = await exchange(world, { id: app.id, secret: app.secret }, request.code);
  const target = await numberTarget(store, request.merchantId, request, {
    token,
    fromEnvironment: request.fromEnvironment,
  });
  return {
    slug: config.slug,
    steps: await connectMerchant(world, { ...target, pin: request.pin, webhookUrl: undefined }),
  };
}

async function exchange(world: ConnectWorld, app: { id: string; secret: string }, code: string): Promise<string> {
  try {
    return await exchangeCode(world.graph, app, code);
  } catch (err) {
    if (!(err instanceof GraphRefusal)) throw err;
    if (err.graphCode === 1 || err.graphCode === 101)
      throw refusal("app", "Meta does not take META_APP_ID and META_APP_SECRET together.", err);
    throw refusal(
      "code",
      "Meta does not take the code: it lives 30 seconds, works once, and only for the app it was made in. Let the merchant sign up again.",
      err,
    );
  }
}

function refusal(what: string, message: string, cause?: unknown): EsekError {
  return new EsekError(`signup/${what}`, message, { publicMessage: message, cause });
}
