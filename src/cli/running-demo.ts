import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { EsekError } from "../errors.ts";

/** Where the running demo's simulator is. Throws `EsekError("simulate/not-running")` when none runs over this data folder. */
export function simulatorUrl(dataDir: string): string {
  const file = join(resolve(dataDir), "simulator.json");
  try {
    return (JSON.parse(readFileSync(file, "utf8")) as { url: string }).url;
  } catch {
    throw notRunning();
  }
}

export function notRunning(): EsekError {
  return new EsekError(
    "simulate/not-running",
    "No demo is running here. Start it with `npm start` in another terminal, from the same folder (or with the same ESEK_DATA_DIR).",
  );
}
