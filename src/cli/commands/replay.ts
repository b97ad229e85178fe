import { Command } from "commander";
import { listDead, replayDead } from "../../store/dead-letters.ts";
import { printRows, withStore } from "../context.ts";
import { merchantBySlug } from "../merchant-by-slug.ts";

export function replayCommand(): Command {
  return new Command("replay")
    .description("dead letters: list them, or put a conversation's back into its queue as new events")
    .requiredOption("--merchant <slug>")
    .option("--conversation <id>", "replay this one; without it they are listed")
    .action(async (options: { merchant: string; conversation?: string }) => {
      await withStore(async ({ store }) => {
        const merchantId = await merchantBySlug(store, options.merchant);
        if (!options.conversation) return printRows(await listDead(store, merchantId));
        console.log(`${await replayDead(store, merchantId, options.conversation)} events are in the queue again`);
      });
    });
}
