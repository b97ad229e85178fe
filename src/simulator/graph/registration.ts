import { Hono } from "hono";
import type { Sim } from "../context.ts";
import { GraphError, invalidParam } from "../graph-error.ts";
import { asObject, asText } from "../json.ts";
import type { PhoneNumber } from "../world.ts";
import type { GraphEnv } from "./env.ts";
import { phoneOf } from "./nodes.ts";

/** Registering and deregistering together, per number (reference 3.8). */
const MOVES_LIMIT = 10;
const MOVES_SPAN_MS = 72 * 3_600_000;
/** Meta publishes no numbers for wrong PINs; these are ours. */
const PIN_TRIES = 5;
const PIN_BLOCK_MS = 12 * 3_600_000;
const REGIONS = new Set("AU ID IN JP SG KR DE CH GB BR BH ZA AE CA".split(" "));

/** `POST /<phone>/register` and `/deregister`, with the two-step verification PIN's rules (133005 to 133016). */
export function registrationRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();

  app.post("/:id/register", async (c) => {
    const phone = phoneOf(sim, c.req.param("id"));
    const body = asObject(await c.req.json().catch(() => undefined));
    if (body.messaging_product !== "whatsapp") throw invalidParam("The parameter messaging_product is required.");
    const pin = readPin(body.pin);
    const region = asText(body.data_localization_region);
    if (region !== undefined && !REGIONS.has(region))
      throw invalidParam("Param data_localization_region is not valid.");
    if (phone.codeVerification !== "VERIFIED") {
      throw new GraphError(133006, "The phone number needs to be verified before registering.");
    }
    const now = sim.clock.now();
    checkPin(phone, pin, now);
    countMove(phone, now);
    phone.pin = pin;
    phone.status = "CONNECTED";
    return c.json({ success: true });
  });

  app.post("/:id/deregister", (c) => {
    const phone = phoneOf(sim, c.req.param("id"));
    countMove(phone, sim.clock.now());
    phone.status = "DISCONNECTED";
    return c.json({ success: true });
  });
  return app;
}

/** Sets or changes the PIN by `POST /<phone> {pin}`; that needs no old one. */
export function setPin(phone: PhoneNumber, given: unknown): void {
  phone.pin = readPin(given);
  phone.pinTries = 0;
  phone.pinBlockedUntil = 0;
}

function readPin(given: unknown): string {
  const pin = asText(given) ?? "";
  if (!/^\d{6}$/.test(pin)) throw invalidParam("Param pin must be 6 digits.");
  return pin;
}

/** A number without a PIN takes the first one given. */
function checkPin(phone: PhoneNumber, pin: string, now: number): void {
  if (now < phone.pinBlockedUntil) {
    throw new GraphError(133008, "Too many PIN guesses for this phone number. Try again later.");
  }
  if (phone.pin === undefined || phone.pin === pin) {
    phone.pinTries = 0;
    return;
  }
  phone.pinTries++;
  if (phone.pinTries >= PIN_TRIES) {
    phone.pinTries = 0;
    phone.pinBlockedUntil = now + PIN_BLOCK_MS;
  }
  throw new GraphError(133005, "Security PIN mismatch");
}

function countMove(phone: PhoneNumber, now: number): void {
  phone.moves = phone.moves.filter((at) => at > now - MOVES_SPAN_MS);
  if (phone.moves.length >= MOVES_LIMIT) {
    throw new GraphError(133016, "Registration or deregistration failed because there were too many attempts.");
  }
  phone.moves.push(now);
}
