import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { Hono } from "hono";
import type { MerchantId } from "./domain/ids.ts";
import { apiDoors } from "./doors.ts";
import { EsekError } from "./errors.ts";
import type { ModelMode, SimEvent, TryWorld } from "./http/try/doors.ts";
import { createTry } from "./http/try/routes.ts";
import type { Logger } from "./logger.ts";
import { decideOutbound } from "./policy/outbound-gate.ts";
import type { Ports } from "./ports.ts";
import type { Simulated } from "./simulated.ts";
import { chatView } from "./store/chat-view.ts";
import { recordConsent } from "./store/consent-admin.ts";
import { returnToAgent } from "./store/handoffs.ts";
import { applyMerchant } from "./store/merchants.ts";
import { messageRecord } from "./store/message-record.ts";
import type { Store } from "./store/store.ts";
import { approvedTemplates } from "./store/templates.ts";
import { reweighDeferred } from "./store/upkeep-jobs.ts";

/** What a runtime hands to the page: its store and its ports. */
export type Inside = { store: Store; ports: Ports };

/** A page that is open to everybody who reaches this port: demo mode, where everything is simulated. */
export function demoTry(simulated: Simulated, model: ModelSwitch, logger: Logger) {
  const awake = new AbortController();
  return {
    wrap: model.wrap,
    mount(inside: Inside): Hono {
      const world = simulatedWorld(simulated, inside, model);
      return createTry(
        { mode: "demo", authorise: async () => "welcome", world: async () => world, asleep: () => awake.signal },
        logger,
      );
    },
    stop: async () => awake.abort(),
  };
}

/** One Esek and its simulator, as the page needs them. */
export function simulatedWorld(simulated: Simulated, { store, ports }: Inside, model: ModelSwitch): TryWorld {
  const { simulator, call } = controlOf(simulated.url);
  const shops = () => shopsOf(store);
  const ownerOf = async (shopId: string) => {
    const shop = (await shops()).find((one) => one.id === shopId);
    if (!shop) throw new EsekError("try/shop", "The number is not routed any more.");
    return shop;
  };
  return {
    shops,
    simulator,
    clearFaults: async () => void (await call("faults", { method: "DELETE" })),
    watch: (shopId, phone, signal) => watch(simulated.url, shopId, phone, signal),
    media: (id) => media(simulated, id),
    templates: async (shopId) => {
      const { merchantId, wabaId } = await ownerOf(shopId);
      return approvedTemplates(store, merchantId, wabaId);
    },
    chat: async (shopId, phone) => chatView(store, (await ownerOf(shopId)).merchantId, shopId, { waId: phone }),
    record: async (shopId, id) =>
      messageRecord(store, (await ownerOf(shopId)).merchantId, id, decideOutbound).catch((err) => {
        if (err instanceof EsekError && err.code === "explain/unknown") return undefined;
        throw err;
      }),
    weigh: async (shopId, text) => {
      const { languages, country } = await ownerOf(shopId);
      const context = { lastMarketingAt: false, isOrderOpen: false, areOptionsOffered: false, country, languages };
      return {
        intents: ports.guard.intents(text, context),
        verdict: await ports.guard.check(text, "inbound"),
        language: ports.guard.language(text, languages),
      };
    },
    sendTemplate: async (shopId, phone, template) => {
      const { merchantId } = await ownerOf(shopId);
      const request = { from: shopId, to: `+${phone}`, template };
      return (await apiDoors(ports, store).send(merchantId, request, randomUUID(), JSON.stringify(request))).result;
    },
    optIn: async (shopId, phone) => {
      const given = {
        act: "opt-in",
        scope: "all",
        source: "human",
        proof: "given in Try it",
        actor: "try-it",
      } as const;
      await recordConsent(store, (await ownerOf(shopId)).merchantId, { ...given, person: { waId: phone } });
    },
    handBack: async (shopId, phone) => {
      const { merchantId } = await ownerOf(shopId);
      const { conversation } = await chatView(store, merchantId, shopId, { waId: phone });
      if (conversation) await returnToAgent(store, merchantId, conversation);
    },
    model: (mode) => model.set(mode, simulator),
    isModelScripted: model.isScripted,
    mend: async () => {
      for (const id of await store.merchants.all())
        await applyMerchant(store.sql, store.keyring, (await store.merchants.get(id)).config);
      await reweighDeferred(store, "token-broken");
    },
    clockMoved: async () => void (await reweighDeferred(store)),
  };
}

async function shopsOf(store: Store) {
  const merchants = await Promise.all((await store.merchants.all()).map((id) => store.merchants.get(id)));
  return merchants.flatMap(({ id, config }) =>
    config.wabas.flatMap((waba) =>
      waba.numbers.map((number) => ({
        id: number.id,
        merchantId: id as MerchantId,
        wabaId: waba.id,
        name: config.name,
        names: config.names,
        number: number.display,
        languages: config.languages,
        country: config.country,
      })),
    ),
  );
}

function controlOf(url: string) {
  const call = async (path: string, init: RequestInit): Promise<unknown> => {
    const response = await fetch(`${url}/_sim/${path}`, init);
    const answer = (await response.json()) as { error?: string };
    if (response.ok) return answer;
    throw new EsekError("try/simulator", `The simulator answered ${response.status} to ${path.split("?")[0]}.`, {
      publicMessage: response.status < 500 ? "The simulator refused that." : undefined,
    });
  };
  const simulator = async <T>(path: string, body?: unknown): Promise<T> =>
    (await call(
      path,
      body === undefined
        ? {}
        : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) },
    )) as T;
  return { simulator, call };
}

/** The simulator's own server-sent events, read until the signal says enough. */
async function* watch(url: string, shopId: string, phone: string, signal: AbortSignal): AsyncGenerator<SimEvent> {
  const query = new URLSearchParams({ phoneId: shopId, user: phone });
  const response = await fetch(`${url}/_sim/events?${query}`, { signal });
  let text = "";
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split("\n\n");
    text = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (/^event: ?ready$/m.test(block)) yield { type: "ready" };
      else if (data) yield JSON.parse(data) as SimEvent;
    }
  }
}

/** A picture of the simulated chat, by Graph's own two steps: where it is, then the bytes. */
async function media({ url, accessToken }: Simulated, id: string) {
  const headers = { authorization: `Bearer ${accessToken}` };
  const node = await fetch(`${url}/v26.0/${encodeURIComponent(id)}`, { headers });
  if (!node.ok) return undefined;
  const { url: place } = (await node.json()) as { url?: string };
  // Only ever the simulator's own address: a template may name a picture anywhere.
  if (!place?.startsWith(`${url}/`)) return undefined;
  const file = await fetch(place, { headers });
  if (!file.ok) return undefined;
  return { bytes: new Uint8Array(await file.arrayBuffer()), type: file.headers.get("content-type") ?? "" };
}

export type ModelSwitch = {
  isScripted: boolean;
  set: (mode: ModelMode, simulator: TryWorld["simulator"]) => Promise<void>;
  wrap: (ports: Ports) => Ports;
};

/** What the simulator's scripted model is told for each mode. */
const RULES: Record<ModelMode, unknown[]> = {
  works: [],
  slow: [{ delayMs: 5000 }],
  fails: [{ status: 500 }],
  silent: [{ hang: true }],
  empty: [{ empty: true }],
  garbage: [{ garbage: true }],
};

/** "Kill the model": the scripted one is told to misbehave over HTTP; a real endpoint is cut off before it is asked. */
export function modelSwitch(isScripted: boolean): ModelSwitch {
  let mode: ModelMode = "works";
  return {
    isScripted,
    async set(next, simulator) {
      mode = next;
      if (isScripted) await simulator("model", { rules: RULES[next] });
    },
    wrap: (ports) =>
      isScripted
        ? ports
        : {
            ...ports,
            agent: {
              version: ports.agent.version,
              async draft(request, signal) {
                if (mode === "slow") await sleep(5000, undefined, { signal });
                if (mode === "silent") await sleep(request.merchant.config.model.timeoutMs, undefined, { signal });
                if (mode === "works" || mode === "slow") return ports.agent.draft(request, signal);
                throw new EsekError(`model/${mode}`, "The model was switched off in Try it.");
              },
            },
          },
  };
}
