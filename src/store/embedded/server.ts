import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import postgres from "postgres";
import { EsekError } from "../../errors.ts";
import { findBinaries } from "./binaries.ts";
import { type Runner, serverUser } from "./server-user.ts";
import { type Supervision, supervise } from "./supervision.ts";

export type EmbeddedOptions = {
  dataDir: string;
  binDir?: string | undefined;
  /** Extra settings, `name=value`. Tests turn fsync off; nothing else may. */
  settings?: string[];
  /** A long-running process, which takes the server over from commands and from the dead. */
  isService?: boolean;
};

export type EmbeddedServer = { socketDir: string; isAttached: boolean; stop: () => Promise<void> };

const START_TIMEOUT_MS = 30_000;

/**
 * A real Postgres from the npm binaries, supervised by us: unix socket only, data checksums and fsync on, data in
 * `<dataDir>/pg`. A postmaster that outlived a `kill -9` of its supervisor is taken over, not started twice.
 * Throws `EsekError("embedded/...")` saying what to do where it cannot run.
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const dataDir = resolve(options.dataDir, "pg");
  const binaries = findBinaries(options.binDir);
  mkdirSync(resolve(options.dataDir), { recursive: true });
  const runner = serverUser(resolve(options.dataDir), binaries.directory);
  const socketDir = socketDirectory(dataDir);
  mkdirSync(socketDir, { recursive: true, mode: 0o700 });
  runner.own(socketDir);
  if (!existsSync(join(dataDir, "PG_VERSION"))) await initialise(runner, binaries, dataDir);

  const orphan = postmasterPid(dataDir);
  if (orphan !== undefined && isAlive(orphan)) {
    await waitReady(socketDir, undefined);
    await ensureDatabase(socketDir, options.isService ?? false);
    const attached = supervise(resolve(options.dataDir), options.isService ?? false);
    return { socketDir, isAttached: true, stop: () => stopSupervised(attached, orphan) };
  }
  const child = startPostgres(runner, binaries.postgres, dataDir, socketDir, options.settings ?? []);
  await waitReady(socketDir, child);
  await ensureDatabase(socketDir, options.isService ?? false);
  const supervision = supervise(resolve(options.dataDir), options.isService ?? false);
  return { socketDir, isAttached: false, stop: () => stopSupervised(supervision, child.pid!) };
}

async function initialise(runner: Runner, binaries: { initdb: string }, dataDir: string): Promise<void> {
  // A half-made cluster (killed inside initdb) has no PG_VERSION or an empty one: made again from nothing.
  rmSync(dataDir, { recursive: true, force: true });
  const making = `${dataDir}.making`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { mode: 0o700 });
  runner.own(making);
  const args = [
    "-D",
    making,
    "-U",
    "esek_admin",
    "--auth=trust",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    "-E",
    "UTF8",
    "--data-checksums",
  ];
  const { code, output } = await runner.run(binaries.initdb, args);
  if (code !== 0) throw new EsekError("embedded/initdb", `initdb failed (exit ${code}): ${lastLine(output)}`);
  renameSync(making, dataDir);
}

function startPostgres(
  runner: Runner,
  postgresBinary: string,
  dataDir: string,
  socketDir: string,
  settings: string[],
): ChildProcess {
  const base = [
    "listen_addresses=",
    `unix_socket_directories=${socketDir}`,
    "unix_socket_permissions=0700",
    "max_connections=120",
    "shared_buffers=128MB",
    "log_min_messages=fatal",
    "log_min_error_statement=panic",
    "max_wal_size=2GB",
  ];
  const args = ["-D", dataDir, ...[...base, ...settings].flatMap((setting) => ["-c", setting])];
  return runner.start(postgresBinary, args);
}

async function waitReady(socketDir: string, child: ChildProcess | undefined): Promise<void> {
  let output = "";
  child?.stderr?.on("data", (chunk: Buffer) => {
    output = (output + chunk.toString()).slice(-4000);
  });
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (child && child.exitCode !== null)
      throw new EsekError("embedded/start", `Postgres stopped at start: ${lastLine(output)}`);
    if (existsSync(join(socketDir, ".s.PGSQL.5432")) && (await answers(socketDir))) return;
    await sleep(25);
  }
  throw new EsekError(
    "embedded/start",
    `Postgres did not answer within ${START_TIMEOUT_MS / 1000} s: ${lastLine(output)}`,
  );
}

async function answers(socketDir: string): Promise<boolean> {
  const sql = admin(socketDir);
  try {
    await sql`select 1`;
    return true;
  } catch {
    return false;
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/**
 * The database and its owner, an ordinary role: the server's superuser is used for this, for backup and for restore, and
 * for nothing else. A restore that was killed leaves a half-made copy behind; a service that starts does away with it.
 */
async function ensureDatabase(socketDir: string, isService: boolean): Promise<void> {
  const sql = admin(socketDir);
  try {
    await sql.unsafe(
      "do $$ begin create role esek login createrole createdb; exception when duplicate_object or unique_violation then null; end $$",
    );
    const found = await sql`select 1 from pg_database where datname = 'esek'`;
    if (found.length === 0) await sql.unsafe("create database esek owner esek").catch(ignoreExisting);
    if (isService)
      for (const name of ["esek_restoring", "esek_replaced"])
        await sql.unsafe(`drop database if exists ${name} with (force)`);
  } finally {
    await sql.end({ timeout: 1 });
  }
}

function ignoreExisting(err: { code?: string }): void {
  if (err.code !== "42P04" && err.code !== "23505") throw err;
}

function admin(socketDir: string): postgres.Sql {
  const path = `${socketDir}/.s.PGSQL.5432`;
  return postgres({
    host: path,
    path,
    user: "esek_admin",
    database: "postgres",
    max: 1,
    connect_timeout: 2,
    onnotice: () => {},
  } as postgres.Options<Record<string, postgres.PostgresType>>);
}

/** A socket path must stay under 108 bytes, so it lives in the temporary folder under a name made from the data folder. */
function socketDirectory(dataDir: string): string {
  return join(tmpdir(), `esek-pg-${createHash("sha256").update(dataDir).digest("hex").slice(0, 16)}`);
}

function postmasterPid(dataDir: string): number | undefined {
  const file = join(dataDir, "postmaster.pid");
  if (!existsSync(file)) return undefined;
  const [pid, directory] = readFileSync(file, "utf8").split("\n");
  return directory === dataDir && Number(pid) > 0 ? Number(pid) : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("postgres");
  } catch {
    return true;
  }
}

async function stopSupervised(supervision: Supervision, pid: number): Promise<void> {
  if (!supervision.isOurs()) return;
  await stopPid(pid);
  supervision.release();
}

/** SIGINT is Postgres' fast stop: sessions are ended, nothing is lost. */
async function stopPid(pid: number): Promise<void> {
  if (!isAlive(pid)) return;
  process.kill(pid, "SIGINT");
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    if (!isAlive(pid)) return;
    await sleep(20);
  }
  process.kill(pid, "SIGQUIT");
}

function lastLine(output: string): string {
  return output.trim().split("\n").slice(-3).join(" / ") || "no output";
}
