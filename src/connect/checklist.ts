import { EsekError } from "../errors.ts";

/** What connecting a merchant is made of, in order. Each is safe to do twice. */
export type StepName =
  | "token"
  | "waba"
  | "number"
  | "merchant"
  | "register"
  | "subscribe"
  | "webhook"
  | "templates"
  | "state"
  | "profile"
  | "health";

export type StepState = "done" | "already" | "warning" | "failed" | "skipped";

/** One line of the checklist. `about` is a WABA's or number's id; nothing here names a person or holds a secret. */
export type StepResult = { step: StepName; about?: string; state: StepState; say: string; code?: string };

export type Line = Omit<StepResult, "step">;

export const line = (state: StepState, say: string, about?: string, code?: string): Line => ({
  state,
  say,
  ...(about === undefined ? {} : { about }),
  ...(code === undefined ? {} : { code }),
});

/** What a refusal says, as a line; anything that is not an `EsekError` is a bug and goes on. */
export function failure(err: unknown, about?: string): Line {
  if (!(err instanceof EsekError)) throw err;
  return line("failed", err.message, about, err.code);
}

/** One line for each, whatever becomes of the others. */
export async function each<T>(
  items: readonly T[],
  about: (item: T) => string,
  work: (item: T) => Promise<Line>,
): Promise<Line[]> {
  const lines: Line[] = [];
  for (const item of items) lines.push(await work(item).catch((err: unknown) => failure(err, about(item))));
  return lines;
}
