/** The business time of the simulated world. Timers run in real time; only what "now" means can be moved. */
export type SimClock = {
  now(): number;
  /** Moves business time forward (or back) at once. No timer fires because of it. */
  advance(ms: number): void;
  readonly offsetMs: number;
};

/** An offset over `base`. Tests pass a fixed `base`, so that both sides of a limit can be tried exactly. */
export function createClock(base: () => number = Date.now): SimClock {
  let offsetMs = 0;
  return {
    now: () => base() + offsetMs,
    advance(ms) {
      offsetMs += ms;
    },
    get offsetMs() {
      return offsetMs;
    },
  };
}
