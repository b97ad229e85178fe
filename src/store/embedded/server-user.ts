import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { accessSync, chownSync, constants, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { EsekError } from "../../errors.ts";

/** Runs the server's programs as a user Postgres accepts. */
export type Runner = {
  own: (path: string) => void;
  start: (program: string, args: string[]) => ChildProcess;
  run: (program: string, args: string[]) => Promise<{ code: number | null; output: string }>;
};

type Identity = { uid: number; gid: number };

/**
 * Postgres refuses to run as root, so root's server runs as `postgres`, else `nobody`. Where that user cannot walk the
 * path (a home of mode 0700), it is started with the one capability that lets it, through `setpriv`; where there is no
 * `setpriv`, the start is refused with the folder to open.
 */
export function serverUser(dataDir: string, binDir: string): Runner {
  if (process.getuid?.() !== 0) return runner(undefined, []);
  const identity = unprivilegedUser();
  const closed = closedFolder(dataDir, identity) ?? closedFolder(binDir, identity);
  if (!closed) {
    chownSync(dataDir, identity.uid, identity.gid);
    return runner(identity, []);
  }
  if (!hasSetpriv())
    throw new EsekError(
      "embedded/path",
      `Started as root, Postgres runs as uid ${identity.uid}, which cannot enter ${closed}. Move the checkout and ESEK_DATA_DIR to a folder that others may enter ` +
        `(chmod o+x ${closed}), install setpriv (util-linux), or set DATABASE_URL.`,
    );
  chownSync(dataDir, identity.uid, identity.gid);
  const capability = [
    "--reuid",
    `${identity.uid}`,
    "--regid",
    `${identity.gid}`,
    "--clear-groups",
    "--inh-caps",
    "+dac_override",
    "--ambient-caps",
    "+dac_override",
    "--",
  ];
  return runner({ ...identity, viaSetpriv: true }, capability);
}

function runner(identity: (Identity & { viaSetpriv?: boolean }) | undefined, capability: string[]): Runner {
  const direct = identity && !identity.viaSetpriv ? { uid: identity.uid, gid: identity.gid } : {};
  const command = (program: string, args: string[]): [string, string[]] =>
    capability.length > 0 ? ["setpriv", [...capability, program, ...args]] : [program, args];
  // Detached: a Ctrl-C in the terminal reaches us, and we stop the server after our own work has drained.
  const begin = (program: string, args: string[]) =>
    spawn(...command(program, args), {
      ...direct,
      stdio: ["ignore", "ignore", "pipe"],
      detached: true,
      env: { PATH: process.env.PATH ?? "", LC_ALL: "C" },
      cwd: "/",
    });
  return {
    own: (path) => identity && chownSync(path, identity.uid, identity.gid),
    start: begin,
    run: (program, args) =>
      new Promise((resolve, reject) => {
        const child = begin(program, args);
        let output = "";
        child.stderr?.on("data", (chunk: Buffer) => {
          output += chunk.toString();
        });
        child.on("error", reject);
        child.on("close", (code) => resolve({ code, output }));
      }),
  };
}

function unprivilegedUser(): Identity {
  const lines = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const fields = lines.find((line) => line[0] === name);
    if (fields) return { uid: Number(fields[2]), gid: Number(fields[3]) };
  }
  throw new EsekError(
    "embedded/user",
    "Started as root, and there is neither a user `postgres` nor `nobody` to run Postgres as. Start Esek as an ordinary user, or set DATABASE_URL.",
  );
}

/** The first folder on the way down that the user may not enter. */
function closedFolder(path: string, user: Identity): string | undefined {
  const chain: string[] = [];
  for (let at = path; at !== dirname(at); at = dirname(at)) chain.unshift(at);
  return chain.find((folder) => {
    const stat = statSync(folder);
    const bit =
      stat.uid === user.uid ? constants.S_IXUSR : stat.gid === user.gid ? constants.S_IXGRP : constants.S_IXOTH;
    return folder !== path && (stat.mode & bit) === 0;
  });
}

function hasSetpriv(): boolean {
  try {
    execFileSync("setpriv", ["--version"], { stdio: "ignore" });
    accessSync("/proc/self/status", constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
