import { Command } from "commander";
import { connectMerchant, isConnected } from "../../connect/connect.ts";
import { fileTarget, type GivenToken, numberTarget } from "../../connect/targets.ts";
import { EsekError } from "../../errors.ts";
import { readMerchantFile } from "../../merchant-file.ts";
import { keptToken } from "../../store/merchant-secrets.ts";
import type { Store } from "../../store/store.ts";
import { checklistView } from "../checklist-view.ts";
import { withStore } from "../context.ts";
import { graphDoor } from "../graph-door.ts";
import { merchantBySlug } from "../merchant-by-slug.ts";
import { readSecrets } from "../secret-input.ts";

type Options = {
  slug?: string;
  waba?: string;
  number?: string;
  coexistence?: boolean;
  webhookUrl?: string;
  tokenStdin?: boolean;
  pinStdin?: boolean;
};

export function connectCommand(): Command {
  return new Command("connect")
    .argument("[file]", "merchant.yaml: everything it names is connected")
    .option("--slug <slug>", "instead of a file: a merchant that exists, with --waba and --number")
    .option("--waba <id>")
    .option("--number <id>", "Meta's phone number id")
    .option("--coexistence", "the number also lives in the WhatsApp Business app")
    .option("--webhook-url <url>", "the public address of /webhooks/whatsapp; without it, the one Meta shows is tried")
    .option("--token-stdin", "read the access token from stdin and keep it encrypted, instead of from the environment")
    .option("--pin-stdin", "read the two-step verification PIN from stdin (after the token), instead of ESEK_PIN")
    .description("check token and numbers with Meta, register, subscribe, try the webhook, sync; twice is as once")
    .action(async (file: string | undefined, options: Options) => {
      refuseMixed(file, options);
      const secrets = await readGiven(options);
      await withStore(async ({ store, config }) => {
        const door = graphDoor(config, store);
        const { envName, target } = await targetOf(store, file, options);
        const fromEnvironment = door.secret(envName);
        const job = await target({ token: secrets.token ?? fromEnvironment, fromEnvironment });
        const results = await connectMerchant(
          { ...door.world, onStep: checklistView(process.stdout) },
          { ...job, pin: secrets.pin ?? config.pin, webhookUrl: options.webhookUrl },
        );
        if (isConnected(results)) return;
        console.error("Not connected yet: mend what is marked BAD and run this again; what is done stays done.");
        process.exitCode = 1;
      });
    });
}

function refuseMixed(file: string | undefined, { slug, waba, number, webhookUrl }: Options): void {
  const hasIds = slug !== undefined && waba !== undefined && number !== undefined;
  const hasSome = slug !== undefined || waba !== undefined || number !== undefined;
  if (file ? hasSome : !hasIds)
    throw new EsekError("connect/usage", "Give either a merchant file, or all of --slug, --waba and --number.");
  if (webhookUrl !== undefined && !/^https?:\/\//.test(webhookUrl))
    throw new EsekError(
      "connect/usage",
      "--webhook-url must be an address such as https://example.com/webhooks/whatsapp.",
    );
  for (const [name, id] of [["--waba", waba] as const, ["--number", number] as const])
    if (id !== undefined && !/^\d{5,20}$/.test(id))
      throw new EsekError("connect/usage", `${name} must be Meta's id: digits.`);
}

async function readGiven(options: Options): Promise<{ token?: string | undefined; pin?: string | undefined }> {
  const labels = [options.tokenStdin ? "access token" : undefined, options.pinStdin ? "PIN" : undefined];
  const given = await readSecrets(labels.filter((label) => label !== undefined));
  const token = options.tokenStdin ? given.shift() : undefined;
  const pin = given.shift();
  if (pin !== undefined && !/^\d{6}$/.test(pin)) throw new EsekError("connect/pin", "A PIN has six digits.");
  return { token, pin };
}

type Made = { envName: string; target: (given: GivenToken) => Promise<ReturnType<typeof fileTarget>> };

async function targetOf(store: Store, file: string | undefined, options: Options): Promise<Made> {
  if (file) {
    const config = readMerchantFile(file);
    const owner = await store.merchants.route({ wabaId: config.wabas[0]!.id });
    const kept = async () => (owner ? keptToken(store, owner.merchantId) : undefined);
    return {
      envName: config.token.env,
      target: async (given) => fileTarget(store, config, { ...given, token: given.token ?? (await kept()) }),
    };
  }
  const merchantId = await merchantBySlug(store, options.slug!);
  const { config } = await store.merchants.get(merchantId);
  const ids = {
    wabaId: options.waba!,
    phoneNumberId: options.number!,
    isCoexistence: options.coexistence ?? false,
  };
  return {
    envName: config.token.env,
    target: async (given) =>
      numberTarget(store, merchantId, ids, { ...given, token: given.token ?? (await keptToken(store, merchantId)) }),
  };
}
