import { createHmac, randomBytes, randomInt } from "node:crypto";
import type { Store } from "../store/store.ts";
import { takeUnrouted } from "../store/unrouted.ts";

export type WebhookSecrets = { appSecret: string; verifyToken: string };
export type ProbeResult =
  | { type: "ok" }
  | { type: "unreachable" }
  | { type: "wrong-challenge"; status: number }
  | { type: "accepts-forgeries"; status: number }
  | { type: "not-acknowledged"; status: number }
  | { type: "not-arrived" };

const TIMEOUT_MS = 10_000;
const ARRIVAL_MS = 5_000;

/**
 * The callback as Meta uses it: the challenge of the handshake, a POST with a wrong signature that must be refused, and,
 * where a store is given, a signed event for nobody that must be acknowledged and lie in this database; it is taken away.
 */
export async function probeWebhook(url: string, secrets: WebhookSecrets, store?: Store): Promise<ProbeResult> {
  const marker = randomBytes(16).toString("hex");
  try {
    const refused = (await handshake(url, secrets)) ?? (await forgery(url));
    if (refused) return refused;
    if (!store) return { type: "ok" };
    const status = await deliver(url, secrets, marker);
    if (status !== 200) return { type: "not-acknowledged", status };
  } catch {
    // Refused, timed out, no such host, bad certificate: for Meta they are all one thing.
    return { type: "unreachable" };
  }
  return { type: (await arrives(store, marker)) ? "ok" : "not-arrived" };
}

async function handshake(url: string, { verifyToken }: WebhookSecrets): Promise<ProbeResult | undefined> {
  const target = new URL(url);
  const challenge = String(randomInt(1_000_000_000, 9_999_999_999));
  target.searchParams.set("hub.mode", "subscribe");
  target.searchParams.set("hub.challenge", challenge);
  target.searchParams.set("hub.verify_token", verifyToken);
  const answer = await fetch(target, { redirect: "manual", signal: AbortSignal.timeout(TIMEOUT_MS) });
  const isRight = answer.status === 200 && (await answer.text()) === challenge;
  return isRight ? undefined : { type: "wrong-challenge", status: answer.status };
}

async function forgery(url: string): Promise<ProbeResult | undefined> {
  const body = eventFor(randomBytes(16).toString("hex"));
  const status = await post(url, body, randomBytes(32).toString("hex"));
  return status === 401 || status === 403 ? undefined : { type: "accepts-forgeries", status };
}

function deliver(url: string, { appSecret }: WebhookSecrets, marker: string): Promise<number> {
  const body = eventFor(marker);
  return post(url, body, createHmac("sha256", appSecret).update(body).digest("hex"));
}

async function arrives(store: Store, marker: string): Promise<boolean> {
  const deadline = Date.now() + ARRIVAL_MS;
  while (!(await takeUnrouted(store, marker))) {
    if (Date.now() > deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return true;
}

async function post(url: string, body: string, signature: string): Promise<number> {
  const headers = { "content-type": "application/json", "x-hub-signature-256": `sha256=${signature}` };
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const answer = await fetch(url, { method: "POST", headers, body, redirect: "manual", signal });
  await answer.text();
  return answer.status;
}

/** No id of Meta's starts with 0, so this event belongs to nobody and can set nothing off. */
function eventFor(marker: string): string {
  const nobody = `0${randomInt(1_000_000_000, 9_999_999_999)}`;
  const metadata = { display_phone_number: nobody, phone_number_id: nobody };
  const value = { messaging_product: "whatsapp", metadata, esek_connect: marker };
  return JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{ id: nobody, changes: [{ field: "messages", value }] }],
  });
}
