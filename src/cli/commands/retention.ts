import { Command } from "commander";
import { runRetention, runUnrouted } from "../../store/retention.ts";
import { printRows, withStore } from "../context.ts";
import { merchantBySlug } from "../merchant-by-slug.ts";

export function retentionCommand(): Command {
  return new Command("retention")
    .description("what has been kept for its time, by class; forgotten now (a running Esek does it hourly by itself)")
    .option("--merchant <slug>", "this merchant only")
    .option("--dry-run", "count, change nothing")
    .action(async (options: { merchant?: string; dryRun?: boolean }) => {
      await withStore(async ({ store }) => {
        const isDryRun = options.dryRun === true;
        const merchants = options.merchant
          ? [await merchantBySlug(store, options.merchant)]
          : await store.merchants.all();
        const rows: Record<string, unknown>[] = [];
        for (const merchantId of merchants) {
          const { slug } = (await store.merchants.get(merchantId)).config;
          for (const line of await runRetention(store, merchantId, { isDryRun }))
            rows.push({ merchant: slug, ...line });
        }
        if (!options.merchant) rows.push({ merchant: "(nobody's)", ...(await runUnrouted(store, { isDryRun })) });
        printRows(rows);
      });
    });
}
