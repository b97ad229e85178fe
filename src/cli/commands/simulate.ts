import { createInterface } from "node:readline";
import { styleText } from "node:util";
import { Command } from "commander";
import { readConfig } from "../../config.ts";
import { notRunning, simulatorUrl } from "../running-demo.ts";

type Item = {
  wamid: string;
  direction: "in" | "out";
  type: string;
  text?: string;
  status?: string;
  errorCode?: number;
  body?: { action?: { buttons?: { reply: { title: string } }[] } };
};

/** A chat in the terminal, as a customer of the running demo: through the simulator's signed webhook and back. */
export function simulateCommand(): Command {
  return new Command("simulate")
    .description("chat with the running demo as a customer (npm start in another terminal)")
    .option("--from <number>", "the customer's number", "972500000001")
    .option("--text <text...>", "send these lines, print what comes back, and end")
    .action(async (options: { from: string; text?: string[] }) => {
      const url = simulatorUrl(readConfig().dataDir);
      await fetch(`${url}/_sim/idle`).catch(() => {
        throw notRunning();
      });
      const chat = new Chat(url, options.from.replace(/\D/g, ""));
      if (options.text) await chat.script(options.text);
      else await chat.interact();
    });
}

const HELP = "Write as a customer. /tap LABEL taps a button, /clock HOURS moves time, /quit ends.";

class Chat {
  readonly #url: string;
  readonly #from: string;
  readonly #shown = new Map<string, string>();

  constructor(url: string, from: string) {
    this.#url = url;
    this.#from = from;
  }

  async interact(): Promise<void> {
    console.log(styleText("dim", HELP));
    const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: "> " });
    const timer = setInterval(() => void this.#show().then((isNew) => isNew && lines.prompt(true)), 300);
    lines.prompt();
    try {
      for await (const line of lines) {
        if (line.trim() === "/quit") break;
        if (line.trim()) await this.#say(line.trim());
        lines.prompt();
      }
    } finally {
      clearInterval(timer);
      lines.close();
    }
  }

  async script(texts: readonly string[]): Promise<void> {
    await this.#show();
    for (const text of texts) {
      console.log(`> ${text}`);
      await this.#say(text);
      const deadline = Date.now() + 20_000;
      while (Date.now() < deadline && !(await this.#show())) await new Promise((done) => setTimeout(done, 100));
    }
  }

  async #say(line: string): Promise<void> {
    const [command, ...rest] = line.split(" ");
    if (command === "/tap") await this.#post("tap", { from: this.#from, button: rest.join(" ") });
    else if (command === "/clock") await this.#post("clock", { advanceMs: Number(rest[0]) * 3_600_000 });
    else await this.#post("inbound", { from: this.#from, message: { type: "text", text: { body: line } } });
  }

  async #show(): Promise<boolean> {
    const response = await fetch(`${this.#url}/_sim/thread?user=${this.#from}`);
    const { items } = (await response.json()) as { items?: Item[] };
    let isNew = false;
    for (const item of items ?? []) {
      if (item.direction === "in" || this.#shown.has(item.wamid)) continue;
      this.#shown.set(item.wamid, item.status ?? "");
      isNew = true;
      const text = item.text ?? `[${item.type}]`;
      process.stdout.write(`\r${styleText("green", text)}\n`);
      for (const button of item.body?.action?.buttons ?? [])
        console.log(styleText("cyan", `  [${button.reply.title}]`));
    }
    return isNew;
  }

  async #post(path: string, body: unknown): Promise<void> {
    const response = await fetch(`${this.#url}/_sim/${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) console.error(styleText("red", `the simulator says: ${await response.text()}`));
  }
}
