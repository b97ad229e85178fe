/** A loop that runs `step` when nudged and every `pollMs` besides; never two steps at once. Nudges during a step are not lost. */
export class Loop {
  readonly #step: () => Promise<boolean>;
  readonly #pollMs: number;
  readonly #onError: (err: unknown) => void;
  #isNudged = false;
  #isStopped = false;
  #wake: (() => void) | undefined;
  #done: Promise<void> = Promise.resolve();

  /** `step` says whether there may be more to do at once. */
  constructor(step: () => Promise<boolean>, pollMs: number, onError: (err: unknown) => void) {
    this.#step = step;
    this.#pollMs = pollMs;
    this.#onError = onError;
  }

  start(): void {
    this.#done = this.#run();
  }

  nudge(): void {
    this.#isNudged = true;
    this.#wake?.();
  }

  /** Resolves when the step under way is done. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake?.();
    await this.#done;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#isStopped) {
      this.#isNudged = false;
      let isMore = false;
      try {
        isMore = await this.#step();
        failures = 0;
      } catch (err) {
        failures++;
        this.#onError(err);
      }
      if (isMore || this.#isStopped || (this.#isNudged && failures === 0)) continue;
      await this.#sleep(failures === 0 ? this.#pollMs : Math.min(100 * 2 ** failures, 5000));
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      const self = this;
      function done() {
        clearTimeout(timer);
        self.#wake = undefined;
        resolve();
      }
      this.#wake = done;
    });
  }
}
