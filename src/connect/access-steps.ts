import { MANAGEMENT, MESSAGING, TOKEN_WARN_MS } from "../policy/readiness.ts";
import { listNumbers, readToken, readWaba } from "../whatsapp/onboarding.ts";
import { each, type Line, line } from "./checklist.ts";
import type { Run } from "./run.ts";

/** Valid, not about to end, allowed to manage and to send, for these WABAs, and of our own app. */
export async function tokenStep({ graph, app, token, wabas, learned, store }: Run): Promise<Line[]> {
  if (!token)
    return [
      line(
        "failed",
        "There is no access token. Put it into the variable that the merchant's file names, or give it with --token-stdin.",
        undefined,
        "token/missing",
      ),
    ];
  const told = await readToken(graph, app, token);
  const now = store.clock.now();
  if (!told.isValid || (told.expiresAt && told.expiresAt <= now))
    return [
      line(
        "failed",
        told.expiresAt && told.expiresAt <= now
          ? `The access token ended on ${day(told.expiresAt)}. Make a new system user token in Business settings.`
          : "Meta calls the access token invalid (code 190). Make a new system user token in Business settings.",
        undefined,
        told.expiresAt && told.expiresAt <= now ? "token/expired" : "token/invalid",
      ),
    ];
  const missing = [MANAGEMENT, MESSAGING].filter((scope) => !told.scopes.includes(scope));
  if (missing.length > 0)
    return [
      line(
        "failed",
        `The token lacks ${missing.join(" and ")}. Make one that has both and is given to the WABA's system user.`,
        undefined,
        "token/scopes",
      ),
    ];
  const covers = (wabaId: string) =>
    [MANAGEMENT, MESSAGING].every((scope) => told.accounts(scope)?.includes(wabaId) !== false);
  const foreign = wabas.filter((waba) => !covers(waba.id));
  if (foreign.length > 0)
    return foreign.map((waba) =>
      line(
        "failed",
        "The token was not given this WABA. Share it with the token's system user.",
        waba.id,
        "token/waba",
      ),
    );
  if (app.id && told.appId && told.appId !== app.id)
    return [
      line(
        "failed",
        "The token was made by another Meta app than META_APP_ID: webhooks would go there. Make one with this app.",
        undefined,
        "token/app",
      ),
    ];
  Object.assign(learned, { appId: told.appId, expiresAt: told.expiresAt, covers });
  if (!told.expiresAt) return [line("done", "valid, never ends, may manage and send")];
  const isSoon = told.expiresAt.getTime() - now.getTime() < TOKEN_WARN_MS;
  return [line(isSoon ? "warning" : "done", `valid until ${day(told.expiresAt)}, may manage and send`)];
}

/** Each WABA answers, and all are of the merchant's one portfolio: it scopes people's ids and the messaging limit. */
export async function wabaStep({ options, wabas, portfolio, learned }: Run): Promise<Line[]> {
  return each(
    wabas,
    (waba) => waba.id,
    async ({ id }) => {
      const { portfolioId } = await readWaba(options, id);
      if (!portfolioId)
        return line(
          "warning",
          "reachable; Meta does not say whose portfolio it is (business_management is missing)",
          id,
        );
      const expected = portfolio ?? learned.portfolioId;
      if (expected && expected !== portfolioId)
        return line(
          "failed",
          `It belongs to portfolio ${portfolioId}, the merchant's file says ${expected}. Correct \`portfolio\`, or make it a merchant of its own.`,
          id,
          "waba/portfolio",
        );
      learned.portfolioId = portfolioId;
      return line("done", `reachable, portfolio ${portfolioId}`, id);
    },
  );
}

/** Each number is one of its WABA's. */
export async function numberStep({ options, wabas, learned }: Run): Promise<Line[]> {
  const lines: Line[] = [];
  for (const waba of wabas) {
    const known = new Map((await listNumbers(options, waba.id)).map((number) => [number.id, number]));
    for (const { id } of waba.numbers) {
      const number = known.get(id);
      if (number) learned.numbers.set(id, number);
      lines.push(
        number
          ? line("done", `belongs to WABA ${waba.id}`, id)
          : line(
              "failed",
              `It is none of WABA ${waba.id}'s ${known.size} numbers. Compare the phone number id in WhatsApp Manager.`,
              id,
              "number/foreign",
            ),
      );
    }
  }
  return lines;
}

function day(at: Date): string {
  return at.toISOString().slice(0, 10);
}
