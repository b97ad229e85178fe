import type { MerchantId } from "../domain/ids.ts";
import type { MerchantConfig } from "../domain/merchant.ts";
import { EsekError } from "../errors.ts";
import { transaction } from "../store/database.ts";
import { keptToken, saveToken, tokenWorks } from "../store/merchant-secrets.ts";
import { applyMerchant } from "../store/merchants.ts";
import type { Store } from "../store/store.ts";
import { type Line, line } from "./checklist.ts";
import type { ConnectJob, Found } from "./run.ts";

/** The token of a job, and the one that the environment holds for the merchant: that one goes first at run time. */
export type GivenToken = { token: string | undefined; fromEnvironment: string | undefined };
type Target = Pick<ConnectJob, "token" | "wabas" | "portfolio" | "settle">;

/** Everything a merchant file names. The file is applied once Meta has said yes to all of it. */
export function fileTarget(store: Store, config: MerchantConfig, given: GivenToken): Target {
  return {
    token: given.token,
    wabas: config.wabas.map((waba) => ({ id: waba.id, numbers: waba.numbers.map(targetNumber) })),
    portfolio: config.portfolio,
    async settle(found) {
      const { id, changed } = await applyMerchant(store.sql, store.keyring, config);
      store.merchants.forget();
      const isKept = await keep(store, id, given, found);
      return { merchantId: id, line: settled(config, given, changed || isKept, isKept, "") };
    },
  };
}

export type NumberTarget = { wabaId: string; phoneNumberId: string; isCoexistence: boolean };

/** One WABA and number of a merchant that exists. What its file does not name is added to it. */
export async function numberTarget(
  store: Store,
  merchantId: MerchantId,
  target: NumberTarget,
  given: GivenToken,
): Promise<Target> {
  const { config } = await store.merchants.get(merchantId);
  const known = config.wabas
    .find((waba) => waba.id === target.wabaId)
    ?.numbers.find((number) => number.id === target.phoneNumberId);
  const isCoexistence = known?.coexistence ?? target.isCoexistence;
  // The portfolio scopes people's ids: it may change only while there is nobody.
  const portfolio = known || (await hasContacts(store, merchantId)) ? config.portfolio : undefined;
  return {
    token: given.token,
    wabas: [{ id: target.wabaId, numbers: [{ id: target.phoneNumberId, isCoexistence }] }],
    portfolio,
    async settle(found) {
      await refuseLesserToken(store, merchantId, config, given, found);
      if (!known) await applyMerchant(store.sql, store.keyring, withNumber(config, target, found));
      else await tokenWorks(store, merchantId);
      store.merchants.forget();
      const isKept = await keep(store, merchantId, given, found);
      const added = known
        ? ""
        : "; added here: name WABA and number in its file too, or the next `merchant apply` takes them away";
      return { merchantId, line: settled(config, given, !known || isKept, isKept, added) };
    },
  };
}

const targetNumber = (number: { id: string; coexistence: boolean }) => ({
  id: number.id,
  isCoexistence: number.coexistence,
});

function settled(config: MerchantConfig, given: GivenToken, isNew: boolean, isKept: boolean, added: string): Line {
  const { env } = config.token;
  if (given.fromEnvironment && given.fromEnvironment !== given.token)
    return line(
      "warning",
      `${config.slug}${added}; the token was kept, but ${env} holds another one and goes first: take it out of the environment`,
    );
  return line(isNew ? "done" : "already", `${config.slug}${isKept ? "; the token is kept encrypted" : ""}${added}`);
}

/** A token that the environment does not hold is kept, or nothing could be sent after this. */
async function keep(store: Store, merchantId: MerchantId, given: GivenToken, found: Found): Promise<boolean> {
  if (!given.token || given.token === given.fromEnvironment) return false;
  if ((await keptToken(store, merchantId)) === given.token) return false;
  await saveToken(store, merchantId, given.token, found.expiresAt);
  return true;
}

/** A merchant has one token: a new one that leaves a connected WABA out would cut that off. */
async function refuseLesserToken(
  store: Store,
  merchantId: MerchantId,
  config: MerchantConfig,
  given: GivenToken,
  found: Found,
): Promise<void> {
  const left = config.wabas.filter((waba) => !found.covers(waba.id));
  if (left.length === 0 || !(given.fromEnvironment || (await keptToken(store, merchantId)))) return;
  throw new EsekError(
    "token/lesser",
    `A merchant has one token, and this one does not cover its WABA ${left.map((waba) => waba.id).join(", ")}. Use a token for all of them, or make this WABA a merchant of its own.`,
  );
}

function withNumber(config: MerchantConfig, target: NumberTarget, found: Found): MerchantConfig {
  const display = found.displayOf(target.phoneNumberId);
  if (!display)
    throw new EsekError("number/display", "Meta does not show the number's digits; name it in the merchant's file.");
  const number = {
    id: target.phoneNumberId,
    display: display.startsWith("+") ? display : `+${display}`,
    coexistence: target.isCoexistence,
  };
  const isKnown = config.wabas.some((waba) => waba.id === target.wabaId);
  const wabas = isKnown
    ? config.wabas.map((waba) => (waba.id === target.wabaId ? { ...waba, numbers: [...waba.numbers, number] } : waba))
    : [...config.wabas, { id: target.wabaId, numbers: [number] }];
  return { ...config, portfolio: found.portfolioId ?? config.portfolio, wabas };
}

async function hasContacts(store: Store, merchantId: MerchantId): Promise<boolean> {
  const [row] = await transaction(
    store.sql,
    [merchantId],
    (tx) => tx<{ has: boolean }[]>`select exists (select 1 from contact where merchant_id = ${merchantId}) as has`,
  );
  return row!.has;
}
