import type { Logger } from "../logger.ts";
import type { Clock } from "../ports.ts";
import type { Sql } from "./database.ts";
import type { Keyring } from "./keyring.ts";
import type { MerchantDirectory } from "./merchants.ts";

/** What every part of the store works with. `nudge` wakes this process's own loops after a commit; the poll is the safety net. */
export type Store = {
  sql: Sql;
  keyring: Keyring;
  merchants: MerchantDirectory;
  clock: Clock;
  logger: Logger;
  nudge: (what: "turns" | "sender" | "jobs") => void;
};
