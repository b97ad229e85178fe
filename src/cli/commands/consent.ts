import { readFileSync } from "node:fs";
import { Command } from "commander";
import { z } from "zod";
import { EsekError } from "../../errors.ts";
import { importConsent, recordConsent, showConsent } from "../../store/consent-admin.ts";
import { print, printRows, withStore } from "../context.ts";
import { merchantBySlug } from "../merchant-by-slug.ts";

export function consentCommand(): Command {
  const command = new Command("consent").description("the consent ledger: append-only, per person and WABA");
  const person = (value: string) =>
    value.startsWith("+") || /^\d+$/.test(value) ? { waId: value.replace(/\D/g, "") } : { bsuid: value };
  command
    .command("show")
    .argument("<person>", "+number or business-scoped user id")
    .requiredOption("--merchant <slug>")
    .description("what the person allows, and every line it follows from")
    .action(async (who: string, options: { merchant: string }) => {
      await withStore(async ({ store }) => {
        for (const entry of await showConsent(store, await merchantBySlug(store, options.merchant), person(who))) {
          print({ waba: entry.wabaId, ...entry.standing });
          printRows(
            entry.ledger.map((line) => ({
              at: line.at.toISOString(),
              act: line.act,
              scope: line.scope,
              source: line.source,
            })),
          );
        }
      });
    });
  command
    .command("record")
    .argument("<person>")
    .requiredOption("--merchant <slug>")
    .requiredOption("--act <act>", "opt-in or opt-out")
    .requiredOption("--scope <scope>", "marketing, utility or all")
    .requiredOption("--proof <text>", "what was agreed or asked, where and when (kept encrypted)")
    .option("--actor <name>", "who records it", "operator")
    .description(
      "a stop stops at once; an opt-in of somebody who stopped stays pending until they say START themselves",
    )
    .action(
      async (who: string, options: { merchant: string; act: string; scope: string; proof: string; actor: string }) => {
        const parsed = z
          .object({ act: z.enum(["opt-in", "opt-out"]), scope: z.enum(["marketing", "utility", "all"]) })
          .safeParse(options);
        if (!parsed.success)
          throw new EsekError("consent/input", "--act must be opt-in or opt-out, --scope marketing, utility or all.");
        await withStore(async ({ store }) => {
          const standing = await recordConsent(store, await merchantBySlug(store, options.merchant), {
            person: person(who),
            ...parsed.data,
            source: "human",
            proof: options.proof,
            actor: options.actor,
          });
          print(standing);
        });
      },
    );
  command
    .command("import")
    .argument("<file>", "JSONL {person, scope, at, proof, act}; act is opt-in where it is missing")
    .requiredOption("--merchant <slug>")
    .description("opt-ins with proof, whoever stopped stays stopped; and opt-outs, which stop at once")
    .action(async (file: string, options: { merchant: string }) => {
      const schema = z.strictObject({
        person: z.string(),
        scope: z.enum(["marketing", "utility", "all"]),
        at: z.iso.datetime(),
        proof: z.string().min(3),
        act: z.enum(["opt-in", "opt-out"]).default("opt-in"),
      });
      const rows = readFileSync(file, "utf8")
        .split("\n")
        .flatMap((line, index) => {
          if (line.trim() === "") return [];
          const parsed = schema.safeParse(safeJson(line));
          if (!parsed.success)
            throw new EsekError(
              "consent/input",
              `${file}:${index + 1} expected {person, scope, at, proof}: ${parsed.error.issues.map((issue) => issue.path.join(".") || "line").join(", ")}. Nothing was imported.`,
            );
          return [{ ...parsed.data, person: person(parsed.data.person), at: new Date(parsed.data.at) }];
        });
      await withStore(async ({ store }) =>
        print(await importConsent(store, await merchantBySlug(store, options.merchant), rows)),
      );
    });
  return command;
}

function safeJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
