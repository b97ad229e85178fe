import { Command } from "commander";
import { newId } from "../../domain/ids.ts";
import { EsekError } from "../../errors.ts";
import { createGuard } from "../../guardrails/guard.ts";
import { decideOutbound } from "../../policy/outbound-gate.ts";
import { listHandoffs, replyAsPerson, returnToAgent } from "../../store/handoffs.ts";
import { print, printRows, withStore } from "../context.ts";
import { merchantBySlug } from "../merchant-by-slug.ts";
import { readStdin } from "../stdin.ts";

type Options = { merchant: string };

/** A person's hands on a chat, from a terminal. Words come from standard input, so that no shell keeps them. */
export function handoffCommand(): Command {
  const command = new Command("handoff").description("chats that people have: list, answer, give back");
  command
    .command("list")
    .requiredOption("--merchant <slug>")
    .description("who waits for a person, the longest first")
    .action(({ merchant }: Options) =>
      withStore(async ({ store }) => printRows(await listHandoffs(store, await merchantBySlug(store, merchant)))),
    );
  command
    .command("reply")
    .argument("<conversation>", "id from the list")
    .requiredOption("--merchant <slug>")
    .description("answer with the words on standard input; they pass the same gate as every message")
    .action(async (conversationId: string, { merchant }: Options) => {
      const text = (await readStdin()).trim();
      if (text === "") throw new EsekError("handoff/empty", "Nothing to send: give the answer on standard input.");
      await withStore(async ({ store }) => {
        const merchantId = await merchantBySlug(store, merchant);
        const verdict = await createGuard().check(text, "outbound");
        print(await replyAsPerson(store, { merchantId, conversationId, text, verdict, key: newId() }, decideOutbound));
      });
    });
  command
    .command("return")
    .argument("<conversation>", "id from the list")
    .requiredOption("--merchant <slug>")
    .description("give the chat back to the agent; it answers what waits, and says that it does")
    .action((conversationId: string, { merchant }: Options) =>
      withStore(async ({ store }) => {
        const count = await returnToAgent(store, await merchantBySlug(store, merchant), conversationId);
        console.log(count === 0 ? "given back; nothing waits" : `given back; ${count} messages are answered now`);
      }),
    );
  return command;
}
