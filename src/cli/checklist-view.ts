import { styleText } from "node:util";
import type { StepName, StepResult, StepState } from "../connect/checklist.ts";

const TITLES: Record<StepName, string> = {
  token: "access token",
  waba: "WABA",
  number: "number",
  merchant: "merchant",
  register: "registration",
  subscribe: "webhook subscription",
  webhook: "webhook, end to end",
  templates: "templates",
  state: "number's state",
  profile: "business profile",
  health: "Meta's health check",
};
const MARKS: Record<StepState, string> = {
  done: "ok  ",
  already: "ok  ",
  warning: "warn",
  failed: "BAD ",
  skipped: "-   ",
};
const COLOURS: Record<StepState, "green" | "yellow" | "red" | "dim"> = {
  done: "green",
  already: "green",
  warning: "yellow",
  failed: "red",
  skipped: "dim",
};

/** A live checklist on a terminal: the step under way stands there until its results take its place. Plain lines elsewhere. */
export function checklistView(output: NodeJS.WriteStream): (step: StepName, results?: readonly StepResult[]) => void {
  return (step, results) => {
    if (!results) {
      if (output.isTTY) output.write(`...   ${TITLES[step]}`);
      return;
    }
    if (output.isTTY) output.write("\r\x1b[2K");
    for (const result of results) output.write(`${lineOf(result, output.isTTY === true)}\n`);
  };
}

function lineOf({ step, about, state, say }: StepResult, isTerminal: boolean): string {
  const mark = isTerminal ? styleText(COLOURS[state], MARKS[state]) : MARKS[state];
  const repeated = state === "already" ? " (already)" : "";
  return `${mark}  ${TITLES[step]}${about ? ` ${about}` : ""}: ${say}${repeated}`;
}
