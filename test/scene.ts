import { createApiKey } from "../src/store/api-keys.ts";
import { recordConsent } from "../src/store/consent-admin.ts";
import { asMerchant } from "./crash.ts";
import type { TestWorld, ThreadItem } from "./world.ts";

export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export type Sent = {
  n: number;
  at: number;
  to?: string;
  type: string;
  outcome: string;
  attemptId?: string;
  phoneId?: string;
  body: {
    text?: { body: string };
    interactive?: { body: { text: string } };
    template?: { name: string; language: { code: string }; components?: unknown[] };
  };
};

export type Accepted = { id: string; state: string; reason: string; detail?: string; until?: string };
export type Answer<T = Accepted> = { status: number; body: T };

/** Business time that starts at an instant of ours and then ticks, so that quiet hours do not depend on when tests run. */
export function clockFrom(iso: string): { now: () => number; shiftMs: number } {
  const shiftMs = Date.parse(iso) - Date.now();
  return { now: () => Date.now() + shiftMs, shiftMs };
}

/** What Graph accepted, in its order; for one person or for everybody. */
export async function sent(world: TestWorld, to?: string): Promise<Sent[]> {
  const { entries } = await world.control<{ entries: Sent[] }>("ledger?kind=message&outcome=accepted&limit=100000");
  return entries.filter((entry) => to === undefined || entry.to?.replace("+", "") === to);
}

/** Everything that reached the send route, accepted or not. */
export async function posted(world: TestWorld, to: string): Promise<Sent[]> {
  const { entries } = await world.control<{ entries: Sent[] }>("ledger?kind=message&limit=100000");
  return entries.filter((entry) => entry.to?.replace("+", "") === to);
}

/** The words of a message as the person reads them; a template by its name and language. */
export function wordsOf({ body }: Sent): string {
  if (body.template) return `[${body.template.name} ${body.template.language.code}]`;
  return body.text?.body ?? body.interactive?.body.text ?? "";
}

export async function words(world: TestWorld, to: string): Promise<string[]> {
  return (await sent(world, to)).map(wordsOf);
}

/** What the person got after all is at rest. */
export async function heard(world: TestWorld, user: string): Promise<ThreadItem[]> {
  await world.settle();
  return (await world.thread(user)).filter((item) => item.direction === "out");
}

export type Api = <T = Accepted>(body: unknown, key?: string) => Promise<Answer<T>>;

/** `POST /api/v1/messages` with a key of this merchant. */
export async function businessApi(world: TestWorld): Promise<Api> {
  const { key } = await createApiKey(
    world.runtime.store,
    world.merchantId as never,
    "tests",
    ["messages:send"],
    "demo",
  );
  let count = 0;
  return async (body, idempotencyKey = `key-${++count}`) =>
    post(world, body, { authorization: `Bearer ${key}`, "idempotency-key": idempotencyKey });
}

export async function post<T>(world: TestWorld, body: unknown, headers: Record<string, string>): Promise<Answer<T>> {
  const response = await fetch(`http://127.0.0.1:${world.runtime.port}/api/v1/messages`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return { status: response.status, body: (await response.json()) as T };
}

/** The marketing template, with its stop button. */
export function offer(to: string, text = "20% off all plants", language = "en") {
  return { to: `+${to}`, template: { name: "weekly_offer", language, body: [{ type: "text", text }] } };
}

/** The utility template. */
export function orderUpdate(to: string, order = "A-1042") {
  const body = [order, "shipped"].map((text) => ({ type: "text", text }));
  return { to: `+${to}`, template: { name: "order_update", language: "en", body } };
}

/** An opt-in as staff records it, with its proof. */
export async function optIn(
  world: TestWorld,
  who: string | { bsuid: string },
  scope: "marketing" | "utility" | "all" = "marketing",
) {
  return recordConsent(world.runtime.store, world.merchantId as never, {
    person: typeof who === "string" ? { waId: who } : who,
    act: "opt-in",
    scope,
    source: "human",
    proof: "ticked the box at the till",
    actor: "tests",
  });
}

/** The person exists on WhatsApp without having written. */
export async function known(world: TestWorld, ...phones: string[]): Promise<void> {
  for (const phone of phones) await world.control("customers", { phone });
}

export type Row = { state: string; reason: string };

/** A row of the outbox as it stands. */
export async function outboxRow(world: TestWorld, id: string): Promise<Row | undefined> {
  const rows = await asMerchant(
    world.scratch,
    world.merchantId,
    (tx) => tx<Row[]>`select state, state_reason as reason from outbox where id = ${id}`,
  );
  return rows[0];
}

export type Notice = { kind: string; detail: Record<string, unknown> };

export async function notices(world: TestWorld, kind: string): Promise<Notice[]> {
  const rows = await asMerchant(
    world.scratch,
    world.merchantId,
    (tx) => tx<Notice[]>`select kind, detail from notice where kind = ${kind} order by created_at`,
  );
  return [...rows];
}

/** Owner's SQL on this merchant's rows. */
export function sqlOf(world: TestWorld) {
  return <T>(work: Parameters<typeof asMerchant<T>>[2]): Promise<T> =>
    asMerchant(world.scratch, world.merchantId, work);
}

/** Polls until something is so; a test's only wait beside `settle`. */
export async function until<T>(what: () => Promise<T | undefined | false>, timeoutMs = 10_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const found = await what();
    if (found) return found;
    if (Date.now() > deadline) throw new Error("It did not happen in time.");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
