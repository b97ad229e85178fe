import type { Content } from "../../domain/draft.ts";
import type { IntentMatch } from "../../domain/intent.ts";
import type { TemplateComponent } from "../../domain/template.ts";
import type { Verdict } from "../../domain/verdict.ts";

/** What the page needs from outside; made in `src/try.ts`. */
export type TryDoors = {
  mode: "demo" | "live";
  /** In live mode: what the `Authorization` header is worth. Demo mode lets everybody in. */
  authorise: (header: string | undefined) => Promise<"welcome" | "unknown" | "no-scope">;
  /** The simulated world behind the page. In live mode the first call starts it; rejects with `EsekError("embedded/...")` where it cannot run. */
  world: () => Promise<TryWorld>;
  /** Aborted when the world of a stream has gone to sleep. */
  asleep: () => AbortSignal;
};

/** A business number that can be written to, and whose it is. */
export type Shop = {
  id: string;
  name: string;
  names: Record<string, string>;
  number: string;
  languages: string[];
};

/** A customer of the simulated world. `key` is the page's own word for them: no address ever holds a phone number. */
export type Customer = { key: string; name: string; language: string; country: string; phone: string };

export type TemplateDefinition = { name: string; language: string; category: string; components: TemplateComponent[] };

export type ModelMode = "works" | "slow" | "fails" | "silent" | "empty" | "garbage";

/** One Esek with a simulator behind it. Everything a person does goes through the simulator's signed webhook. */
export type TryWorld = {
  shops: () => Promise<Shop[]>;
  /** The simulator's control API: GET without a body, POST with one. */
  simulator: <T>(path: string, body?: unknown) => Promise<T>;
  clearFaults: () => Promise<void>;
  watch: (shopId: string, phone: string, signal: AbortSignal) => AsyncIterable<SimEvent>;
  media: (id: string) => Promise<{ bytes: Uint8Array<ArrayBuffer>; type: string } | undefined>;
  templates: (shopId: string) => Promise<TemplateDefinition[]>;
  chat: (shopId: string, phone: string) => Promise<Chat>;
  /** Everything recorded about a wamid, an event or an outbox row; undefined when Esek knows nothing of it. */
  record: (shopId: string, id: string) => Promise<MessageRecord | undefined>;
  /** What the local guards say of words, asked again. */
  weigh: (shopId: string, text: string) => Promise<Weighed>;
  /** A template through the same way as `POST /api/v1/messages`. */
  sendTemplate: (
    shopId: string,
    phone: string,
    send: TemplateSend,
  ) => Promise<{ id: string; state: string; reason: string }>;
  optIn: (shopId: string, phone: string) => Promise<void>;
  model: (mode: ModelMode) => Promise<void>;
  /** Is the model the simulator's own (scripted), or a real endpoint. */
  isModelScripted: boolean;
  /** After error 190 and its like: the merchant's file applied again, as an operator would. */
  mend: () => Promise<void>;
  clockMoved: () => Promise<void>;
  /** Gives a chat back to the agent before the idle time is over, where the store can. */
  handBack: (shopId: string, phone: string) => Promise<void>;
};

export type TemplateSend = { name: string; language: string; body: { type: "text"; text: string; name?: string }[] };
export type Weighed = { intents: IntentMatch[]; verdict: Verdict; language: string | undefined };

export type SimItem = {
  wamid: string;
  direction: "in" | "out" | "echo";
  at: number;
  type: string;
  body: unknown;
  text: string;
  buttons?: { id: string; title: string }[];
  status?: string;
  errorCode?: number;
  statusAt?: Record<string, number>;
};

/** `ready`: from here on nothing is missed. */
export type SimEvent =
  | { type: "ready" }
  | { type: "message"; item: SimItem }
  | { type: "status"; wamid: string; status: string; errorCode?: number }
  | { type: "read"; wamid: string }
  | { type: "typing"; wamid: string };

export type ChatRow = {
  id: string;
  state: string;
  stateReason: string;
  reason: string;
  purpose: string;
  author: string;
  content: Content;
  wamids: string[];
  dueInMs: number | null;
  at: Date;
};

type Standing = { isSuppressed: boolean; hasOptIn: boolean };

export type Chat = {
  windowUntil: Date | undefined;
  humanUntil: Date | undefined;
  standing: { marketing: Standing; utility: Standing; isStoppedAtMeta: boolean };
  rows: ChatRow[];
};

export type MessageRecord = {
  message: Record<string, unknown>;
  decisions: Record<string, unknown>[];
  attempts: Record<string, unknown>[];
  events: { id: string; kind: string; type: string; at: Date; receivedAt: Date; state: string }[];
  rows: {
    id: string;
    part: number;
    purpose: string;
    author: string;
    reason: string;
    state: string;
    stateReason: string | null;
    tries: number;
    template: string | null;
    dueInMs: number | null;
  }[];
};
