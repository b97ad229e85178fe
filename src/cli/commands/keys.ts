import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";
import { Command } from "commander";
import { masterKey } from "../../config.ts";
import { localKeyProvider, writeKey } from "../../crypto/key-provider.ts";
import { SYSTEM_MERCHANT } from "../../domain/ids.ts";
import { EsekError } from "../../errors.ts";
import { transaction } from "../../store/database.ts";
import { withStore } from "../context.ts";

/**
 * Rotation. Data keys: every merchant gets a new version for what is written from now on; old ones stay readable.
 * Master key: every data key is wrapped anew, in one transaction, and the new master key must be in place for the
 * next start. Blind-index keys stay: suppressions of erased people cannot be hashed again.
 */
export function keysCommand(): Command {
  const command = new Command("keys").description("encryption keys");
  command
    .command("rotate")
    .option("--new-master-key-file <file>", "32 bytes in base64: wrap every key under it")
    .option("--master", "demo mode: make a new master key and put it in place")
    .description("new data keys for everybody; with a new master key also a re-wrap of all keys")
    .action(async (options: { newMasterKeyFile?: string; master?: boolean }) => {
      await withStore(async ({ store, config }) => {
        const merchants = [SYSTEM_MERCHANT, ...(await store.merchants.all())];
        const next = nextMasterKey(options, config.mode, config.dataDir);
        let wrapped = 0;
        await transaction(store.sql, merchants, async (tx) => {
          for (const merchantId of merchants) {
            await store.keyring.rotateDataKey(tx, merchantId);
            if (next) wrapped += await store.keyring.rewrap(tx, merchantId, localKeyProvider(next.key));
          }
        });
        if (next?.file) renameSync(`${next.file}.next`, next.file);
        console.log(
          `data keys rotated for ${merchants.length - 1} merchants and the system${next ? `; ${wrapped} keys wrapped under the new master key` : ""}`,
        );
        if (next && !next.file)
          console.log(
            "Give the new key in ESEK_MASTER_KEY and restart every process now: the old one opens nothing any more.",
          );
      });
    });
  return command;
}

type Next = { key: Buffer; file?: string };

/** The new key is on disk before anything is wrapped under it: a crash in between loses neither. */
function nextMasterKey(
  options: { newMasterKeyFile?: string; master?: boolean },
  mode: "demo" | "live",
  dataDir: string,
): Next | undefined {
  if (options.newMasterKeyFile) {
    if (!existsSync(options.newMasterKeyFile))
      throw new EsekError(
        "keys/file",
        `${options.newMasterKeyFile} does not exist. Make it with: openssl rand -base64 32 > FILE`,
      );
    return { key: masterKey(readFileSync(options.newMasterKeyFile, "utf8")) };
  }
  if (!options.master) return undefined;
  if (mode === "live" || process.env.ESEK_MASTER_KEY)
    throw new EsekError(
      "keys/mode",
      "--master works where Esek keeps the key itself (demo mode). Elsewhere give --new-master-key-file.",
    );
  const file = join(resolve(dataDir), "master.key");
  const key = randomBytes(32);
  writeKey(`${file}.next`, key);
  return { key, file };
}
