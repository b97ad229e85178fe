import { z } from "zod";

const Part = z.looseObject({ type: z.string(), text: z.string().optional() });

const Message = z
  .looseObject({
    role: z.string(),
    content: z.union([z.string(), z.array(Part), z.null()]).optional(),
  })
  .transform((message) => ({ ...message, text: textOf(message.content) }));

const Tool = z.looseObject({
  type: z.string(),
  function: z.looseObject({ name: z.string(), parameters: z.unknown().optional() }).optional(),
});

/** As much of an OpenAI chat completion request as the scripted model looks at. */
export const ChatRequest = z.looseObject({
  model: z.string(),
  messages: z.array(Message).min(1),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  tools: z.array(Tool).nullish(),
  tool_choice: z.unknown().optional(),
  response_format: z
    .looseObject({
      type: z.string(),
      json_schema: z.looseObject({ name: z.string().optional(), schema: z.unknown().optional() }).nullish(),
    })
    .nullish(),
});

export type ChatRequest = z.output<typeof ChatRequest>;

export function lastUserText(request: ChatRequest): string {
  return request.messages.findLast((message) => message.role === "user")?.text ?? "";
}

function textOf(content: string | z.output<typeof Part>[] | null | undefined): string {
  if (typeof content === "string") return content;
  return (content ?? []).map((part) => part.text ?? "").join("");
}
