import type { Sim } from "../context.ts";
import { dialPrefixOf } from "../dial-codes.ts";
import { GraphError } from "../graph-error.ts";
import { BSUID, digitsOf, type Person } from "../people.ts";
import type { PhoneNumber } from "../world.ts";
import { invalid, missing } from "./checks.ts";
import type { Send } from "./message-shape.ts";

export type Recipient = { person: Person; byPhone: boolean; input: string };

/**
 * Who a send is for: `to` (phone) wins over `recipient` (BSUID), as reference 2.3 has it. Someone the world does not
 * know becomes a person without WhatsApp, so that the send is accepted and fails later with 131026, as it does at Meta.
 */
export function resolveRecipient(sim: Sim, phone: PhoneNumber, send: Send): Recipient {
  if (send.recipientType === "group") throw invalid("Groups are not simulated.");
  if (send.to !== undefined) return byPhone(sim, phone, send.to);
  if (send.recipient !== undefined) return byBsuid(sim, phone, send.recipient);
  throw missing("to");
}

function byPhone(sim: Sim, phone: PhoneNumber, to: string): Recipient {
  const digits = internationalDigits(sim, phone, to);
  if (digits === phone.digits) throw new GraphError(131021, "Recipient phone number cannot be the sender's.");
  const { allowList } = sim.settings;
  if (allowList !== null && !allowList.some((allowed) => digitsOf(allowed) === digits)) {
    throw new GraphError(
      131030,
      "Recipient phone number not in allowed list: Add recipient phone number to recipient list and try again.",
    );
  }
  const { people } = sim.world;
  const { portfolioId } = phone.waba;
  const person =
    people.find(digits) ??
    (sim.settings.unknownUsers === "create"
      ? people.upsert({ phone: digits }, portfolioId)
      : people.stranger({ phone: digits }, portfolioId));
  return { person, byPhone: true, input: to };
}

function byBsuid(sim: Sim, phone: PhoneNumber, recipient: string): Recipient {
  if (!BSUID.test(recipient)) throw invalid("Param recipient is not a valid business-scoped user ID.");
  const known = sim.world.people.find(recipient);
  const isOurs =
    known !== undefined && (known.bsuids.get(phone.waba.portfolioId) === recipient || known.parentBsuid === recipient);
  if (isOurs) return { person: known, byPhone: false, input: recipient };
  // A BSUID of another portfolio means nothing here (reference 2.1): to this business the person does not exist.
  const bsuid = known === undefined ? recipient : `${recipient}x`;
  return { person: sim.world.people.stranger({ bsuid }, phone.waba.portfolioId), byPhone: false, input: recipient };
}

/** Without `+` Meta puts the business's own country code in front, unless the number already is a whole one. */
function internationalDigits(sim: Sim, phone: PhoneNumber, to: string): string {
  const digits = digitsOf(to);
  if (!/^\d{5,15}$/.test(digits)) throw invalid("Param to is not a valid phone number.");
  if (to.trim().startsWith("+") || digits.length >= 11 || sim.world.people.find(digits) !== undefined) return digits;
  return `${dialPrefixOf(phone.digits)}${digits}`;
}
