import type { MerchantId } from "../domain/ids.ts";
import { EsekError } from "../errors.ts";
import type { Asked, ReadinessFacts } from "../policy/readiness.ts";
import { transaction } from "../store/database.ts";
import type { Store } from "../store/store.ts";
import type { ManagementOptions } from "../whatsapp/graph-call.ts";
import { readNumber, readProfile, readToken, subscribedApps } from "../whatsapp/onboarding.ts";
import type { ConnectWorld } from "./run.ts";
import { blockersOf } from "./sync-steps.ts";
import { probeWebhook } from "./webhook-probe.ts";

const FOUND: Record<string, string> = {
  unreachable: "does not answer from here",
  "wrong-challenge": "does not answer the handshake with the challenge: wrong path, or another META_VERIFY_TOKEN",
  "accepts-forgeries": "takes a POST with a wrong signature: that is not Esek",
};

/** Asks Graph and the store everything that readiness is decided from. Writes and sends nothing. */
export async function readinessFacts(
  world: ConnectWorld,
  merchantId: MerchantId,
  token: string | undefined,
  webhookUrl: string | undefined,
): Promise<ReadinessFacts> {
  const { store, graph, app } = world;
  const { config } = await store.merchants.get(merchantId);
  const options: ManagementOptions = { ...graph, token: token ?? "" };
  const [told, stored] = await Promise.all([
    token ? asked(() => readToken(graph, app, token)) : undefined,
    storedFacts(store, merchantId, config.fallbackTemplates.answerReady),
  ]);
  const appId = told?.type === "known" ? told.value.appId : undefined;
  const callbacks: string[] = [];
  const wabas: ReadinessFacts["wabas"] = [];
  for (const waba of config.wabas) {
    const subscribed = await ask(token, () => subscribedApps(options, waba.id));
    const numbers = [];
    for (const { id } of waba.numbers) {
      const state = await ask(token, async () => {
        const { status, quality, health, webhook } = await readNumber(options, id);
        if (webhook.application) callbacks.push(webhook.application);
        return { status, quality, canSend: health?.canSend, blockers: health ? blockersOf(health) : "" };
      });
      numbers.push({ id, state, profile: await ask(token, () => readProfile(options, id)) });
    }
    wabas.push({
      id: waba.id,
      isSubscribed:
        subscribed.type === "known"
          ? { type: "known", value: appId ? subscribed.value.includes(appId) : subscribed.value.length > 0 }
          : subscribed,
      fallbackLanguages: stored.fallbacks.filter((row) => row.wabaId === waba.id).map((row) => row.language),
      numbers,
    });
  }
  return {
    now: store.clock.now(),
    token: told,
    tokenName: config.token.env,
    isTokenBroken: stored.isTokenBroken,
    wabas,
    webhook: await callback(app, webhookUrl ?? callbacks[0]),
    escalation: config.escalation,
    fallbackTemplate: config.fallbackTemplates.answerReady,
    languages: config.languages,
    optIns: stored.optIns,
  };
}

/** Without a token there is nobody to ask as. */
function ask<T>(token: string | undefined, work: () => Promise<T>): Promise<Asked<T>> {
  return token ? asked(work) : Promise.resolve({ type: "undetermined", code: "no token" });
}

async function asked<T>(work: () => Promise<T>): Promise<Asked<T>> {
  try {
    return { type: "known", value: await work() };
  } catch (err) {
    if (!(err instanceof EsekError)) throw err;
    return { type: "undetermined", code: err.code };
  }
}

async function callback(app: ConnectWorld["app"], url: string | undefined): Promise<string | undefined> {
  if (!url) return undefined;
  if (!app.secret || !app.verifyToken) return "META_APP_SECRET and META_VERIFY_TOKEN are needed to try it";
  const { type } = await probeWebhook(url, { appSecret: app.secret, verifyToken: app.verifyToken });
  return type === "ok" ? "ok" : FOUND[type];
}

async function storedFacts(store: Store, merchantId: MerchantId, fallback: string | undefined) {
  return transaction(store.sql, [merchantId], async (tx) => {
    const fallbacks = await tx<
      { wabaId: string; language: string }[]
    >`select waba_id as "wabaId", language from template where merchant_id = ${merchantId} and name = ${fallback ?? ""} and status = 'APPROVED' and category = 'UTILITY'`;
    const [counts] = await tx<{ optIns: number; broken: number }[]>`select
      (select count(*)::int from consent_event where merchant_id = ${merchantId} and act = 'opt-in') as "optIns",
      (select count(*)::int from waba where merchant_id = ${merchantId} and token_broken_at is not null) as broken`;
    return { fallbacks: [...fallbacks], optIns: counts!.optIns, isTokenBroken: counts!.broken > 0 };
  });
}
