/**
 * How WhatsApp names a person. A phone (`waId`, digits) and/or a business-scoped user id; since 2026 either may be
 * absent, but never both on a message. `username` is display only and never a key.
 */
export type Person = { waId?: string; bsuid?: string; parentBsuid?: string; name?: string; username?: string };

export type IdentityKind = "wa_id" | "bsuid" | "parent_bsuid";

/** Every id of a person, BSUID first: the order in which a contact is looked up. */
export function identitiesOf(person: Person): { kind: IdentityKind; value: string }[] {
  const found: { kind: IdentityKind; value: string }[] = [];
  if (person.bsuid) found.push({ kind: "bsuid", value: person.bsuid });
  if (person.waId) found.push({ kind: "wa_id", value: person.waId });
  return found;
}
