import type { Context } from "hono";
import { streamSSE } from "hono/streaming";
import type { Logger } from "../../logger.ts";
import { bubbleOf, keyOf } from "./bubbles.ts";
import type { Customer, Shop, SimEvent } from "./doors.ts";
import type { Session } from "./session.ts";

const PULSE_MS = 1000;
/** After something happened, what follows from it is looked for this soon. */
const SOON_MS = 120;

/**
 * One chat as it happens: `thread` at the start, then `message`, `status`, `read`, `typing`, and `pulse` whenever what waits,
 * stands or was turned on has changed. Ends with `asleep` when the world behind it does.
 */
export function chatStream(
  c: Context,
  session: Session,
  shop: Shop,
  person: Customer,
  asleep: AbortSignal,
  logger: Logger,
): Response {
  c.header("x-accel-buffering", "no");
  return streamSSE(c, async (stream) => {
    const over = new AbortController();
    stream.onAbort(() => over.abort());
    asleep.addEventListener("abort", () => over.abort(), { once: true });
    const send = (event: string, data: unknown) => stream.writeSSE({ event, data: JSON.stringify(data) });
    const pulse = new Pulse(session, shop, person, send);
    const beat = pulse.run(over.signal);
    try {
      for await (const event of session.world.watch(shop.id, person.phone, over.signal)) {
        await tell(event, session, shop, person, send);
        pulse.soon();
      }
    } catch (err) {
      // The page connects again by itself; nothing of the error is for its eyes.
      if (!over.signal.aborted) logger.error({ err }, "a stream of try it broke off");
    } finally {
      over.abort();
      await beat;
      if (asleep.aborted) await send("asleep", {});
    }
  });
}

type Send = (event: string, data: unknown) => Promise<void>;

async function tell(event: SimEvent, session: Session, shop: Shop, person: Customer, send: Send): Promise<void> {
  switch (event.type) {
    case "ready":
      return send("thread", await session.bubbles(shop, person));
    case "message":
      return send("message", bubbleOf(event.item, await session.world.templates(shop.id)));
    case "status":
      return send("status", { key: keyOf(event.wamid), status: event.status, errorCode: event.errorCode });
    case "read":
    case "typing":
      return send(event.type, { key: keyOf(event.wamid) });
  }
}

/** Looks every second, and soon after each event, and speaks only when something is different. */
class Pulse {
  readonly #look: () => Promise<void>;
  #wake = () => {};
  #isSoon = false;

  constructor(session: Session, shop: Shop, person: Customer, send: Send) {
    let last = "";
    this.#look = async () => {
      const { clock, ...rest } = await session.pulse(shop, person);
      const now = JSON.stringify({ offsetMs: clock.offsetMs, ...rest });
      if (now === last) return;
      last = now;
      await send("pulse", { clock, ...rest });
    };
  }

  soon(): void {
    this.#isSoon = true;
    this.#wake();
  }

  async run(signal: AbortSignal): Promise<void> {
    signal.addEventListener("abort", () => this.#wake());
    while (!signal.aborted) {
      await this.#look().catch(() => {
        // The world is stopping or busy; the next look tells.
      });
      if (!this.#isSoon && !signal.aborted) await this.#wait(PULSE_MS);
      if (this.#isSoon && !signal.aborted) {
        this.#isSoon = false;
        await new Promise((resolve) => setTimeout(resolve, SOON_MS));
      }
    }
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
