import { createHash, randomUUID } from "node:crypto";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, inject, it } from "vitest";
import { connect, type Sql } from "./database.ts";
import { type Migration, migrate, readMigrations } from "./migrator.ts";

let admin: Sql;
let owner: Sql;
let database: string;

beforeAll(() => {
  admin = connect({ socketDir: inject("socketDir"), max: 1 });
});
afterAll(() => admin.end({ timeout: 1 }));

beforeEach(async () => {
  database = `m_${randomUUID().replaceAll("-", "")}`;
  await admin.unsafe(`create database ${database}`);
  owner = connect({ socketDir: inject("socketDir"), database, max: 2 });
});
afterEach(async () => {
  await owner.end({ timeout: 1 });
  await admin.unsafe(`drop database ${database} with (force)`);
});

function migration(version: number, text: string, isBreaking = false): Migration {
  const checksum = createHash("sha256").update(text).digest("hex");
  return { version, name: `000${version}_step.sql`, text, checksum, isBreaking };
}

const FIRST = migration(1, "create table one (id int primary key)");
const SECOND = migration(2, "create table two (id int primary key)");

const tables = async () =>
  (
    await owner<
      { name: string }[]
    >`select relname as name from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace order by 1`
  ).map((row) => row.name);
const versions = async () =>
  (await owner<{ version: number }[]>`select version from schema_migration order by 1`).map((row) => row.version);

describe("the migrator", () => {
  it("three processes that start at once on an empty database all succeed, and each file is applied once", async () => {
    const pools = [1, 2, 3].map(() => connect({ socketDir: inject("socketDir"), database, max: 2 }));
    const applied = await Promise.all(pools.map((pool) => migrate(pool)));
    await Promise.all(pools.map((pool) => pool.end({ timeout: 1 })));
    const names = readMigrations().map((file) => file.name);
    expect(applied.flat().sort()).toEqual(names);
    expect(await versions()).toEqual(readMigrations().map((file) => file.version));
    expect(await tables()).toContain("outbox");
  });

  it("a second start changes nothing", async () => {
    await migrate(owner);
    expect(await migrate(owner)).toEqual([]);
  });

  it("what is new is applied on top of what was there, in order", async () => {
    expect(await migrate(owner, [FIRST])).toEqual(["0001_step.sql"]);
    expect(await migrate(owner, [FIRST, SECOND])).toEqual(["0002_step.sql"]);
    expect(await tables()).toEqual(["one", "schema_migration", "two"]);
  });

  it("a file edited after it was applied is refused by name, and nothing after it is applied", async () => {
    await migrate(owner, [FIRST]);
    const edited = migration(1, `${FIRST.text} -- better`);
    await expect(migrate(owner, [edited, SECOND])).rejects.toMatchObject({
      code: "migrate/edited",
      message: expect.stringContaining("0001_step.sql was edited"),
    });
    expect(await tables()).not.toContain("two");
    expect(await migrate(owner, [FIRST, SECOND])).toEqual(["0002_step.sql"]);
  });

  it("an older build refuses a schema that a newer build broke for it", async () => {
    await migrate(owner, [FIRST, { ...SECOND, isBreaking: true }]);
    await expect(migrate(owner, [FIRST])).rejects.toMatchObject({
      code: "migrate/newer",
      message: expect.stringContaining("0002_step.sql"),
    });
  });

  it("an older build runs on a newer schema that does not break it", async () => {
    await migrate(owner, [FIRST, SECOND]);
    expect(await migrate(owner, [FIRST])).toEqual([]);
  });

  it("a failing migration keeps nothing of itself, everything before it, and can be tried again", async () => {
    const failing = migration(2, "create table half (id int); select 1 / 0;");
    await expect(migrate(owner, [FIRST, failing])).rejects.toMatchObject({
      code: "migrate/failed",
      message: expect.stringMatching(/0002_step\.sql.*22012.*nothing of it was kept/),
    });
    expect(await tables()).toEqual(["one", "schema_migration"]);
    expect(await versions()).toEqual([1]);
    expect(await migrate(owner, [FIRST, SECOND])).toEqual(["0002_step.sql"]);
  });

  it("a failure gives the lock back: the next start does not wait", async () => {
    const failing = migration(1, "select 1 / 0");
    const other = connect({ socketDir: inject("socketDir"), database, max: 1 });
    await expect(migrate(owner, [failing])).rejects.toMatchObject({ code: "migrate/failed" });
    expect(await migrate(other, [FIRST])).toEqual(["0001_step.sql"]);
    await other.end({ timeout: 1 });
  });
});

describe("the files of migrations/", () => {
  it("are read in order with their checksums; each first line says whether it breaks older builds", () => {
    const files = readMigrations();
    expect(files.map((file) => file.version)).toEqual(files.map((_, index) => index + 1));
    for (const file of files) expect(file.text.split("\n")[0], file.name).toMatch(/^-- breaking: (true|false)$/);
  });

  it("change their checksum with any byte, and other files are not taken for migrations", () => {
    const folder = mkdtempSync(join(tmpdir(), "esek-migrations-"));
    cpSync(join(import.meta.dirname, "../../migrations"), folder, { recursive: true });
    writeFileSync(join(folder, "notes.md"), "not a migration");
    writeFileSync(join(folder, "9001_more.sql"), "-- breaking: true\nselect 1;\n");
    const before = readMigrations(folder);
    writeFileSync(join(folder, "9001_more.sql"), "-- breaking: true\nselect 1; \n");
    const after = readMigrations(folder);
    rmSync(folder, { recursive: true });
    expect(before.length).toBe(readMigrations().length + 1);
    expect(before.at(-1)).toMatchObject({ version: 9001, isBreaking: true });
    expect(after.at(-1)!.checksum).not.toBe(before.at(-1)!.checksum);
  });
});
