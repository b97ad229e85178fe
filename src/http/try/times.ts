export type Clock = (ms: number) => string;

/** Times as the reader's own clock shows them; a zone that nobody knows is UTC. */
export function clockIn(zone = "UTC"): Clock {
  const style = { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" } as const;
  const format = (timeZone: string) => new Intl.DateTimeFormat("en-GB", { ...style, timeZone });
  const known = isZone(zone) ? format(zone) : format("UTC");
  return (ms) => (Number.isNaN(ms) ? "unknown" : known.format(ms));
}

function isZone(zone: string): boolean {
  try {
    return Boolean(new Intl.DateTimeFormat("en", { timeZone: zone }));
  } catch {
    return false;
  }
}

/** A span of time as one says it: `24 h`, `11 h 57 min`, `3 days`. */
export function spoken(ms: number): string {
  const minutes = Math.round(ms / 60_000);
  if (minutes < 1) return `${Math.max(1, Math.round(ms / 1000))} s`;
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.round(hours / 24)} days`;
}
