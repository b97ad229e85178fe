import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";
import { connect } from "../src/store/database.ts";
import { startEmbedded } from "../src/store/embedded/server.ts";
import { migrate } from "../src/store/migrator.ts";

declare module "vitest" {
  export interface ProvidedContext {
    socketDir: string;
  }
}

/** One real Postgres for the whole run (durability off: nothing here tests power loss), with one migrated template. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = join(tmpdir(), `esek-test-${process.pid}`);
  const settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=300"];
  const server = await startEmbedded({ dataDir, settings });
  const owner = connect({ socketDir: server.socketDir, max: 1 });
  await owner.unsafe("create database esek_template");
  await owner.end();
  const template = connect({ socketDir: server.socketDir, database: "esek_template", max: 2 });
  await migrate(template);
  await template.end();
  project.provide("socketDir", server.socketDir);
  return async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  };
}
