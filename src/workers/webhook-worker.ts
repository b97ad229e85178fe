import { createHmac } from "node:crypto";
import { errorCode } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { Delivery, DeliverySource } from "../ports.ts";
import type { SafeFetch } from "../safe-fetch.ts";
import { Loop } from "./loop.ts";

const POLL_MS = 500;
const BATCH = 20;
const TIMEOUT_MS = 10_000;

/**
 * Tells merchants' own systems. Each delivery is POSTed with its id (the receiver's key against doubles) and
 * `esek-signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">` under the merchant's secret. At least once: a
 * process that dies between POST and record posts again.
 */
export class WebhookWorker {
  readonly #source: DeliverySource;
  readonly #fetch: SafeFetch;
  readonly #secret: (name: string) => string | undefined;
  readonly #logger: Logger;
  readonly #loop: Loop;

  constructor(source: DeliverySource, fetch: SafeFetch, secret: (name: string) => string | undefined, logger: Logger) {
    this.#source = source;
    this.#fetch = fetch;
    this.#secret = secret;
    this.#logger = logger;
    this.#loop = new Loop(
      () => this.#step(),
      POLL_MS,
      (err) => logger.error({ err }, "webhook deliveries failed"),
    );
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async #step(): Promise<boolean> {
    const deliveries = await this.#source.claimDeliveries(BATCH);
    await Promise.all(deliveries.map(async (one) => this.#source.settleDelivery(one, await this.#tell(one))));
    return deliveries.length >= BATCH;
  }

  async #tell(delivery: Delivery): Promise<number | undefined> {
    const secret = this.#secret(delivery.secretEnv);
    if (!secret) {
      this.#logger.warn({ delivery: delivery.id, variable: delivery.secretEnv }, "webhook secret is not set");
      return undefined;
    }
    const body = JSON.stringify(delivery.payload);
    const seconds = Math.floor(Date.now() / 1000);
    const signature = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
    try {
      const { status } = await this.#fetch({
        url: delivery.url,
        method: "POST",
        headers: {
          "content-type": "application/json",
          "esek-delivery": delivery.id,
          "esek-signature": `t=${seconds},v1=${signature}`,
        },
        body,
        timeoutMs: TIMEOUT_MS,
        maxBytes: 10_000,
      });
      return status;
    } catch (err) {
      this.#logger.warn({ delivery: delivery.id, code: errorCode(err) }, "webhook not delivered");
      return undefined;
    }
  }
}
