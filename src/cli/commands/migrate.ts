import { Command } from "commander";
import { withStore } from "../context.ts";

export function migrateCommand(): Command {
  return new Command("migrate")
    .description("bring the database up to this build; does nothing when it is")
    .action(async () => {
      await withStore(async ({ store }) => {
        const rows = await store.sql<{ name: string }[]>`select name from schema_migration order by version`;
        console.log(`database is at ${rows.at(-1)?.name ?? "nothing"} (${rows.length} migrations)`);
      });
    });
}
