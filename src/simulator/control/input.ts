import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import type { Sim } from "../context.ts";
import type { Person } from "../people.ts";
import type { PhoneNumber } from "../world.ts";

/** Reads a control body; a bad one is answered 400 with the place and the reason. */
export async function readBody<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const raw: unknown = await c.req.json().catch(() => undefined);
  const result = schema.safeParse(raw ?? {});
  if (!result.success) throw new HTTPException(400, { message: z.prettifyError(result.error) });
  return result.data;
}

/** The named number, or the only one of the world. */
export function controlPhone(sim: Sim, id: string | undefined): PhoneNumber {
  const phone = id === undefined ? sim.world.phones.values().next().value : sim.world.phones.get(id);
  if (phone === undefined) throw new HTTPException(404, { message: `No phone number ${id ?? ""} in the world` });
  return phone;
}

/** The person with this phone or BSUID; created when new. */
export function controlPerson(sim: Sim, phone: PhoneNumber, id: string): Person {
  const known = sim.world.people.find(id);
  if (known !== undefined) return known;
  const input = /^[A-Z]{2}\./.test(id) ? { bsuid: id } : { phone: id };
  return sim.world.people.upsert(input, phone.waba.portfolioId);
}
