import { Hono } from "hono";
import { z } from "zod";
import { textOf } from "../chats.ts";
import type { Sim } from "../context.ts";
import { makeWamid } from "../ids.ts";
import { asObject } from "../json.ts";
import { echoValue, preferenceValue } from "../payloads.ts";
import type { Person } from "../people.ts";
import type { PhoneNumber } from "../world.ts";
import { controlPerson, controlPhone, readBody } from "./input.ts";
import { emit, receiveMessage } from "./receive-message.ts";

const Inbound = z.strictObject({
  phoneId: z.string().optional(),
  from: z.string(),
  message: z.looseObject({ type: z.string() }),
  context: z.unknown().optional(),
  referral: z.unknown().optional(),
  /** Unix seconds; now when absent. */
  timestamp: z.coerce.number().optional(),
  wamid: z.string().optional(),
  /** Leave the phone out, as for a person with a username. */
  phoneless: z.boolean().optional(),
});

const Preference = z.strictObject({
  phoneId: z.string().optional(),
  from: z.string(),
  value: z.enum(["stop", "resume", "signup"]),
  signupId: z.string().optional(),
  timestamp: z.coerce.number().optional(),
  phoneless: z.boolean().optional(),
});

const Echo = z.strictObject({
  phoneId: z.string().optional(),
  to: z.string(),
  message: z.looseObject({ type: z.string() }),
  timestamp: z.coerce.number().optional(),
  wamid: z.string().optional(),
});

/** What people do: write, change a preference; and what the business does from its own app. */
export function inboundRoutes(sim: Sim): Hono {
  const app = new Hono();

  app.post("/inbound", async (c) => {
    const input = await readBody(c, Inbound);
    const phone = controlPhone(sim, input.phoneId);
    const person = controlPerson(sim, phone, input.from);
    return c.json(receiveMessage(sim, phone, person, input));
  });

  app.post("/preferences", async (c) => {
    const input = await readBody(c, Preference);
    const phone = controlPhone(sim, input.phoneId);
    const person = controlPerson(sim, phone, input.from);
    applyPreference(person, phone, input.value);
    const atMs = input.timestamp === undefined ? sim.clock.now() : input.timestamp * 1000;
    const showPhone = !(input.phoneless ?? person.hidesPhone);
    emit(
      sim,
      phone,
      "other",
      "user_preferences",
      preferenceValue(sim.world, phone, person, { ...input, atMs, showPhone }),
    );
    return c.json({ success: true });
  });

  app.post("/echo", async (c) => {
    const input = await readBody(c, Echo);
    const phone = controlPhone(sim, input.phoneId);
    const person = controlPerson(sim, phone, input.to);
    const { type, [input.message.type]: given } = input.message;
    const body = type === "text" && typeof given === "string" ? { body: given } : given;
    const wamid = input.wamid ?? makeWamid("out", person.phone ?? input.to, sim.random);
    const atMs = input.timestamp === undefined ? sim.clock.now() : input.timestamp * 1000;
    sim.world.chats.add(sim.world.chats.of(phone.id, person), {
      wamid,
      direction: "echo",
      at: atMs,
      type,
      body,
      text: textOf(type, asObject(body)),
    });
    const echo = { wamid, atMs, type, body, showPhone: !person.hidesPhone };
    emit(sim, phone, "other", "smb_message_echoes", echoValue(sim.world, phone, person, echo));
    return c.json({ wamid });
  });
  return app;
}

function applyPreference(person: Person, phone: PhoneNumber, value: "stop" | "resume" | "signup"): void {
  if (value === "stop") person.marketingStopped.add(phone.id);
  else person.marketingStopped.clear();
}
