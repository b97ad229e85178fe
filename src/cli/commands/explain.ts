import { Command } from "commander";
import { decideOutbound } from "../../policy/outbound-gate.ts";
import { explain } from "../../store/inspect.ts";
import { withStore } from "../context.ts";

export function explainCommand(): Command {
  return new Command("explain")
    .argument("<message>", "a wamid, an outbox id, a turn id or an event id")
    .description("why a message was sent, or why not: every decision with its facts")
    .action(async (id: string) => {
      await withStore(async ({ store }) => {
        process.stdout.write(`${JSON.stringify(await explain(store, id, decideOutbound), null, 2)}\n`);
      });
    });
}
