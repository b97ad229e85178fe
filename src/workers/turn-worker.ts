import { HEARTBEAT_MS, MAX_ATTEMPTS } from "../domain/lease.ts";
import { errorCode } from "../errors.ts";
import type { Logger } from "../logger.ts";
import { buryTurn, takeTurn } from "../pipeline.ts";
import type { Claim, CommitResult, Ports, TurnSource } from "../ports.ts";
import { Loop } from "./loop.ts";

export type TurnObserver = (turn: { result: CommitResult | "failed"; latencyMs: number }) => void;

/** Stands around a turn, to see it; must give back what the work gives. */
export type AroundTurn = <T extends string>(claim: Claim, work: () => Promise<T>) => Promise<T>;

type Running = { claim: Claim; abort: AbortController };

const POLL_MS = 50;

/**
 * Claims due conversations and takes their turns, many at once, one a conversation. The heartbeat keeps the leases and
 * aborts a model call whose answer could not be committed any more. A worker that dies leaves leases that run out.
 */
export class TurnWorker {
  readonly #ports: Ports;
  readonly #source: TurnSource;
  readonly #logger: Logger;
  readonly #limit: number;
  readonly #observe: TurnObserver;
  readonly #around: AroundTurn;
  readonly #running = new Map<string, Running>();
  readonly #loop: Loop;
  #heart: NodeJS.Timeout | undefined;

  constructor(
    ports: Ports,
    source: TurnSource,
    logger: Logger,
    options: { concurrency: number; observe?: TurnObserver; around?: AroundTurn },
  ) {
    this.#ports = ports;
    this.#source = source;
    this.#logger = logger;
    this.#limit = options.concurrency;
    this.#observe = options.observe ?? (() => {});
    this.#around = options.around ?? ((_claim, work) => work());
    this.#loop = new Loop(
      () => this.#claimMore(),
      POLL_MS,
      (err) => logger.error({ err }, "claim failed"),
    );
  }

  start(): void {
    this.#heart = setInterval(() => void this.#beat(), HEARTBEAT_MS);
    this.#loop.start();
  }

  nudge(): void {
    this.#loop.nudge();
  }

  get active(): number {
    return this.#running.size;
  }

  /** Finishes what can be finished within `graceMs`, gives the rest back at once. */
  async stop(graceMs = 3000): Promise<void> {
    await this.#loop.stop();
    const deadline = Date.now() + graceMs;
    while (this.#running.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    clearInterval(this.#heart);
    const rest = [...this.#running.values()];
    for (const { abort } of rest) abort.abort();
    await this.#source.releaseAll(rest.map(({ claim }) => claim));
  }

  async #claimMore(): Promise<boolean> {
    const free = this.#limit - this.#running.size;
    if (free <= 0) return false;
    const claims = await this.#source.claim(Math.min(free, 32));
    for (const claim of claims) void this.#run(claim);
    return claims.length === 32;
  }

  async #run(claim: Claim): Promise<void> {
    const abort = new AbortController();
    const started = performance.now();
    this.#running.set(claim.conversationId, { claim, abort });
    try {
      const result = await this.#around(claim, () =>
        claim.attempts >= MAX_ATTEMPTS ? buryTurn(this.#ports, claim) : takeTurn(this.#ports, claim, abort.signal),
      );
      this.#observe({ result, latencyMs: performance.now() - started });
      this.#logger.debug(
        { conversation: claim.conversationId, result, ms: Math.round(performance.now() - started) },
        "turn",
      );
    } catch (err) {
      this.#observe({ result: "failed", latencyMs: performance.now() - started });
      await this.#fail(claim, err);
    } finally {
      this.#running.delete(claim.conversationId);
      this.#loop.nudge();
    }
  }

  async #fail(claim: Claim, err: unknown): Promise<void> {
    this.#logger.error({ err, conversation: claim.conversationId }, "turn failed");
    try {
      if ((await this.#ports.mailbox.fail(claim, errorCode(err))) === "backed-off") return;
      await buryTurn(this.#ports, claim).catch(async (cause) => {
        this.#logger.error({ err: cause, conversation: claim.conversationId }, "dead letter could not be answered");
        await this.#ports.mailbox.buryUnread(claim);
      });
    } catch (cause) {
      // The lease runs out and the turn is taken again: nothing is lost by not writing this down.
      this.#logger.error({ err: cause, conversation: claim.conversationId }, "could not give the conversation back");
    }
  }

  async #beat(): Promise<void> {
    const running = [...this.#running.values()];
    if (running.length === 0) return;
    try {
      const beats = await this.#source.heartbeat(running.map(({ claim }) => claim));
      for (const { claim, abort } of running) {
        const beat = beats.get(claim.conversationId);
        const isOvertaken =
          beat && (beat.fenceSeq > claim.lastSeq || (claim.supersedes < 2 && beat.lastSeq > claim.lastSeq));
        if (!beat || isOvertaken) abort.abort();
      }
    } catch (err) {
      this.#logger.warn({ err }, "heartbeat failed");
    }
  }
}
