import { SYSTEM_MERCHANT } from "../domain/ids.ts";
import { transaction } from "../store/database.ts";
import { keptToken } from "../store/merchant-secrets.ts";
import { readHold } from "../store/restore-hold.ts";
import type { CliContext } from "./context.ts";

export type Finding = { level: "ok" | "warn" | "bad"; what: string; say: string };

/** Everything that can be told without sending anything: database, keys, merchants, templates, queues, the model's address. */
export async function examine({ store, config }: CliContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  const add = (level: Finding["level"], what: string, say: string) => findings.push({ level, what, say });
  const [server] = await store.sql<
    { version: string; role: string; bypass: boolean }[]
  >`select current_setting('server_version') as version, current_user as role, (select rolsuper or rolbypassrls from pg_roles where rolname = current_user) as bypass`;
  add(
    "ok",
    "database",
    `Postgres ${server!.version}, ${config.databaseUrl ? "DATABASE_URL" : `embedded in ${config.dataDir}`}`,
  );
  if (server!.bypass)
    add(
      "bad",
      "row-level security",
      `role ${server!.role} bypasses it; the runtime must connect as a role that can switch to esek_app`,
    );
  else add("ok", "row-level security", `forced, runtime role ${server!.role}`);
  add(
    "ok",
    "mode",
    config.mode === "demo" ? "demo: simulator and scripted model (set META_APP_SECRET for live)" : "live",
  );
  const hold = await readHold(store.sql);
  if (hold)
    add(
      "bad",
      "sending",
      `held: restored from a backup of ${hold.backupAt.toISOString()}. Bring in the opt-outs since then, then: npm run esek -- restore --acknowledge-opt-outs`,
    );
  const unrouted = await transaction(
    store.sql,
    [SYSTEM_MERCHANT],
    (tx) => tx<{ reason: string; count: number }[]>`select reason, count(*)::int from inbox_unrouted group by 1`,
  );
  for (const row of unrouted)
    add(
      "warn",
      "unrouted events",
      `${row.count} kept as ${row.reason}: a number or WABA sends here that no merchant file names`,
    );
  const merchants = await store.merchants.all();
  if (merchants.length === 0)
    add("bad", "merchants", "none. Apply a file: npm run esek -- merchant apply merchants/demo/merchant.yaml");
  for (const id of merchants) await examineMerchant(findings, { store, config } as CliContext, id);
  if (config.mode === "live" && !config.openaiApiKey && !config.openaiBaseUrl)
    add(
      "bad",
      "model",
      "no OPENAI_API_KEY: every question gets the fixed sentence. Set it, and OPENAI_BASE_URL for another provider",
    );
  return findings;
}

async function examineMerchant(
  findings: Finding[],
  { store, config }: CliContext,
  id: Awaited<ReturnType<CliContext["store"]["merchants"]["all"]>>[number],
): Promise<void> {
  const { config: merchant } = await store.merchants.get(id);
  const what = `merchant ${merchant.slug}`;
  await store.keyring.of(id);
  findings.push({
    level: "ok",
    what,
    say: `${merchant.wabas.length} WABA, ${merchant.wabas.flatMap((waba) => waba.numbers).length} numbers, keys open`,
  });
  if (config.mode === "live" && !config.secret(merchant.token.env) && !(await keptToken(store, id)))
    findings.push({
      level: "bad",
      what,
      say: `${merchant.token.env} is not set and no token is kept: nothing can be sent. Put the merchant's access token there, or give it to \`merchant connect --token-stdin\``,
    });
  const facts = await transaction(store.sql, [id], async (tx) => {
    const templates = await tx<
      { name: string; language: string; status: string; category: string }[]
    >`select name, language, status, category from template where merchant_id = ${id}`;
    const [counts] = await tx<
      { dead: number; unknown: number; waiting: number; broken: number }[]
    >`select (select count(*)::int from inbox where state = 'dead') as dead, (select count(*)::int from outbox where state_reason = 'outcome-unknown') as unknown,
      (select count(*)::int from outbox where state in ('queued', 'deferred')) as waiting, (select count(*)::int from waba where token_broken_at is not null) as broken`;
    return { templates, counts: counts! };
  });
  const fallback = merchant.fallbackTemplates.answerReady;
  const usable = facts.templates
    .filter(
      (template) => template.name === fallback && template.status === "APPROVED" && template.category === "UTILITY",
    )
    .map((template) => template.language);
  if (!fallback)
    findings.push({
      level: "warn",
      what,
      say: "no fallbackTemplates.answerReady: an answer that misses the 24-hour window is never delivered",
    });
  else if (usable.length === 0)
    findings.push({
      level: "warn",
      what,
      say: `fallback template ${fallback} has no approved UTILITY version here yet (templates are read from Meta every 10 minutes while Esek runs)`,
    });
  else findings.push({ level: "ok", what, say: `fallback template ${fallback}: ${usable.join(", ")}` });
  if (facts.counts.broken > 0)
    findings.push({
      level: "bad",
      what,
      say: "Meta refused the access token. Give a new one and run: esek merchant apply again",
    });
  if (facts.counts.dead > 0)
    findings.push({
      level: "warn",
      what,
      say: `${facts.counts.dead} dead letters: npm run esek -- replay --merchant ${merchant.slug}`,
    });
  if (facts.counts.unknown > 0)
    findings.push({
      level: "warn",
      what,
      say: `${facts.counts.unknown} messages of unknown outcome: npm run esek -- outbox --merchant ${merchant.slug} --state failed unknown`,
    });
}
