import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readConfig } from "../src/config.ts";
import { createLogger } from "../src/logger.ts";
import { type Esek, startEsek } from "../src/start.ts";

export type Bubble = {
  key: string;
  from: string;
  type: string;
  text: string;
  header?: string;
  buttons: { id: string; title: string }[];
  status?: string;
  errorCode?: number;
  image?: string;
  template?: { name: string };
};
export type Pulse = {
  clock: { offsetMs: number };
  fault: string;
  humanUntil?: number;
  windowUntil?: number;
  rows: { id: string; state: string; word: string; sentence: string; text: string }[];
  marks: Record<string, { reason: string }>;
};
export type Story = {
  steps: {
    title: string;
    word?: string;
    sentence?: string;
    sinceMs?: number;
    lines: { label: string; value: string }[];
  }[];
};

/** What `npm start` does, in this process, in a folder of its own, with its own embedded database. */
export async function startAt(
  env: Record<string, string> = {},
): Promise<{ esek: Esek; url: string; dataDir: string; stop: () => Promise<void> }> {
  const dataDir = mkdtempSync(join(tmpdir(), "esek-try-"));
  const config = readConfig({ PORT: "0", ESEK_DATA_DIR: dataDir, ESEK_LOG_LEVEL: "silent", ...env });
  const esek = await startEsek(config, createLogger("silent"));
  return {
    esek,
    dataDir,
    url: `http://127.0.0.1:${esek.runtime.port}/try`,
    async stop() {
      await esek.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** The page's own routes, as the page calls them. */
export class Visitor {
  readonly url: string;
  readonly headers: Record<string, string>;

  constructor(url: string, key?: string) {
    this.url = url;
    this.headers = key ? { authorization: `Bearer ${key}` } : {};
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(`${this.url}/${path}`, { headers: this.headers });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  async post<T = Record<string, string>>(path: string, body: unknown): Promise<T> {
    const response = await this.raw(path, body);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  raw(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(`${this.url}/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json", ...this.headers, ...headers },
      body: JSON.stringify(body),
    });
  }

  /** The chat as the stream tells it: what `look` finds in it, as soon as it is there. */
  async see<T>(
    person: string,
    look: (bubbles: Bubble[], pulse: Pulse | undefined) => T | undefined | false,
    timeoutMs = 15_000,
  ): Promise<T> {
    const chat = new Map<string, Bubble>();
    let pulse: Pulse | undefined;
    const over = AbortSignal.timeout(timeoutMs);
    const response = await fetch(`${this.url}/events?person=${person}`, { headers: this.headers, signal: over });
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const blocks = text.split("\n\n");
      text = blocks.pop() ?? "";
      for (const block of blocks) {
        const event = /^event: (.*)$/m.exec(block)?.[1];
        const data = JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? "null");
        if (event === "thread") for (const bubble of data as Bubble[]) chat.set(bubble.key, bubble);
        if (event === "message") chat.set(data.key, data);
        if (event === "status") Object.assign(chat.get(data.key) ?? {}, data);
        if (event === "pulse") pulse = data;
        const found = look([...chat.values()], pulse);
        if (found) return found;
      }
    }
    throw new Error("the stream ended");
  }

  say(person: string, text: string): Promise<{ key: string }> {
    return this.post("say", { person, text });
  }

  control(person: string, what: Record<string, unknown>): Promise<Record<string, string>> {
    return this.post("control", { person, ...what });
  }

  async newcomer(language = "en"): Promise<string> {
    return (await this.control("emma", { do: "new-customer", language })).person!;
  }

  why(person: string, id: string): Promise<Story> {
    return this.get(`why/${id}?person=${person}&zone=UTC`);
  }
}
