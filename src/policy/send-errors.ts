/**
 * What to do about a Graph error code, for answers to a POST and for `failed` statuses alike: one table
 * (WhatsApp platform reference 5.2, Meta's error pages of 2026-03). Decide on the code, never on HTTP status or title.
 */
export type Reaction =
  /** Try again with back-off, at most `tries` times in all; then give up and tell the merchant. */
  | { type: "retry"; afterMs: number; factor: number; tries: number }
  /** Only this person is too fast: wait 4^X seconds. */
  | { type: "pair-backoff" }
  /** Outside the window after all: believe Meta, close it, fall back to a template. */
  | { type: "reopen" }
  /** Meta chose not to deliver marketing: once more after 24 h, never for US numbers. */
  | { type: "once-after-a-day" }
  /** Too many people blocked or reported this number: nothing the business starts leaves it for an hour; an answer tries again. */
  | { type: "spam-limit" }
  /** The person stopped marketing at Meta: an opt-out. */
  | { type: "opt-out" }
  | { type: "recipient-unreachable" }
  /** Token or permission broken: stop this merchant's sends. */
  | { type: "token-broken" }
  /** Account or number paused: stop sends of this number. */
  | { type: "number-paused" }
  /** Template or set-up at fault: the merchant mends it. */
  | { type: "fix-setup" }
  | { type: "country-blocked" }
  | { type: "never" };

const retry = (afterMs: number, tries = 5): Reaction => ({ type: "retry", afterMs, factor: 2, tries });
const NEVER: Reaction = { type: "never" };
const FIX: Reaction = { type: "fix-setup" };
const TOKEN: Reaction = { type: "token-broken" };
const PAUSED: Reaction = { type: "number-paused" };

const TABLE: ReadonlyMap<number, Reaction> = new Map<number, Reaction>([
  [0, TOKEN], [1, retry(2000, 3)], [2, retry(1000)], [3, TOKEN], [4, retry(60_000, 8)], [10, TOKEN], [33, PAUSED], [100, NEVER],
  [190, TOKEN], [368, PAUSED], [613, retry(30_000)], [80007, retry(60_000, 8)], [80008, retry(60_000, 8)],
  [130429, retry(1000, 10)], [130472, NEVER], [130497, { type: "country-blocked" }],
  [131000, retry(2000, 3)], [131005, TOKEN], [131008, NEVER], [131009, NEVER], [131016, retry(2000)], [131021, NEVER],
  [131026, { type: "recipient-unreachable" }], [131030, FIX], [131031, PAUSED], [131037, FIX], [131042, PAUSED], [131044, PAUSED], [131045, PAUSED],
  [131047, { type: "reopen" }], [131048, { type: "spam-limit" }], [131049, { type: "once-after-a-day" }], [131050, { type: "opt-out" }],
  [131051, NEVER], [131052, NEVER], [131053, NEVER], [131055, NEVER], [131056, { type: "pair-backoff" }], [131057, retry(60_000, 8)],
  [131059, NEVER], [131062, NEVER], [131063, FIX], [131064, PAUSED],
  [132000, FIX], [132001, FIX], [132005, FIX], [132007, FIX], [132008, FIX], [132012, FIX], [132015, FIX], [132016, FIX], [132018, FIX], [132068, FIX], [132069, FIX],
  [133000, retry(30_000)], [133004, retry(30_000)], [133005, FIX], [133006, FIX], [133008, FIX], [133009, FIX], [133010, PAUSED], [133015, retry(300_000, 3)], [133016, FIX],
  [134011, FIX], [134100, FIX], [134101, retry(600_000, 3)], [134102, FIX], [134103, FIX], [135000, NEVER], [137000, NEVER], [139100, NEVER], [139101, NEVER], [139102, NEVER], [139103, retry(30_000)], [139200, FIX],
  ...[147001, 147002, 147003, 147004, 147005, 2388019, 2388040, 2388047, 2388072, 2388073, 2388293, 2388299].map((code): [number, Reaction] => [code, FIX]),
]); // biome-ignore format: a table reads as a table

/** The reaction to a code. 200-299 are permissions; an unknown code is tried three times, because Meta adds codes without notice. */
export function reactionTo(code: number): Reaction {
  const known = TABLE.get(code);
  if (known) return known;
  return code >= 200 && code <= 299 ? TOKEN : retry(5000, 3);
}

/** Wait before try number `tries + 1`, in ms, capped at six hours. */
export function backoffMs(reaction: Extract<Reaction, { type: "retry" }>, tries: number): number {
  return Math.min(reaction.afterMs * reaction.factor ** Math.max(0, tries - 1), 6 * 3_600_000);
}

/** Meta's own advice for 131056: 4^X seconds, X counting the refusals in a row from 0. */
export function pairBackoffMs(refusals: number): number {
  return 1000 * 4 ** Math.min(refusals, 7);
}
