import { Command } from "commander";
import { createApiKey, listApiKeys, revokeApiKey } from "../../store/api-keys.ts";
import { printRows, withStore } from "../context.ts";
import { merchantBySlug } from "../merchant-by-slug.ts";

export function apikeyCommand(): Command {
  const command = new Command("apikey").description("keys for the business API");
  command
    .command("create")
    .requiredOption("--merchant <slug>")
    .requiredOption("--name <name>", "what it is for")
    .option("--scope <scope...>", "what it may do", ["messages:send"])
    .description("make a key; it is shown once")
    .action(async (options: { merchant: string; name: string; scope: string[] }) => {
      await withStore(async ({ store, config }) => {
        const { id, key } = await createApiKey(
          store,
          await merchantBySlug(store, options.merchant),
          options.name,
          options.scope,
          config.mode,
        );
        console.error(`Key ${id} made. It is shown this once; Esek keeps only its hash.`);
        console.log(key);
      });
    });
  command
    .command("list")
    .requiredOption("--merchant <slug>")
    .action(async (options: { merchant: string }) => {
      await withStore(async ({ store }) =>
        printRows(await listApiKeys(store, await merchantBySlug(store, options.merchant))),
      );
    });
  command
    .command("revoke")
    .argument("<id>")
    .description("from the next request on it is refused")
    .action(async (id: string) => {
      await withStore(async ({ store }) => revokeApiKey(store, id));
      console.log(`${id} revoked`);
    });
  return command;
}
