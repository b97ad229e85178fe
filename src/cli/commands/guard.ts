import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { Command } from "commander";
import { z } from "zod";
import { EsekError } from "../../errors.ts";
import { createGuard } from "../../guardrails/guard.ts";

const row = z.looseObject({
  id: z.union([z.string(), z.number()]),
  text: z.string(),
  lang: z.string().optional(),
  country: z.string().optional(),
  context: z.enum(["marketing_last", "order_open", "options_offered"]).optional(),
  direction: z.enum(["inbound", "outbound"]).optional(),
});
type Row = z.infer<typeof row>;

/** Rows in, one JSON line a row out, and nothing else on stdout. No network, no database. */
export function guardCommand(): Command {
  const command = new Command("guard").description("what the local guards say of texts, one JSON line a row");
  command
    .command("intent")
    .requiredOption("--input <file>", "JSONL rows {id, text, lang?, country?, context?}")
    .action((options: { input: string }) => {
      const guard = createGuard();
      return eachRow(options.input, async (value) => {
        const matches = guard.intents(value.text, {
          lastMarketingAt: value.context === "marketing_last",
          isOrderOpen: value.context === "order_open",
          areOptionsOffered: value.context === "options_offered",
          country: value.country,
          languages: value.lang ? [value.lang] : [],
        });
        const first = matches.find((match) => match.intent !== "crisis");
        if (!first) return { id: value.id, intent: "none", rule: "none", score: 0 };
        return {
          id: value.id,
          intent: first.intent,
          ...(first.scope ? { scope: first.scope } : {}),
          rule: first.rule,
          score: first.score,
        };
      });
    });
  command
    .command("classify")
    .requiredOption("--input <file>", "JSONL rows {id, text, direction?}")
    .action((options: { input: string }) => {
      const guard = createGuard();
      return eachRow(options.input, async (value) => {
        const { verdict, category, score, rule, checks } = await guard.check(value.text, value.direction ?? "inbound");
        return {
          id: value.id,
          verdict,
          category: category ?? null,
          score,
          rule,
          checks: checks.map((check) => ({
            check: check.check,
            verdict: check.verdict,
            ...(check.category ? { category: check.category } : {}),
            score: check.score,
          })),
        };
      });
    });
  return command;
}

async function eachRow(file: string, answer: (value: Row) => Promise<unknown>): Promise<void> {
  const stream = createReadStream(file, "utf8");
  const lines = createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY });
  let number = 0;
  try {
    for await (const line of lines) {
      number++;
      if (line.trim() === "") continue;
      const parsed = row.safeParse(parse(line));
      if (!parsed.success)
        throw new EsekError(
          "guard/input",
          `${file}:${number} is not a row {id, text, lang?, country?, context?, direction?}: ${parsed.error.issues.map((issue) => `${issue.path.join(".") || "line"} ${issue.message}`).join("; ")}`,
        );
      process.stdout.write(`${JSON.stringify(await answer(parsed.data))}\n`);
    }
  } catch (err) {
    if ((err as { code?: string }).code === "ENOENT") throw new EsekError("guard/input", `${file} does not exist.`);
    throw err;
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
