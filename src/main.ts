import { readConfig } from "./config.ts";
import { EsekError } from "./errors.ts";
import { createLogger, safeError } from "./logger.ts";
import { startEsek } from "./start.ts";

/** `npm start`: reads the environment, starts everything that is due, stops it in order on SIGTERM or SIGINT. */
async function main(): Promise<void> {
  const config = readConfig();
  const logger = createLogger(config.logLevel);
  process.on("unhandledRejection", (err) => {
    logger.fatal({ err }, "unhandled rejection");
    process.exit(1);
  });
  const esek = await startEsek(config, logger);
  let isStopping = false;
  const stop = (signal: string) => {
    if (isStopping) return;
    isStopping = true;
    logger.info({ signal }, "stopping");
    esek.stop().then(
      () => process.exit(0),
      (err) => {
        logger.error({ err }, "stop failed");
        process.exit(1);
      },
    );
  };
  process.on("SIGTERM", () => stop("SIGTERM"));
  process.on("SIGINT", () => stop("SIGINT"));
}

main().catch((err) => {
  if (err instanceof EsekError) console.error(`esek: ${err.message}`);
  else console.error(`esek: could not start: ${JSON.stringify(safeError(err))}`);
  process.exit(1);
});
