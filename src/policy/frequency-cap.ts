const DAY_MS = 24 * 3_600_000;

export type Caps = { perDay: number; perWeek: number; perMonth: number };

/**
 * Marketing to one person at one WABA: at most `perDay` in 24 h, `perWeek` in 7 days, `perMonth` in 30 days, counted
 * over rolling spans of what was marked for sending.
 * @returns when the next one may leave, or undefined when it may leave now.
 */
export function frequencyCap(sentAt: readonly Date[], caps: Caps, now: Date): Date | undefined {
  const spans: [number, number][] = [
    [DAY_MS, caps.perDay],
    [7 * DAY_MS, caps.perWeek],
    [30 * DAY_MS, caps.perMonth],
  ];
  let until: number | undefined;
  for (const [spanMs, cap] of spans) {
    const recent = sentAt
      .map((at) => at.getTime())
      .filter((at) => at > now.getTime() - spanMs)
      .sort((a, b) => a - b);
    if (recent.length < cap) continue;
    const frees = cap === 0 ? now.getTime() + spanMs : recent[recent.length - cap]! + spanMs;
    until = Math.max(until ?? 0, frees);
  }
  return until === undefined ? undefined : new Date(until);
}
