import { Hono } from "hono";
import { z } from "zod";
import { announceAccount } from "../account-events.ts";
import type { Sim } from "../context.ts";
import { makeWamid } from "../ids.ts";
import { inboundValue } from "../payloads.ts";
import { announceTemplate, factsOf } from "../template-events.ts";
import { controlPerson, controlPhone, readBody } from "./input.ts";
import { emit } from "./receive-message.ts";

const AccountState = z.enum(["active", "locked", "blocked", "payment", "spam"]);

const Customer = z.strictObject({
  phone: z.string().optional(),
  bsuid: z.string().optional(),
  parentBsuid: z.string().optional(),
  username: z.string().optional(),
  name: z.string().optional(),
  country: z.string().length(2).optional(),
  onWhatsApp: z.boolean().optional(),
  hidesPhone: z.boolean().optional(),
  marketingStopped: z.boolean().optional(),
  blocked: z.boolean().optional(),
  inExperiment: z.boolean().optional(),
  receipts: z.enum(["none", "sent", "delivered", "read"]).optional(),
  marketingCapPerDay: z.number().int().min(0).nullable().optional(),
  portfolioId: z.string().optional(),
});

const Template = z.strictObject({
  wabaId: z.string(),
  id: z.string().optional(),
  name: z.string(),
  language: z.string(),
  category: z.enum(["MARKETING", "UTILITY", "AUTHENTICATION"]).optional(),
  status: z.string().optional(),
  parameterFormat: z.enum(["POSITIONAL", "NAMED"]).optional(),
  components: z.array(z.looseObject({ type: z.string() })).optional(),
  qualityScore: z.string().optional(),
  held: z.enum(["release", "drop"]).nullable().optional(),
  /** Whether a change of status, category or quality is told by webhook; yes when absent. */
  notify: z.boolean().optional(),
});

const Phone = z.strictObject({
  wabaId: z.string().optional(),
  id: z.string(),
  displayNumber: z.string().optional(),
  verifiedName: z.string().optional(),
  status: z.string().optional(),
  state: AccountState.optional(),
  throughputMps: z.number().positive().optional(),
  qualityRating: z.string().optional(),
  codeVerification: z.string().optional(),
  pin: z.string().optional(),
});

const Waba = z.strictObject({
  id: z.string(),
  name: z.string().optional(),
  portfolioId: z.string().optional(),
  state: AccountState.optional(),
  subscribed: z.boolean().optional(),
  messagingLimit: z.string().optional(),
  restrictions: z.array(z.string()).optional(),
  /** Whether a change of state or restrictions is told by an `account_update` webhook; yes when absent. */
  notify: z.boolean().optional(),
});

const NumberChange = z.strictObject({
  phoneId: z.string().optional(),
  from: z.string(),
  newPhone: z.string().optional(),
  newBsuid: z.string().optional(),
  phoneless: z.boolean().optional(),
});

/** What exists: people, accounts, numbers, templates. */
export function worldRoutes(sim: Sim): Hono {
  const app = new Hono();
  const { world } = sim;

  app.post("/customers", async (c) => {
    const { portfolioId = world.defaultPortfolioId(), ...input } = await readBody(c, Customer);
    const person = world.people.upsert(input, portfolioId);
    return c.json({ phone: person.phone, bsuid: world.people.bsuidOf(person, portfolioId), name: person.name });
  });

  app.post("/change-number", async (c) => {
    const input = await readBody(c, NumberChange);
    const phone = controlPhone(sim, input.phoneId);
    const person = controlPerson(sim, phone, input.from);
    const { portfolioId } = phone.waba;
    const before = { phone: person.phone, bsuid: world.people.bsuidOf(person, portfolioId) };
    // The BSUID is made anew whenever the number changes (reference 2.1).
    world.people.setBsuid(person, portfolioId, input.newBsuid ?? `${person.country}.${sim.random.digits(20)}`);
    const showPhone = !(input.phoneless ?? person.hidesPhone);
    const bsuid = world.people.bsuidOf(person, portfolioId);
    const system = {
      body: `User ${person.name ?? ""} changed from ${before.phone ?? before.bsuid} to ${input.newPhone ?? bsuid}`,
      type: input.newPhone === undefined ? "user_changed_user_id" : "user_changed_number",
      ...(showPhone && input.newPhone !== undefined ? { wa_id: input.newPhone.replace(/\D/g, "") } : {}),
      user_id: bsuid,
      previous_user_id: before.bsuid,
    };
    const wamid = makeWamid("in", before.phone ?? before.bsuid, sim.random);
    const message = { wamid, timestampMs: sim.clock.now(), type: "system", body: system, showPhone };
    emit(sim, phone, "messages", "messages", inboundValue(world, phone, person, message));
    if (input.newPhone !== undefined) world.people.upsert({ bsuid, phone: input.newPhone }, portfolioId);
    return c.json({ wamid, bsuid });
  });

  app.post("/templates", async (c) => {
    const { wabaId, held, notify = true, ...input } = await readBody(c, Template);
    const old = world.wabas.get(wabaId)?.templates.find(input.name, input.language);
    const before = old === undefined ? undefined : factsOf(old);
    const template = world.putTemplate(wabaId, held === undefined ? input : { ...input, held: held ?? undefined });
    if (before !== undefined && notify) announceTemplate(sim, world.putWaba(wabaId), template, before);
    return c.json({ id: template.id, name: template.name, language: template.language, status: template.status });
  });

  app.post("/phones", async (c) => {
    const { wabaId, displayNumber, ...input } = await readBody(c, Phone);
    const known = world.phones.get(input.id);
    const phone = world.putPhone(wabaId ?? known?.waba.id ?? "102290129340398", {
      ...input,
      displayNumber: displayNumber ?? known?.displayNumber ?? `+1 555-${input.id.slice(-7)}`,
    });
    return c.json({ id: phone.id, wabaId: phone.waba.id, status: phone.status, state: phone.state });
  });

  app.post("/wabas", async (c) => {
    const input = await readBody(c, Waba);
    const { id, name, portfolioId, state, subscribed, messagingLimit, restrictions, notify = true } = input;
    const waba = world.putWaba(id, name, portfolioId);
    const before = { state: waba.state, restrictions: waba.restrictions };
    if (state !== undefined) waba.state = state;
    if (restrictions !== undefined) waba.restrictions = restrictions;
    if (notify) announceAccount(sim, waba, before);
    if (subscribed !== undefined) waba.subscribed = subscribed;
    if (messagingLimit !== undefined) waba.messagingLimit = messagingLimit;
    return c.json({ id: waba.id, portfolioId: waba.portfolioId, state: waba.state, subscribed: waba.subscribed });
  });
  return app;
}
