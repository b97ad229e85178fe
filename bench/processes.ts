import { type ChildProcess, fork } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export type Proc = {
  child: ChildProcess;
  port: number;
  stop: () => Promise<void>;
  usage: () => Promise<{ cpuMs: number; rssMb: number }>;
};

/** Starts a bench process and reads the port from its first line. */
export async function start(file: string, env: Record<string, string>): Promise<Proc> {
  const child = fork(join(import.meta.dirname, file), {
    // As `npm start` runs it.
    execArgv: [
      "--max-semi-space-size=8",
      ...(process.env.PROF ? ["--cpu-prof", `--cpu-prof-dir=${process.env.PROF}`] : []),
    ],
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  const port = await new Promise<number>((resolve, reject) => {
    child.stdout!.once("data", (chunk: Buffer) => resolve((JSON.parse(chunk.toString()) as { port: number }).port));
    child.once("exit", (code) => reject(new Error(`${file} ended with ${code}`)));
  });
  return {
    child,
    port,
    stop: () =>
      new Promise((resolve) => {
        child.once("exit", () => resolve());
        child.kill("SIGTERM");
        setTimeout(() => child.kill("SIGKILL"), 8000).unref();
      }),
    usage: () =>
      new Promise((resolve) => {
        child.once("message", (message) => {
          const { cpu, rss } = message as { cpu: { user: number; system: number }; rss: number };
          resolve({ cpuMs: (cpu.user + cpu.system) / 1000, rssMb: Math.round(rss / 1_048_576) });
        });
        child.send("usage");
      }),
  };
}

/** CPU time of every Postgres process of this server, in ms; Linux only, elsewhere 0. */
export function postgresCpuMs(postmaster: number): number {
  try {
    let ticks = 0;
    for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
      let fields: string[];
      try {
        fields = readFileSync(`/proc/${pid}/stat`, "utf8")
          .replace(/^.*\) /s, "")
          .split(" ");
      } catch {
        continue;
      }
      // Fields after the name: state, ppid, ..., utime (11), stime (12), cutime (13), cstime (14).
      if (Number(fields[1]) === postmaster) ticks += Number(fields[11]) + Number(fields[12]);
      else if (Number(pid) === postmaster) ticks += Number(fields[13]) + Number(fields[14]);
    }
    return ticks * 10;
  } catch {
    return 0;
  }
}
