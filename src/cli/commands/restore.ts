import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { z } from "zod";
import { type Config, readConfig } from "../../config.ts";
import { demoMasterKey, type KeyProvider, localKeyProvider } from "../../crypto/key-provider.ts";
import { EsekError } from "../../errors.ts";
import { createLogger } from "../../logger.ts";
import { openBackup } from "../../store/backup/format.ts";
import { type Restored, restoreBackup } from "../../store/backup/restore.ts";
import { verifyBackup } from "../../store/backup/verify.ts";
import { connect } from "../../store/database.ts";
import { startEmbedded } from "../../store/embedded/server.ts";
import { runningService } from "../../store/embedded/supervision.ts";
import { acknowledgeHold, placeHold, readHold } from "../../store/restore-hold.ts";
import { withStore } from "../context.ts";
import { progressLine } from "../progress.ts";

type Options = { replace?: boolean; keepQueued?: boolean; hold?: string; acknowledgeOptOuts?: boolean; actor: string };

export function restoreCommand(): Command {
  return new Command("restore")
    .argument("[file]", "what `esek backup` wrote; without it only the options below")
    .option("--replace", "lose what is in the database now (its stops and erasures since the backup are carried over)")
    .option("--keep-queued", "nothing ran after the backup (a planned move): keep what was waiting to be sent")
    .option(
      "--hold <time>",
      "you restored the database of DATABASE_URL by other means, as of this time: hold all sending",
    )
    .option("--acknowledge-opt-outs", "the stops since the backup are in, or there were none: send again")
    .option("--actor <name>", "who says so", "operator")
    .description("a backup becomes the database; nothing is sent until the opt-outs since then are acknowledged")
    .action(async (file: string | undefined, options: Options) => {
      if (!file && !options.hold && !options.acknowledgeOptOuts)
        throw new EsekError("restore/input", "Give a FILE to restore, or --acknowledge-opt-outs after a restore.");
      if (file) say(await restore(file, options));
      if (options.hold) await hold(options.hold);
      if (options.acknowledgeOptOuts) await acknowledge(options.actor);
      else await sayHold();
    });
}

/** Everything that can be refused is refused before a server is started or a byte written. */
async function restore(file: string, options: Options): Promise<Restored> {
  const config = readConfig();
  if (config.databaseUrl)
    throw new EsekError(
      "restore/external",
      "This is for the embedded database. Restore the one of DATABASE_URL with your server's own tools, then run `esek restore --hold TIME`.",
    );
  const provider = keyOf(config);
  const logger = createLogger(config.logLevel === "info" ? "warn" : config.logLevel, process.stderr as never);
  const pid = runningService(resolve(config.dataDir));
  if (pid !== undefined)
    throw new EsekError(
      "restore/in-use",
      `Esek runs here (process ${pid}). Nothing was changed. Stop it (SIGTERM) and restore again.`,
    );
  const backup = await openBackup(resolve(file), provider);
  await withLine("checking", (progress) => verifyBackup(backup, progress));
  const server = await startEmbedded({ dataDir: config.dataDir, binDir: config.pgBinDir });
  try {
    return await withLine("restoring", (progress) =>
      restoreBackup(backup, {
        socketDir: server.socketDir,
        provider,
        isReplacing: options.replace === true,
        isQueueKept: options.keepQueued === true,
        logger,
        progress,
      }),
    );
  } finally {
    await server.stop();
  }
}

/** The key that is there; a restore never makes one up. */
function keyOf(config: Config): KeyProvider {
  if (config.masterKey) return localKeyProvider(config.masterKey);
  const dataDir = resolve(config.dataDir);
  if (!existsSync(join(dataDir, "master.key")))
    throw new EsekError(
      "restore/key",
      `There is no master key: neither ESEK_MASTER_KEY nor ${join(dataDir, "master.key")}. Put the key there that the backup was made with. Nothing was changed.`,
    );
  return localKeyProvider(demoMasterKey(dataDir).key);
}

function say({ rows, tables, madeAt, canceled, carried }: Restored): void {
  console.log(`restored ${rows} rows of ${tables} tables as of ${madeAt.toISOString()}`);
  if (canceled > 0)
    console.log(
      `${canceled} messages that the business had queued were canceled: whether they left after the backup nobody knows, and none is sent twice (esek outbox --state canceled)`,
    );
  if (carried)
    console.log(
      `carried over from the replaced database: ${carried.consentLines} lines of the consent ledger, ${carried.erasures} people erased again`,
    );
}

async function hold(time: string): Promise<void> {
  const parsed = z.iso.datetime({ offset: true }).safeParse(time);
  if (!parsed.success)
    throw new EsekError("restore/input", "--hold takes the instant you restored to, such as 2026-11-25T09:00:00Z.");
  await withStore(async ({ prepared }) => {
    const owner = connect({ ...prepared.database, max: 1 });
    await placeHold(owner, new Date(parsed.data)).finally(() => owner.end({ timeout: 2 }));
  });
}

async function acknowledge(actor: string): Promise<void> {
  await withStore(async ({ store }) => {
    const { holds, waiting } = await acknowledgeHold(store, actor);
    console.log(
      holds > 0
        ? `acknowledged by ${actor}: sending goes on; ${waiting} waiting messages are weighed again`
        : "nothing is held: there was no restore since the last acknowledgement",
    );
  });
}

async function sayHold(): Promise<void> {
  await withStore(async ({ store }) => {
    const hold = await readHold(store.sql);
    if (!hold) return;
    const since = hold.backupAt.toISOString();
    console.log(`
Nothing is sent now, replies included. What comes in is kept, and a STOP is honoured at once.
Whoever opted out or was erased after ${since} is not in this database. Before you let it send:
  1. opt-outs since then, from wherever they are known:  esek consent import FILE --merchant SLUG   (lines with "act": "opt-out")
  2. erasures since then, by the proofs you kept:         esek contact erase --contact ID --merchant SLUG
  3. start Esek and give Meta time: what it could not deliver it sends again, for up to 7 days
Then, or when there were none:  esek restore --acknowledge-opt-outs`);
  });
}

async function withLine<T>(
  what: string,
  work: (progress: ReturnType<typeof progressLine>["progress"]) => Promise<T>,
): Promise<T> {
  const line = progressLine(what);
  try {
    return await work(line.progress);
  } finally {
    line.end();
  }
}
