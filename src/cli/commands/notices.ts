import { Command } from "commander";
import { listNotices } from "../../store/notices.ts";
import { printRows, withStore } from "../context.ts";
import { merchantBySlug } from "../merchant-by-slug.ts";

export function noticesCommand(): Command {
  return new Command("notices")
    .description("what the merchant was told: hand-offs, opt-outs, blocked messages, broken tokens, dead letters")
    .requiredOption("--merchant <slug>")
    .option("--kind <kind...>", "only these")
    .option("--limit <n>", "how many", "50")
    .action((options: { merchant: string; kind?: string[]; limit: string }) =>
      withStore(async ({ store }) => {
        const merchantId = await merchantBySlug(store, options.merchant);
        printRows(await listNotices(store, merchantId, options.kind, Math.min(1000, Number(options.limit) || 50)));
      }),
    );
}
