import { localKeyProvider } from "../src/crypto/key-provider.ts";
import type { MerchantId } from "../src/domain/ids.ts";
import { createGuard } from "../src/guardrails/guard.ts";
import { loadSentences } from "../src/guardrails/sentences.ts";
import { createLogger } from "../src/logger.ts";
import type { AgentPort, Clock, GraphPort, InboxPort, Ports, SendSource } from "../src/ports.ts";
import { defaultWorld } from "../src/simulator/default-world.ts";
import { metaJson, signBody } from "../src/simulator/signature.ts";
import { connect } from "../src/store/database.ts";
import { Identities } from "../src/store/identities.ts";
import { createInbox } from "../src/store/inbox.ts";
import { Keyring } from "../src/store/keyring.ts";
import { createMailbox, type MailboxStore } from "../src/store/mailbox.ts";
import { MerchantDirectory } from "../src/store/merchants.ts";
import { createOutbox } from "../src/store/outbox.ts";
import { createSenders } from "../src/store/senders.ts";
import type { Store } from "../src/store/store.ts";
import { saveTemplates } from "../src/store/templates.ts";
import { parseWebhook } from "../src/whatsapp/parse.ts";
import { renderer } from "../src/whatsapp/render.ts";
import { isAuthentic } from "../src/whatsapp/signature.ts";
import { PHONE_ID, type Scratch, SECRETS, WABA_ID } from "./world.ts";

/** What one process of Esek holds, without its loops and its HTTP: the store, the ports, and the leases' side. */
export type Process = {
  store: Store;
  ports: Ports;
  inbox: InboxPort & { idle: () => Promise<void> };
  mailbox: MailboxStore;
  senders: SendSource;
  stop: () => Promise<void>;
};

export type Edges = { clock?: Clock; agent?: AgentPort; graph?: GraphPort; max?: number };

export const nobody: AgentPort = {
  version: () => "test",
  draft: async (request) => ({ draft: { type: "answer", text: `Re: ${request.question}` }, usage: undefined }),
};

const unreachable: GraphPort = { send: async () => ({ type: "not-sent", code: "test" }), markRead: () => {} };

/** Puts the real adapters behind the ports, as `src/runtime.ts` does; the edges are the test's own. */
export function openProcess(scratch: Scratch, edges: Edges = {}): Process {
  const sql = connect({
    socketDir: scratch.socketDir,
    database: scratch.database,
    max: edges.max ?? 8,
    runtimeRole: true,
  });
  const clock = edges.clock ?? { now: () => new Date() };
  const store: Store = {
    sql,
    keyring: new Keyring(sql, localKeyProvider(scratch.masterKey)),
    merchants: new MerchantDirectory(sql),
    clock,
    logger: createLogger("silent"),
    nudge: () => {},
  };
  const inbox = createInbox(store, new Identities(store));
  const mailbox = createMailbox(store);
  const ports: Ports = {
    clock,
    webhook: {
      isAuthentic: (body, signature) => isAuthentic([SECRETS.appSecret], body, signature),
      parse: parseWebhook,
    },
    inbox,
    mailbox,
    outbox: createOutbox(store),
    guard: createGuard(),
    agent: edges.agent ?? nobody,
    graph: edges.graph ?? unreachable,
    sentences: loadSentences(),
    render: renderer,
  };
  return { store, ports, inbox, mailbox, senders: createSenders(store), stop: () => sql.end({ timeout: 1 }) };
}

/** Our copy of the templates that the simulator's world starts with. */
export async function knownTemplates(store: Store, merchantId: string): Promise<void> {
  const templates = defaultWorld().wabas![0]!.templates!.map((template) => ({
    name: template.name,
    language: template.language,
    category: template.category ?? "UTILITY",
    status: "APPROVED",
    components: template.components as never,
    metaId: "1",
    quality: "GREEN",
  }));
  await saveTemplates(store, merchantId as MerchantId, WABA_ID, templates);
}

export type Post = { body: Buffer; signature: string };

/** A signed webhook POST with these changes, as Meta writes it. */
export function webhook(...changes: { field?: string; value: Record<string, unknown> }[]): Post {
  const metadata = { display_phone_number: "15550783881", phone_number_id: PHONE_ID };
  const body = metaJson({
    object: "whatsapp_business_account",
    entry: [
      {
        id: WABA_ID,
        changes: changes.map(({ field = "messages", value }) => ({
          field,
          value: { messaging_product: "whatsapp", metadata, ...value },
        })),
      },
    ],
  });
  return { body, signature: signBody(SECRETS.appSecret, body) };
}

export type Who = { wa_id?: string; user_id?: string };

export function textMessage(who: Who, wamid: string, text: string, atMs: number): { value: Record<string, unknown> } {
  return {
    value: {
      messages: [
        {
          ...(who.wa_id ? { from: who.wa_id } : {}),
          ...(who.user_id ? { from_user_id: who.user_id } : {}),
          id: wamid,
          timestamp: String(Math.floor(atMs / 1000)),
          type: "text",
          text: { body: text },
        },
      ],
    },
  };
}

/** A chain of port calls that stops before each of them until it is told to go on; dropped, it is a process that died. */
export class Actor {
  readonly name: string;
  #resume: (() => void) | undefined;
  #where = "";
  #told: () => void = () => {};
  isBusy = false;

  constructor(name: string) {
    this.name = name;
  }

  get where(): string {
    return this.#where;
  }

  get isParked(): boolean {
    return this.#resume !== undefined;
  }

  /** Starts a task; resolves at its first stop or at its end. */
  start(task: () => Promise<void>): Promise<void> {
    this.isBusy = true;
    const stop = this.#untilStop();
    void task().finally(() => {
      this.isBusy = false;
      this.#told();
    });
    return stop;
  }

  /** Lets the task make its next port call; resolves at the next stop or at the end. */
  step(): Promise<void> {
    const resume = this.#resume;
    if (!resume) return Promise.resolve();
    this.#resume = undefined;
    const stop = this.#untilStop();
    resume();
    return stop;
  }

  /** Inside the task: stop here. */
  gate(where: string): Promise<void> {
    this.#where = where;
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#told();
    });
  }

  #untilStop(): Promise<void> {
    return new Promise((resolve) => {
      this.#told = resolve;
    });
  }
}

/** The same port with a stop before each of the named methods. */
export function gated<Port extends object>(actor: Actor, port: Port, methods: readonly (keyof Port & string)[]): Port {
  const copy = { ...port };
  for (const name of methods) {
    const real = port[name] as unknown as (...args: unknown[]) => Promise<unknown>;
    (copy as Record<string, unknown>)[name] = async (...args: unknown[]) => {
      await actor.gate(name);
      return real.apply(port, args);
    };
  }
  return copy;
}
