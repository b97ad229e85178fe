import type { Progress } from "../store/backup/write.ts";

const EVERY_MS = 100;

/** Rows going by, on one line of the terminal; nothing where there is none. Call `end` when it is over. */
export function progressLine(what: string): { progress: Progress; end: () => void } {
  if (!process.stderr.isTTY) return { progress: () => {}, end: () => {} };
  let last = 0;
  return {
    progress: ({ table, done, total }) => {
      const now = performance.now();
      if (now - last < EVERY_MS) return;
      last = now;
      const share = total === 0 ? 100 : Math.floor((100 * done) / total);
      process.stderr.write(`\r\x1b[K${what} ${share} %  ${done} of ${total} rows  ${table}`);
    },
    end: () => void process.stderr.write("\r\x1b[K"),
  };
}
