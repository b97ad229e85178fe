import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { connect } from "../database.ts";
import { type EmbeddedServer, startEmbedded } from "./server.ts";

const SERVER = join(import.meta.dirname, "server.ts");
const folders: string[] = [];
const running: { stop: () => Promise<void> }[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const server of running.splice(0)) await server.stop();
});
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function freshFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "esek-embedded-"));
  chmodSync(folder, 0o755);
  folders.push(folder);
  return folder;
}

async function start(dataDir: string): Promise<EmbeddedServer> {
  const server = await startEmbedded({ dataDir });
  running.push(server);
  return server;
}

/** A process of its own that starts the server and then stays, until it is killed. Resolves when the server answers. */
async function startInChild(dataDir: string): Promise<ChildProcess> {
  const script = `const { startEmbedded } = await import(${JSON.stringify(SERVER)});
    const server = await startEmbedded({ dataDir: ${JSON.stringify(dataDir)} });
    process.on("SIGTERM", () => server.stop().then(() => process.exit(0)));
    process.stdout.write("up\\n");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout!.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the child ended with ${code}`)));
  });
  return child;
}

function gone(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  return new Promise((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.kill(signal);
  });
}

function postmasterOf(dataDir: string): number | undefined {
  const file = join(dataDir, "pg", "postmaster.pid");
  return existsSync(file) ? Number(readFileSync(file, "utf8").split("\n")[0]) : undefined;
}

/** Every process whose command line names this data folder, however it was started. */
function processesOn(dataDir: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((name) => {
      try {
        const line = readFileSync(`/proc/${name}/cmdline`, "utf8");
        return line.includes("postgres") && line.includes(dataDir) && !line.includes("startEmbedded");
      } catch {
        return false;
      }
    })
    .map(Number);
}

async function write(server: EmbeddedServer, value: string): Promise<void> {
  const sql = connect({ socketDir: server.socketDir, max: 1 });
  await sql`create table if not exists kept (value text)`;
  await sql`insert into kept values (${value})`;
  await sql.end({ timeout: 1 });
}

async function read(server: EmbeddedServer): Promise<string[]> {
  const sql = connect({ socketDir: server.socketDir, max: 1 });
  const rows = await sql<{ value: string }[]>`select value from kept order by value`;
  await sql.end({ timeout: 1 });
  return rows.map((row) => row.value);
}

describe("the embedded server", () => {
  it("starts in a fresh folder, durable, on a socket only we may open, and its data survives a stop", async () => {
    const dataDir = join(freshFolder(), "deep", "data");
    const first = await start(dataDir);
    expect(first.isAttached).toBe(false);
    const sql = connect({ socketDir: first.socketDir, max: 1 });
    const [settings] =
      await sql`select current_setting('fsync') as fsync, current_setting('data_checksums') as checksums,
      current_setting('listen_addresses') as listens, current_setting('full_page_writes') as pages, current_user as me,
      (select rolsuper from pg_roles where rolname = current_user) as super, current_setting('server_encoding') as encoding`;
    await sql.end({ timeout: 1 });
    expect(settings).toEqual({
      fsync: "on",
      checksums: "on",
      listens: "",
      pages: "on",
      me: "esek",
      super: false,
      encoding: "UTF8",
    });
    await write(first, "one");
    await first.stop();
    expect(processesOn(dataDir)).toEqual([]);
    expect(postmasterOf(dataDir)).toBeUndefined();

    const second = await start(dataDir);
    expect(await read(second)).toEqual(["one"]);
    await second.stop();
    expect(processesOn(dataDir)).toEqual([]);
  });

  it.runIf(process.getuid?.() === 0)(
    "started as root below a folder that only root may enter, it runs all the same",
    async () => {
      const home = join(freshFolder(), "home");
      mkdirSync(home, { mode: 0o700 });
      const dataDir = join(home, "data");
      const server = await start(dataDir);
      await write(server, "private");
      expect(await read(server)).toEqual(["private"]);
      const owner = readFileSync(`/proc/${postmasterOf(dataDir)}/status`, "utf8").match(/^Uid:\t(\d+)/m)![1];
      expect(owner).not.toBe("0");
    },
  );

  it("an orphan left by a kill -9 is taken over with its data, and stopped by its new supervisor", async () => {
    const dataDir = join(freshFolder(), "data");
    const child = await startInChild(dataDir);
    const orphan = postmasterOf(dataDir)!;
    await gone(child, "SIGKILL");
    expect(processesOn(dataDir)).toContain(orphan);

    const again = await start(dataDir);
    expect(again.isAttached).toBe(true);
    expect(postmasterOf(dataDir)).toBe(orphan);
    await write(again, "after the kill");
    expect(await read(again)).toEqual(["after the kill"]);
    await again.stop();
    expect(processesOn(dataDir)).toEqual([]);
  });

  it("a postmaster.pid of a server that is no more does not stop a start, and what was committed is there", async () => {
    const dataDir = join(freshFolder(), "data");
    const server = await start(dataDir);
    await write(server, "committed");
    process.kill(postmasterOf(dataDir)!, "SIGKILL");
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(postmasterOf(dataDir)).toBeDefined();
    expect(await read(await start(dataDir))).toEqual(["committed"]);
  });

  it("a supervisor that is asked to stop leaves no process behind", async () => {
    const dataDir = join(freshFolder(), "data");
    const child = await startInChild(dataDir);
    expect(processesOn(dataDir).length).toBeGreaterThan(0);
    expect(await gone(child, "SIGTERM")).toBe(0);
    expect(processesOn(dataDir)).toEqual([]);
  });

  it("an initdb that was killed half-way is made again from nothing", async () => {
    const dataDir = join(freshFolder(), "data");
    mkdirSync(join(dataDir, "pg", "base"), { recursive: true });
    mkdirSync(join(dataDir, "pg.making", "base"), { recursive: true });
    const server = await start(dataDir);
    await write(server, "made");
    expect(await read(server)).toEqual(["made"]);
    expect(existsSync(join(dataDir, "pg.making"))).toBe(false);
  });

  it("programs that are not there are named with what to do", async () => {
    const dataDir = join(freshFolder(), "data");
    await expect(startEmbedded({ dataDir, binDir: "/nowhere" })).rejects.toMatchObject({
      code: "embedded/binaries",
      message: expect.stringMatching(/\/nowhere.*npm ci.*DATABASE_URL.*PG_BIN_DIR/),
    });
  });
});
