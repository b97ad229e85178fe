import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Who stops the server. A command that needs it for a moment stops what it started itself; `npm start` takes over from
 * commands and from the dead, never from another living `npm start`.
 */
export type Supervision = { isOurs: () => boolean; release: () => void };

type Note = { pid: number; isService: boolean };

/** Claims the server in `dataDir` where it may be claimed; `isOurs` is asked again before it is stopped, `release` says that it was: a process that lives on, or another that gets its id, supervises nothing. */
export function supervise(dataDir: string, isService: boolean): Supervision {
  const file = join(dataDir, "supervisor.json");
  const holder = read(file);
  const mayClaim = !holder || !isAlive(holder.pid) || (isService && !holder.isService);
  if (mayClaim) writeFileSync(file, JSON.stringify({ pid: process.pid, isService } satisfies Note));
  const isOurs = () => read(file)?.pid === process.pid;
  return { isOurs, release: () => isOurs() && rmSync(file, { force: true }) };
}

/** The process id of a living `npm start` on this data folder. */
export function runningService(dataDir: string): number | undefined {
  const holder = read(join(dataDir, "supervisor.json"));
  return holder?.isService && isAlive(holder.pid) ? holder.pid : undefined;
}

function read(file: string): Note | undefined {
  try {
    return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Note) : undefined;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
