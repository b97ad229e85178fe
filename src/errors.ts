/**
 * Something that should not have happened or cannot go on. A refusal by policy is a decision, never one of these.
 * `message` is for the operator and names what was expected, what came and what to do; it never quotes
 * customer data. `publicMessage` is for a merchant or an API caller.
 */
export class EsekError extends Error {
  override readonly name = "EsekError";
  readonly code: string;
  readonly publicMessage: string | undefined;

  constructor(code: string, message: string, options: { publicMessage?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.code = code;
    this.publicMessage = options.publicMessage;
  }
}

/** A stable code of an unknown thrown value, safe to log: our code, Postgres' SQLSTATE or Node's errno code, else its class. */
export function errorCode(err: unknown): string {
  if (!(err instanceof Error)) return "thrown-value";
  const code = (err as { code?: unknown }).code;
  return typeof code === "string" && /^(?:[A-Za-z][\w./-]{0,59}|\d{2}[0-9A-Z]{3})$/.test(code) ? code : err.name;
}
