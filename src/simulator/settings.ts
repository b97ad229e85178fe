import type { TokenFacts } from "./tokens.ts";

/** What of the platform's behaviour can be turned, by options at the start or by `POST /_sim/settings`. */
export type Settings = {
  /** Tokens that may do everything. */
  accessTokens: string[];
  /** Tokens that may touch only the listed accounts, as those of single merchants do. */
  tokenScopes: Record<string, string[]>;
  /** Tokens with an expiry, permissions or an app of their own: what `debug_token` tells and every call weighs. */
  tokens: Record<string, TokenFacts>;
  /** Answers calls of one edge with this code, e.g. `{ register: 133008 }`; the last word of the path names it. */
  edgeErrors: Record<string, number>;
  /** Answers every Graph call but sends with this code, e.g. 80008; null for none. */
  managementError: number | null;
  /** Real milliseconds until a new or edited template is approved; null leaves it PENDING. */
  templateReviewMs: number | null;
  /** Codes that Meta mostly reports by a failed status but that shall come as the answer to the POST, e.g. 131047. */
  synchronousErrors: number[];
  /** Which receipts follow an accepted send, and how long after the one before (real milliseconds). */
  receipts: ("sent" | "delivered" | "read")[];
  sentDelayMs: number;
  deliveredDelayMs: number;
  readDelayMs: number;
  pairRateLimit: boolean;
  throughputLimit: boolean;
  /** Test numbers reach only listed phones (131030); null is a live number. */
  allowList: string[] | null;
  /** Marketing templates one person gets from one number in 24 h before 131049; null is no cap. */
  marketingCapPerDay: number | null;
  usMarketingPaused: boolean;
  /** Someone unknown to the world is not on WhatsApp (131026), or is created as a user on first contact. */
  unknownUsers: "undeliverable" | "create";
  /** Unverified whether a reaction opens the window; the reference says to assume it does not. */
  reactionsOpenWindow: boolean;
  directSend: boolean;
  /** False refuses marketing templates on /messages with 131063. */
  marketingOnCloudApi: boolean;
};

export function defaultSettings(accessToken: string): Settings {
  return {
    accessTokens: [accessToken],
    tokenScopes: {},
    tokens: {},
    edgeErrors: {},
    managementError: null,
    templateReviewMs: null,
    synchronousErrors: [],
    receipts: ["sent", "delivered", "read"],
    sentDelayMs: 10,
    deliveredDelayMs: 40,
    readDelayMs: 80,
    pairRateLimit: true,
    throughputLimit: true,
    allowList: null,
    marketingCapPerDay: null,
    usMarketingPaused: true,
    unknownUsers: "undeliverable",
    reactionsOpenWindow: false,
    directSend: false,
    marketingOnCloudApi: true,
  };
}
