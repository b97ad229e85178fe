import { invalidParam } from "../graph-error.ts";
import { asText, type JsonObject, objectsOf } from "../json.ts";
import { atMost, invalid, missing, optionalText, requireObject, requireText, requireUrl } from "./checks.ts";

/** Whether an uploaded media id exists. */
export type MediaLookup = (id: string) => boolean;

const HAS_CAPTION = new Set(["image", "video", "document"]);

/** An image, video, audio, document or sticker: by id or by link, with a caption where the kind has one. */
export function checkMedia(media: JsonObject, kind: string, lookup: MediaLookup): void {
  const id = asText(media.id);
  const link = optionalText(media, "link", `${kind}['link']`);
  if (id === undefined && link === undefined) throw missing(`${kind}['id'] or ${kind}['link']`);
  if (id !== undefined && !lookup(id)) {
    throw invalidParam(`Param ${kind}['id'] is not a valid whatsapp business account media attachment ID`);
  }
  if (id === undefined && link !== undefined) requireUrl(link, `${kind}['link']`);
  const caption = optionalText(media, "caption", `${kind}['caption']`);
  if (caption !== undefined && !HAS_CAPTION.has(kind))
    throw invalidParam(`Unexpected key "caption" on param "${kind}".`);
  atMost(caption, 1024, `${kind}['caption']`);
  if (kind === "document") atMost(optionalText(media, "filename", "document['filename']"), 240, "document['filename']");
}

/** A location: coordinates may come as numbers or as strings of numbers. */
export function checkLocation(location: JsonObject): void {
  for (const [key, limit] of [
    ["latitude", 90],
    ["longitude", 180],
  ] as const) {
    const value = location[key];
    if (value === undefined || value === null || value === "") throw missing(`location['${key}']`);
    const number = Number(value);
    if (!Number.isFinite(number) || Math.abs(number) > limit) throw invalid(`location['${key}'] is out of range`);
  }
}

/** Contact cards: each needs a name with `formatted_name` and at least one other part. */
export function checkContacts(contacts: unknown): void {
  const cards = objectsOf(contacts);
  if (cards.length === 0) throw missing("contacts");
  if (cards.length > 257) throw invalid("Too many contacts. Max allowed: 257");
  for (const card of cards) {
    const name = requireObject(card, "name", "contacts['name']");
    requireText(name, "formatted_name", "contacts['name']['formatted_name']");
    const parts = ["first_name", "last_name", "middle_name", "suffix", "prefix"];
    if (!parts.some((part) => asText(name[part]) !== undefined)) {
      throw invalid("At least one of the optional parameters of name needs to be included along with formatted_name");
    }
  }
}
