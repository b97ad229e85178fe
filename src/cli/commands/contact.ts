import { createInterface } from "node:readline";
import { Command } from "commander";
import { z } from "zod";
import type { ContactId, MerchantId } from "../../domain/ids.ts";
import type { Person } from "../../domain/person.ts";
import { EsekError } from "../../errors.ts";
import { type Erased, type EraseOptions, eraseContact, findContact } from "../../store/erase.ts";
import { listErasures } from "../../store/erasures.ts";
import type { Store } from "../../store/store.ts";
import { print, printRows, withStore } from "../context.ts";
import { merchantBySlug } from "../merchant-by-slug.ts";

type Options = { merchant: string; phoneStdin?: boolean; contact?: string; actor: string; dryRun?: boolean };

/** A POST is open for 16 s at most. */
const PATIENCE_MS = 20_000;

export function contactCommand(): Command {
  const command = new Command("contact").description("people at a merchant");
  command
    .command("erase")
    .requiredOption("--merchant <slug>")
    .option(
      "--phone-stdin",
      "the +number or business-scoped user id comes as one line of standard input, never as an argument",
    )
    .option("--contact <id>", "our own id of the person, as a proof or a data request names it")
    .option("--actor <name>", "who does it, for the proof", "operator")
    .option("--dry-run", "print the proof that it would give, change nothing")
    .description(
      "forget a person: everything but the stops, which stay as keyed hashes. Prints the proof as JSON: keep it",
    )
    .action(async (options: Options) => {
      if (Boolean(options.phoneStdin) === Boolean(options.contact))
        throw new EsekError("contact/input", "Say who: either --phone-stdin or --contact ID.");
      const person = options.phoneStdin ? await readPerson() : undefined;
      const id = person ? undefined : contactId(options.contact!);
      await withStore(async ({ store }) => {
        const merchantId = await merchantBySlug(store, options.merchant);
        const who = id ?? (await findContact(store, merchantId, person!));
        const erase: EraseOptions = { actor: options.actor, cause: "request", isDryRun: options.dryRun === true };
        print({
          ...(erase.isDryRun ? { dryRun: true } : {}),
          ...(await erasePatiently(store, merchantId, who, erase)),
        });
      });
    });
  command
    .command("erasures")
    .requiredOption("--merchant <slug>")
    .description("the proofs so far, each checked against its hash and the one before it")
    .action(async (options: { merchant: string }) => {
      await withStore(async ({ store }) =>
        printRows(await listErasures(store, await merchantBySlug(store, options.merchant))),
      );
    });
  return command;
}

/** A message that is on its way just now is waited for. */
async function erasePatiently(
  store: Store,
  merchantId: MerchantId,
  who: ContactId,
  options: EraseOptions,
): Promise<Erased> {
  const deadline = Date.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await eraseContact(store, merchantId, who, options);
    } catch (err) {
      if (!(err instanceof EsekError) || err.code !== "erase/sending" || Date.now() > deadline) throw err;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}

function contactId(value: string): ContactId {
  const parsed = z.uuid().safeParse(value);
  if (!parsed.success)
    throw new EsekError("contact/input", "--contact takes our own id (a uuid). A number goes through --phone-stdin.");
  return parsed.data as ContactId;
}

/** One line: digits with or without `+`, else a business-scoped user id. Asked for where there is a terminal. */
async function readPerson(): Promise<Person> {
  const lines = createInterface({ input: process.stdin });
  if (process.stdin.isTTY) process.stderr.write("Number or user id: ");
  for await (const line of lines) {
    const value = line.trim();
    lines.close();
    const digits = value.replace(/[\s()+-]/g, "");
    if (/^\d{5,20}$/.test(digits)) return { waId: digits };
    if (/^[\w.]{5,140}$/.test(value)) return { bsuid: value };
    break;
  }
  throw new EsekError(
    "contact/input",
    "Expected one line with a number such as +972500000000, or a user id. Nothing was erased.",
  );
}
