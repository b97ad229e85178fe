import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Config } from "../config.ts";
import { readinessFacts } from "../connect/readiness-facts.ts";
import { EsekError } from "../errors.ts";
import { createLlm } from "../llm/client.ts";
import { readiness } from "../policy/readiness.ts";
import { keptToken } from "../store/merchant-secrets.ts";
import type { CliContext } from "./context.ts";
import type { Finding } from "./doctor.ts";
import { type GraphDoor, graphDoor } from "./graph-door.ts";

/**
 * What still blocks real traffic, merchant by merchant: asks Meta, the model and the callback, and writes nothing. One short
 * request goes to each merchant's model.
 */
export async function examineLive({ store, config }: CliContext, webhookUrl: string | undefined): Promise<Finding[]> {
  const findings: Finding[] = [...modeFindings(config)];
  const door = graphDoor(config, store);
  const models = new Map<string, Finding>();
  for (const id of await store.merchants.all()) {
    const { config: merchant } = await store.merchants.get(id);
    const token = door.secret(merchant.token.env) ?? (await keptToken(store, id));
    const facts = await readinessFacts(door.world, id, token, webhookUrl);
    for (const { level, topic, say } of readiness(facts))
      findings.push({ level, what: `${merchant.slug}, ${topic}`, say });
    const { name } = merchant.model;
    if (!models.has(name)) models.set(name, await modelFinding(door, name));
  }
  return [...findings, ...models.values()];
}

function modeFindings(config: Config): Finding[] {
  if (config.mode === "demo")
    return [
      {
        level: "bad",
        what: "mode",
        say: "demo: nothing leaves this machine. Set META_APP_SECRET, META_VERIFY_TOKEN and ESEK_MASTER_KEY for live",
      },
    ];
  const isDemoKey = config.masterKey?.equals(demoKey(config.dataDir));
  return [
    { level: "ok", what: "mode", say: "live" },
    isDemoKey
      ? {
          level: "bad",
          what: "master key",
          say: "the demo's own, which lies beside the data. Make one (openssl rand -base64 32) and `keys rotate --new-master-key-file`",
        }
      : { level: "ok", what: "master key", say: "your own" },
  ];
}

function demoKey(dataDir: string): Buffer {
  try {
    return Buffer.from(readFileSync(join(resolve(dataDir), "master.key"), "utf8").trim(), "base64");
  } catch {
    // No demo has run here, so there is no such key.
    return Buffer.alloc(0);
  }
}

async function modelFinding(door: GraphDoor, model: string): Promise<Finding> {
  const what = `model ${model}`;
  const request = { model, maxOutputTokens: 16, timeoutMs: 20_000, signal: AbortSignal.timeout(25_000) };
  try {
    await createLlm(door.model).chat({ ...request, messages: [{ role: "user", content: "Answer with OK." }] });
    return { level: "ok", what, say: "answers" };
  } catch (err) {
    if (!(err instanceof EsekError)) throw err;
    return { level: "bad", what, say: err.message };
  }
}
