import { resolve } from "node:path";
import { Command } from "commander";
import { localKeyProvider } from "../../crypto/key-provider.ts";
import { SYSTEM_MERCHANT } from "../../domain/ids.ts";
import { EsekError } from "../../errors.ts";
import { writeBackup } from "../../store/backup/write.ts";
import { connect } from "../../store/database.ts";
import { withStore } from "../context.ts";
import { progressLine } from "../progress.ts";

export function backupCommand(): Command {
  return new Command("backup")
    .argument("<file>", "where to; must not be there yet")
    .description("the embedded database in one sealed file, as of one instant, also while Esek runs")
    .action(async (file: string) => {
      await withStore(async ({ config, prepared, store }) => {
        if (config.databaseUrl)
          throw new EsekError(
            "backup/external",
            "This is for the embedded database. For the one of DATABASE_URL use your server's own tools (pg_dump, archiving), and `esek restore --hold TIME` after you restored it.",
          );
        // A backup under a key that does not open the data would be found useless only when it is needed.
        for (const merchantId of [SYSTEM_MERCHANT, ...(await store.merchants.all())])
          await store.keyring.of(merchantId);
        const provider = localKeyProvider(prepared.masterKey);
        const sql = connect({ ...prepared.database, user: "esek_admin", max: 1 });
        const line = progressLine("backup");
        try {
          const made = await writeBackup(sql, provider, resolve(file), line.progress);
          line.end();
          console.log(
            `${file}: ${made.rows} rows of ${made.tables} tables as of ${made.madeAt.toISOString()}, sealed under master key ${provider.kekId}.\n` +
              "The key is not in the file: keep a copy of it in another place. Without it nobody can restore this.",
          );
        } finally {
          line.end();
          await sql.end({ timeout: 5 });
        }
      });
    });
}
