import { z } from "zod";
import type { Passage } from "../knowledge/answer.ts";
import type { AgentTool, Ending } from "./runner.ts";

const option = z.object({
  title: z.string().min(1).max(60).describe("what the customer reads, at most 24 characters"),
  description: z.string().max(100).optional(),
});

/** What every agent can do besides writing: give the chat away, end it, offer choices to tap, look things up. */
export function ownTools(ending: Ending, search: (query: string) => Promise<Passage[]>, cites: string[]): AgentTool[] {
  return [
    {
      name: "hand_off",
      description:
        "Give this chat to a person of the business. The customer is told so. Use it when they ask for a person, when you cannot help, or when they are upset.",
      schema: z.object({ reason: z.string().max(200).describe("why, for the colleague") }),
      endsTurn: true,
      async call() {
        ending.draft = { type: "hand-off" };
        return "handed over";
      },
    },
    {
      name: "end_conversation",
      description: "Say nothing: the customer's last message (a thank-you, an emoji) wants no answer.",
      schema: z.object({}),
      endsTurn: true,
      async call() {
        ending.draft = { type: "end" };
        return "ended";
      },
    },
    {
      name: "offer_choices",
      description: "Answer with a text and up to ten choices that the customer can tap.",
      schema: z.object({
        text: z.string().min(1).max(3000),
        options: z.array(option).min(1).max(10),
        button: z.string().max(20).optional().describe("the word on the button that opens a long list"),
      }),
      endsTurn: true,
      async call(args) {
        const { text, options, button } = args as { text: string; options: z.infer<typeof option>[]; button?: string };
        const rows = options.map((one, index) => ({ id: `choice-${index + 1}`, ...one }));
        const isList = rows.length > 3 || rows.some((row) => row.description);
        ending.draft = isList
          ? { type: "answer", text, list: { button: button ?? "…", rows } }
          : { type: "answer", text, buttons: rows.map(({ id, title }) => ({ id, title })) };
        return "offered";
      },
    },
    {
      name: "search_knowledge",
      description: "Search the business's own documents. Use the customer's language and few, concrete words.",
      schema: z.object({ query: z.string().min(1).max(300) }),
      endsTurn: false,
      async call(args) {
        const passages = await search((args as { query: string }).query);
        cites.push(...passages.map((passage) => passage.id));
        return passages.length === 0
          ? "Nothing found. Do not guess: say that you do not know, or hand over."
          : passages.map((passage) => `[${passage.title}]\n${passage.text}`).join("\n\n");
      },
    },
  ];
}
