import { Command } from "commander";
import { EsekError } from "../errors.ts";
import { safeError } from "../logger.ts";
import { apikeyCommand } from "./commands/apikey.ts";
import { backupCommand } from "./commands/backup.ts";
import { consentCommand } from "./commands/consent.ts";
import { contactCommand } from "./commands/contact.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { explainCommand } from "./commands/explain.ts";
import { guardCommand } from "./commands/guard.ts";
import { handoffCommand } from "./commands/handoff.ts";
import { keysCommand } from "./commands/keys.ts";
import { merchantCommand } from "./commands/merchant.ts";
import { migrateCommand } from "./commands/migrate.ts";
import { noticesCommand } from "./commands/notices.ts";
import { outboxCommand } from "./commands/outbox.ts";
import { replayCommand } from "./commands/replay.ts";
import { restoreCommand } from "./commands/restore.ts";
import { retentionCommand } from "./commands/retention.ts";
import { simulateCommand } from "./commands/simulate.ts";

if (Number(process.versions.node.split(".")[0]) < 24) {
  console.error(
    `esek needs Node 24; this is ${process.version}. Run it through npm: npm run esek -- ${process.argv.slice(2).join(" ")}`,
  );
  process.exit(2);
}

const program = new Command("esek")
  .description("Runs an AI agent on WhatsApp without breaking a promise.")
  .showHelpAfterError();
for (const command of [
  migrateCommand,
  doctorCommand,
  merchantCommand,
  simulateCommand,
  explainCommand,
  outboxCommand,
  replayCommand,
  handoffCommand,
  noticesCommand,
  consentCommand,
  contactCommand,
  retentionCommand,
  backupCommand,
  restoreCommand,
  apikeyCommand,
  keysCommand,
  guardCommand,
])
  program.addCommand(command());

try {
  await program.parseAsync();
} catch (err) {
  if (err instanceof EsekError) console.error(`esek: ${err.message}`);
  else console.error(`esek: failed: ${JSON.stringify(safeError(err))}`);
  process.exitCode = 1;
}
