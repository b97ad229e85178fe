import { Command } from "commander";
import { readMerchantFile } from "../../merchant-file.ts";
import { applyMerchant } from "../../store/merchants.ts";
import { printRows, withStore } from "../context.ts";
import { connectCommand } from "./merchant-connect.ts";

export function merchantCommand(): Command {
  const command = new Command("merchant").description("merchants: one YAML file each");
  command
    .command("apply")
    .argument("<file>", "merchant.yaml")
    .description("make the database say what the file says; twice is as once, and a wrong file changes nothing")
    .action(async (file: string) => {
      const config = readMerchantFile(file);
      await withStore(async ({ store }) => {
        const { id, changed } = await applyMerchant(store.sql, store.keyring, config);
        console.log(`${config.slug}: ${changed ? "applied" : "unchanged"} (${id})`);
      });
    });
  command.addCommand(connectCommand());
  command
    .command("list")
    .description("who is here")
    .action(async () => {
      await withStore(async ({ store }) => {
        const rows = [];
        for (const id of await store.merchants.all()) {
          const merchant = await store.merchants.get(id);
          rows.push({
            id,
            slug: merchant.config.slug,
            name: merchant.config.name,
            numbers: merchant.config.wabas.flatMap((waba) => waba.numbers).length,
            version: merchant.version,
          });
        }
        printRows(rows);
      });
    });
  return command;
}
