import { z } from "zod";
import type { Person } from "../../domain/person.ts";

const optionalId = z.string().min(1).optional().catch(undefined);

export const contactSchema = z.looseObject({
  wa_id: optionalId,
  user_id: optionalId,
  parent_user_id: optionalId,
  profile: z.looseObject({ name: optionalId, username: optionalId }).optional().catch(undefined),
});

export type Contact = z.infer<typeof contactSchema>;

/** Drops absent ids, so that a person without a phone has no `waId` at all; strips `+` and a username's `@`. */
export function person(ids: {
  waId?: string;
  bsuid?: string;
  parentBsuid?: string;
  name?: string;
  username?: string;
}): Person {
  const result: Person = {};
  const digits = ids.waId?.replace(/\D/g, "");
  if (digits) result.waId = digits;
  if (ids.bsuid) result.bsuid = ids.bsuid;
  if (ids.parentBsuid) result.parentBsuid = ids.parentBsuid;
  if (ids.name) result.name = ids.name;
  if (ids.username) result.username = ids.username.replace(/^@/, "");
  return result;
}

/** The entry of `contacts[]` that speaks of this person; a single entry, unless its ids say that it is somebody else. */
export function withProfile(ids: Person, contacts: readonly Contact[]): Person {
  const isSame = (contact: Contact) =>
    (ids.bsuid && contact.user_id === ids.bsuid) || (ids.waId && contact.wa_id === ids.waId);
  const isOther = (contact: Contact) =>
    (ids.bsuid && contact.user_id && contact.user_id !== ids.bsuid) ||
    (ids.waId && contact.wa_id && contact.wa_id !== ids.waId);
  const match =
    contacts.find((contact) => isSame(contact) && !isOther(contact)) ??
    (contacts.length === 1 && !isOther(contacts[0]!) ? contacts[0] : undefined);
  if (!match) return ids;
  return person({
    waId: ids.waId ?? match.wa_id,
    bsuid: ids.bsuid ?? match.user_id,
    parentBsuid: ids.parentBsuid ?? match.parent_user_id,
    name: match.profile?.name,
    username: match.profile?.username,
  });
}
