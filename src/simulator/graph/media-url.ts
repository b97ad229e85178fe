import { createHmac, timingSafeEqual } from "node:crypto";
import type { Sim } from "../context.ts";

const URL_LIVES_MS = 5 * 60 * 1000;

/** A download address that dies after 5 minutes of business time (reference 3.4). */
export function mediaUrl(sim: Sim, mediaId: string, now: number): string {
  const expires = Math.floor((now + URL_LIVES_MS) / 1000);
  return `${sim.url}/whatsapp_business/attachments/?mid=${mediaId}&source=getMedia&ext=${expires}&hash=${hashOf(sim, mediaId, expires)}`;
}

export function isMediaUrlValid(sim: Sim, mediaId: string, expires: number, hash: string): boolean {
  const expected = Buffer.from(hashOf(sim, mediaId, expires));
  const given = Buffer.from(hash);
  return expires * 1000 > sim.clock.now() && expected.length === given.length && timingSafeEqual(expected, given);
}

function hashOf(sim: Sim, mediaId: string, expires: number): string {
  return createHmac("sha256", sim.appSecret).update(`${mediaId}/${expires}`).digest("base64url");
}
