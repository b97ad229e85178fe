import type { Sim } from "./context.ts";

/** The two that a business needs, and one that Embedded Signup also gives (reference 3.8). */
export const MANAGEMENT = "whatsapp_business_management";
export const MESSAGING = "whatsapp_business_messaging";
export const ALL_SCOPES: readonly string[] = [MANAGEMENT, MESSAGING, "business_management"];

/** A token beyond the plain ones. Times are business milliseconds; without `expiresAt` it never ends. */
export type TokenFacts = {
  wabaIds?: string[];
  scopes?: string[];
  expiresAt?: number;
  isRevoked?: boolean;
  /** The app it was made for; this simulator's own when absent. */
  appId?: string;
};

/** What a token is: the accounts it may touch, its permissions, and why it is refused if it is. */
export type Token = {
  accounts: "all" | readonly string[];
  scopes: readonly string[];
  expiresAt: number | undefined;
  appId: string;
  refusal: { message: string; subcode: number } | undefined;
};

/** Undefined for a string that never was a token. */
export function tokenOf(sim: Sim, text: string): Token | undefined {
  const { accessTokens, tokenScopes, tokens } = sim.settings;
  const facts = Object.hasOwn(tokens, text) ? tokens[text] : undefined;
  if (facts !== undefined) {
    const { wabaIds, scopes = ALL_SCOPES, expiresAt, isRevoked = false, appId = sim.appId } = facts;
    return {
      accounts: wabaIds ?? "all",
      scopes,
      expiresAt,
      appId,
      refusal: refusalOf(sim.clock.now(), expiresAt, isRevoked),
    };
  }
  const accounts = accessTokens.includes(text)
    ? "all"
    : Object.hasOwn(tokenScopes, text)
      ? tokenScopes[text]
      : undefined;
  if (accounts === undefined) return undefined;
  return { accounts, scopes: ALL_SCOPES, expiresAt: undefined, appId: sim.appId, refusal: undefined };
}

/** Subcodes 463 and 460-467 as Meta's OAuth gives them; the reference marks them unverified. */
function refusalOf(now: number, expiresAt: number | undefined, isRevoked: boolean): Token["refusal"] {
  if (isRevoked) {
    return { message: "Error validating access token: The session has been invalidated.", subcode: 467 };
  }
  if (expiresAt === undefined || now < expiresAt) return undefined;
  return {
    message: `Error validating access token: Session has expired on ${new Date(expiresAt).toUTCString()}.`,
    subcode: 463,
  };
}
