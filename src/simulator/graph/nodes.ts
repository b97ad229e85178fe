import type { Sim } from "../context.ts";
import { GraphError } from "../graph-error.ts";
import type { PhoneNumber, Waba } from "../world.ts";

/** What Graph answers for an object that does not exist or that the token may not see: code 100, subcode 33. */
export function noSuchObject(id: string, verb = "post"): GraphError {
  return new GraphError(100, undefined, {
    message: `Unsupported ${verb} request. Object with ID '${id}' does not exist, cannot be loaded due to missing permissions, or does not support this operation. Please read the Graph API documentation at https://developers.facebook.com/docs/graph-api`,
    type: "GraphMethodException",
    subcode: 33,
  });
}

export function phoneOf(sim: Sim, id: string, verb?: string): PhoneNumber {
  const phone = sim.world.phones.get(id);
  if (phone === undefined) throw noSuchObject(id, verb);
  return phone;
}

export function wabaOf(sim: Sim, id: string, verb?: string): Waba {
  const waba = sim.world.wabas.get(id);
  if (waba === undefined) throw noSuchObject(id, verb);
  return waba;
}
