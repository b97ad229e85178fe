import type { Sim } from "../context.ts";
import type { JsonObject } from "../json.ts";
import type { AccountState, PhoneNumber, Waba } from "../world.ts";

type Verdict = "AVAILABLE" | "LIMITED" | "BLOCKED";
type Entity = { entity_type: string; id: string; can_send_message: Verdict; [more: string]: unknown };

const ORDER: readonly Verdict[] = ["AVAILABLE", "LIMITED", "BLOCKED"];

/** Only a payment problem has a code that Meta shows in its samples; other states block without one. */
const PAYMENT = {
  error_code: 141006,
  error_description: "There is an error with the payment method. This will block business initiated conversations.",
  possible_solution: "There was an error with your payment method. Please add a new payment method to the account.",
};

/** `health_status` of an account or a number: every node on the way of a message, and the worst of them (reference 3.8). */
export function healthOf(sim: Sim, waba: Waba, phone?: PhoneNumber): JsonObject {
  const entities: Entity[] = [
    ...(phone === undefined ? [] : [numberEntity(phone)]),
    entity("WABA", waba.id, waba.state),
    entity("BUSINESS", waba.portfolioId, "active"),
    entity("APP", sim.appId, "active"),
  ];
  const worst = Math.max(...entities.map((one) => ORDER.indexOf(one.can_send_message)));
  return { can_send_message: ORDER[worst], entities };
}

function numberEntity(phone: PhoneNumber): Entity {
  const found = entity("PHONE_NUMBER", phone.id, phone.state);
  return phone.status === "CONNECTED" ? found : { ...found, can_send_message: "BLOCKED" };
}

function entity(type: string, id: string, state: AccountState): Entity {
  if (state === "payment") return { entity_type: type, id, can_send_message: "LIMITED", errors: [PAYMENT] };
  return { entity_type: type, id, can_send_message: state === "active" ? "AVAILABLE" : "BLOCKED" };
}
