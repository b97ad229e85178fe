import pino from "pino";
import { errorCode } from "./errors.ts";

export type Logger = pino.Logger;

/**
 * The only logger. Lines carry our own uuids, codes, counts and durations. An error is reduced to its type, code,
 * Postgres constraint and stack frames: messages of database, model and zod errors quote the values they choked on.
 */
export function createLogger(level: string, destination?: pino.DestinationStream): Logger {
  const options: pino.LoggerOptions = {
    level,
    base: undefined,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: safeError },
    formatters: { level: (label) => ({ level: label }) },
  };
  return destination ? pino(options, destination) : pino(options);
}

/** What may be said of an error in a log. The operator's message is kept for our own errors only, which never quote data. */
export function safeError(err: unknown): Record<string, unknown> {
  if (!(err instanceof Error)) return { type: typeof err };
  const constraint = (err as { constraint_name?: unknown }).constraint_name;
  return {
    type: err.constructor.name,
    code: errorCode(err),
    ...(typeof constraint === "string" ? { constraint } : {}),
    ...(err.name === "EsekError" ? { message: err.message } : {}),
    at: frames(err),
    ...(err.cause === undefined ? {} : { cause: safeError(err.cause) }),
  };
}

/** The stack without its message, which may have lines of its own that look like frames. */
export function frames(err: Error): string[] {
  const stack = err.stack ?? "";
  const start = stack.indexOf(err.message);
  const below =
    err.message !== "" && start >= 0 ? stack.slice(start + err.message.length) : stack.slice(stack.indexOf("\n") + 1);
  return below
    .split("\n")
    .filter((line) =>
      /^\s+at (?:\S+ )?\(?(?:async |new |file:|node:|\/|native|<anonymous>|[\w.$<>#[\] ]+\()/.test(line),
    )
    .slice(0, 8)
    .map((line) => line.trim().replace(/\(?file:\/\/\S*\/(src|node_modules)\//, "($1/"));
}
