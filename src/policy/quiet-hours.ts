import data from "./data/quiet-hours.json" with { type: "json" };

/** Times of day between which marketing may leave; everything else is quiet. `days` not named are closed. */
type Rule = { country: string; days: string[]; from: string; to: string };
type SendWindow = { from: string; to: string };

export type QuietFacts = {
  now: Date;
  country: string | undefined;
  /** Every zone the recipient may be in: all must be open. Empty = unknown: never open. */
  zones: readonly string[];
  /** The merchant's own window; it only tightens. */
  merchantWindow: SendWindow | undefined;
};

export type QuietDecision = { type: "open" } | { type: "quiet"; until: Date } | { type: "zone-unknown" };

const RULES = data.rules as Rule[];
const DEFAULT = data.default as Omit<Rule, "country">;
const HOLIDAYS = data.holidays as unknown as Record<string, string[] | undefined>;
const EVES = data.holidayEves as unknown as Record<string, { dates: string[]; closesAt: string } | undefined>;
const STEP_MS = 15 * 60_000;
const HORIZON_MS = 10 * 24 * 3_600_000;

/**
 * Sources and dates of the country rules stand beside each in `data/quiet-hours.json`. `until` is the first quarter of
 * an hour at which every candidate zone is open.
 */
export function quietHours(facts: QuietFacts): QuietDecision {
  if (facts.zones.length === 0 || !facts.zones.every(isZone)) return { type: "zone-unknown" };
  if (isOpenAt(facts, facts.now)) return { type: "open" };
  let at = Math.ceil((facts.now.getTime() + 1) / STEP_MS) * STEP_MS;
  const end = at + HORIZON_MS;
  while (at < end && !isOpenAt(facts, new Date(at))) at += STEP_MS;
  return { type: "quiet", until: new Date(at) };
}

function isOpenAt(facts: QuietFacts, at: Date): boolean {
  const own = RULES.filter((rule) => rule.country === facts.country);
  const rules = own.length > 0 ? own : [DEFAULT];
  const holidays = HOLIDAYS[facts.country ?? ""];
  const eves = EVES[facts.country ?? ""];
  return facts.zones.every((zone) => {
    const local = localTime(zone, at);
    if (Array.isArray(holidays) && holidays.includes(local.date)) return false;
    if (eves?.dates.includes(local.date) && local.time >= eves.closesAt) return false;
    if (facts.merchantWindow && !within(local.time, facts.merchantWindow)) return false;
    return rules.some((rule) => rule.days.includes(local.day) && within(local.time, rule));
  });
}

/** From inclusive, to exclusive; `to: 24:00` is midnight. */
function within(time: string, window: SendWindow): boolean {
  return time >= window.from && time < window.to;
}

const formatters = new Map<string, Intl.DateTimeFormat>();

/** The wall clock of a zone at an instant. */
export function localTime(zone: string, at: Date): { date: string; day: string; time: string } {
  let formatter = formatters.get(zone);
  if (!formatter) {
    formatter = new Intl.DateTimeFormat("en-CA", {
      timeZone: zone,
      weekday: "short",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      hourCycle: "h23",
    });
    formatters.set(zone, formatter);
  }
  const part: Record<string, string> = {};
  for (const { type, value } of formatter.formatToParts(at)) part[type] = value;
  return {
    date: `${part.year}-${part.month}-${part.day}`,
    day: part.weekday!.slice(0, 3).toLowerCase(),
    time: `${part.hour}:${part.minute}`,
  };
}

function isZone(zone: string): boolean {
  if (formatters.has(zone)) return true;
  try {
    localTime(zone, new Date(0));
    return true;
  } catch {
    return false;
  }
}
