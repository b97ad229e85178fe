import { Command } from "commander";
import { listOutbox } from "../../store/inspect.ts";
import { printRows, withStore } from "../context.ts";
import { merchantBySlug } from "../merchant-by-slug.ts";

export function outboxCommand(): Command {
  return new Command("outbox")
    .description("what is waiting, held, blocked or unknown, newest first")
    .requiredOption("--merchant <slug>")
    .option("--state <state...>", "queued deferred sending unknown held blocked failed canceled accepted")
    .option("--limit <n>", "rows", "50")
    .action(async (options: { merchant: string; state?: string[]; limit: string }) => {
      await withStore(async ({ store }) =>
        printRows(
          await listOutbox(store, await merchantBySlug(store, options.merchant), options.state, Number(options.limit)),
        ),
      );
    });
}
