import { numberStep, tokenStep, wabaStep } from "./access-steps.ts";
import { failure, type Line, type StepName, type StepResult } from "./checklist.ts";
import type { ConnectJob, ConnectWorld, Found, Run } from "./run.ts";
import { healthStep, profileStep, stateStep, templatesStep } from "./sync-steps.ts";
import { registerStep, subscribeStep, webhookStep } from "./wiring-steps.ts";

type Step = { step: StepName; needs: readonly StepName[]; run: (run: Run) => Promise<Line[]> };

const PLAN: readonly Step[] = [
  { step: "token", needs: [], run: tokenStep },
  { step: "waba", needs: ["token"], run: wabaStep },
  { step: "number", needs: ["waba"], run: numberStep },
  { step: "merchant", needs: ["number"], run: merchantStep },
  { step: "register", needs: ["merchant"], run: registerStep },
  { step: "subscribe", needs: ["merchant"], run: subscribeStep },
  { step: "webhook", needs: ["merchant"], run: webhookStep },
  { step: "templates", needs: ["merchant"], run: templatesStep },
  { step: "state", needs: ["merchant"], run: stateStep },
  { step: "profile", needs: ["merchant"], run: profileStep },
  { step: "health", needs: ["merchant"], run: healthStep },
];

/**
 * Connects a merchant's WABAs and numbers, and says of every step what became of it. Nothing is written before Meta has
 * said yes to token, WABAs and numbers; after that every step is tried, whatever became of its neighbours, so that nothing
 * half-connected stays unseen. Twice is as once. Throws only for bugs.
 */
export async function connectMerchant(world: ConnectWorld, job: ConnectJob): Promise<StepResult[]> {
  const options = { ...world.graph, token: job.token ?? "" };
  const run: Run = { ...world, ...job, options, learned: { numbers: new Map() } };
  const results: StepResult[] = [];
  const failed = new Set<StepName>();
  for (const { step, needs, run: work } of PLAN) {
    const missing = needs.find((name) => failed.has(name));
    if (!missing) world.onStep?.(step);
    const lines = missing ? [notTried(missing)] : await work(run).catch((err: unknown) => [failure(err)]);
    if (missing || lines.some((line) => line.state === "failed")) failed.add(step);
    const told = lines.map((line): StepResult => ({ step, ...line }));
    world.onStep?.(step, told);
    results.push(...told);
  }
  return results;
}

export function isConnected(results: readonly StepResult[]): boolean {
  return results.every((result) => result.state !== "failed");
}

function notTried(missing: StepName): Line {
  return { state: "skipped", say: `not tried: "${missing}" comes first` };
}

async function merchantStep({ settle, learned }: Run): Promise<Line[]> {
  const found: Found = {
    portfolioId: learned.portfolioId,
    displayOf: (id) => learned.numbers.get(id)?.display,
    covers: learned.covers ?? (() => true),
    expiresAt: learned.expiresAt,
  };
  const { merchantId, line } = await settle(found);
  learned.merchantId = merchantId;
  return [line];
}
