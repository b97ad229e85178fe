import { createHash } from "node:crypto";
import { EsekError } from "../../errors.ts";
import { type Migration, readMigrations } from "../migrator.ts";
import type { BackupFile, Header } from "./format.ts";
import { countLines, type Progress } from "./write.ts";

/**
 * Reads a backup from end to end before anything is touched: every piece opens, every table has the rows and the hash
 * that it was written with, and this build knows its schema. Throws `EsekError("backup/damaged")` or
 * `EsekError("backup/newer")`.
 */
export async function verifyBackup({ header, frames }: BackupFile, progress: Progress): Promise<void> {
  schemaOf(header);
  const total = header.tables.reduce((sum, table) => sum + table.rows, 0);
  let done = 0;
  let seen = 0;
  let isDone = false;
  let hash = createHash("sha256");
  let rows = 0;
  for await (const frame of frames()) {
    const table = header.tables[seen];
    if (frame.type === "table") {
      if (frame.name !== table?.name) throw damaged(`table ${frame.name} is out of its place`);
      hash = createHash("sha256");
      rows = 0;
    } else if (frame.type === "data") {
      hash.update(frame.bytes);
      const lines = countLines(frame.bytes);
      rows += lines;
      done += lines;
      progress({ table: table?.name ?? "", rows, done, total });
    } else if (frame.type === "end") {
      if (frame.sha256 !== hash.digest("hex") || frame.rows !== rows || rows !== table?.rows)
        throw damaged(`table ${table?.name} is not as it was written`);
      seen++;
    } else isDone = frame.tables === seen && seen === header.tables.length;
  }
  if (!isDone) throw damaged("it has no end");
}

/** The migrations of this build that the backup had; what this build has beyond them is applied after the rows are in. */
export function schemaOf(header: Header, migrations = readMigrations()): Migration[] {
  for (const theirs of header.migrations) {
    const ours = migrations.find((migration) => migration.version === theirs.version);
    if (!ours)
      throw new EsekError(
        "backup/newer",
        `The backup comes from a newer Esek (it has migration ${theirs.name}). Restore it with that build or a later one. Nothing was changed.`,
      );
    if (ours.checksum !== theirs.checksum)
      throw new EsekError(
        "backup/schema",
        `The backup's migration ${theirs.name} is not the one of this build. Restore it with the build that made it. Nothing was changed.`,
      );
  }
  const versions = new Set(header.migrations.map((migration) => migration.version));
  return migrations.filter((migration) => versions.has(migration.version));
}

function damaged(what: string): EsekError {
  return new EsekError(
    "backup/damaged",
    `The backup is damaged: ${what}. Nothing was changed. Take another copy of it.`,
  );
}
