import { z } from "zod";
import { exampleOf } from "./bubbles.ts";
import type { Customer, Shop } from "./doors.ts";
import { refused, type Session } from "./session.ts";
import { WORDS } from "./words.ts";

const HOUR_MS = 3_600_000;

const who = { person: z.string().max(40), shop: z.string().max(40).optional() };

export const controlSchema = z.discriminatedUnion("do", [
  z.strictObject({
    do: z.literal("clock"),
    hours: z
      .number()
      .min(0.01)
      .max(24 * 31),
    ...who,
  }),
  z.strictObject({ do: z.literal("burst"), language: z.string().optional(), ...who }),
  z.strictObject({
    do: z.literal("meta"),
    fault: z.enum(["off", "131047", "131049", "131056", "130429", "131000", "190", "stall", "accept-drop"]),
    ...who,
  }),
  z.strictObject({
    do: z.literal("model"),
    mode: z.enum(["works", "slow", "fails", "silent", "empty", "garbage"]),
    ...who,
  }),
  z.strictObject({ do: z.literal("take-over"), text: z.string().trim().min(1).max(4096), ...who }),
  z.strictObject({ do: z.literal("hand-back"), ...who }),
  z.strictObject({ do: z.literal("template"), name: z.string().max(512), ...who }),
  z.strictObject({ do: z.literal("opt-in"), ...who }),
  z.strictObject({ do: z.literal("preference"), value: z.enum(["stop", "resume"]), ...who }),
  z.strictObject({ do: z.literal("new-customer"), language: z.string().max(5), ...who }),
]);

export type Control = z.infer<typeof controlSchema>;

/** Meta mostly accepts these and reports them by a failed status; the others are the answer to the POST. */
const BY_STATUS = new Set(["131047", "131049"]);
/** Longer than the sender waits for an answer. */
const STALL_MS = 20_000;

/** Turns one knob of the simulated world. What it returns is shown; what follows from it comes through the stream. */
export async function control(session: Session, input: Control): Promise<Record<string, unknown>> {
  const { world } = session;
  const { person, shop } = await session.chat(input.person, input.shop);
  const at = { phoneId: shop.id };
  switch (input.do) {
    case "clock":
      await world.simulator("clock", { advanceMs: Math.round(input.hours * HOUR_MS) });
      await world.clockMoved();
      return {};
    case "burst":
      for (const text of (WORDS[input.language ?? person.language] ?? WORDS.en!).burst)
        await world.simulator("inbound", { ...at, from: person.phone, message: textMessage(text) });
      return {};
    case "meta":
      await world.clearFaults();
      await world.mend();
      if (input.fault !== "off")
        await world.simulator("faults", { ...faultOf(input.fault), user: person.phone, next: 1 });
      return {};
    case "model":
      await world.model(input.mode);
      session.model = input.mode;
      return {};
    case "take-over":
      await world.simulator("echo", { ...at, to: person.phone, message: textMessage(input.text) });
      return {};
    case "hand-back":
      await world.handBack(shop.id, person.phone);
      return {};
    case "template":
      return sendTemplate(session, shop, person, input.name);
    case "opt-in":
      await known(session, person);
      await world.optIn(shop.id, person.phone);
      return {};
    case "preference":
      await world.simulator("preferences", { ...at, from: person.phone, value: input.value });
      return {};
    case "new-customer":
      return { person: session.people.add(input.language).key };
  }
}

/** Through the gate like any other, so it may well be refused: then the chat shows the reason. */
async function sendTemplate(
  session: Session,
  shop: Shop,
  person: Customer,
  name: string,
): Promise<Record<string, unknown>> {
  const all = (await session.world.templates(shop.id)).filter((one) => one.name === name);
  const definition = [person.language, ...shop.languages].map((tag) => all.find((one) => one.language === tag));
  const chosen = definition.find((one) => one !== undefined) ?? all[0];
  if (!chosen) throw refused("try/template", "The account has no such template any more.");
  await known(session, person);
  const body = exampleOf(chosen);
  return session.world.sendTemplate(shop.id, person.phone, { name, language: chosen.language, body });
}

/** A person exists on the simulated WhatsApp even before their first word. */
async function known(session: Session, person: Customer): Promise<void> {
  await session.world.simulator("customers", { phone: person.phone, name: person.name });
}

function faultOf(fault: string) {
  if (fault === "stall") return { kind: "stall", ms: STALL_MS };
  if (fault === "accept-drop") return { kind: "accept-drop" };
  return { kind: BY_STATUS.has(fault) ? "fail" : "error", code: Number(fault) };
}

export function textMessage(text: string) {
  return { type: "text", text: { body: text } };
}
