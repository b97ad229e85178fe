import { createHash } from "node:crypto";
import { makeObjectId } from "./ids.ts";
import type { Random } from "./random.ts";

export type Media = { id: string; mimeType: string; sha256: string; bytes: Buffer; uploadedAt: number };

/** Uploaded and received media, in memory. Uploads live 30 days, received ones 7 (reference 3.4). */
export class MediaShelf {
  readonly #byId = new Map<string, Media & { livesMs: number }>();
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  put(bytes: Buffer, mimeType: string, now: number, from: "business" | "customer"): Media {
    const media = {
      id: makeObjectId(this.#random),
      mimeType,
      bytes,
      sha256: createHash("sha256").update(bytes).digest("hex"),
      uploadedAt: now,
      livesMs: (from === "business" ? 30 : 7) * 24 * 60 * 60 * 1000,
    };
    this.#byId.set(media.id, media);
    return media;
  }

  find(id: string, now: number): Media | undefined {
    const media = this.#byId.get(id);
    return media !== undefined && now - media.uploadedAt < media.livesMs ? media : undefined;
  }

  remove(id: string): boolean {
    return this.#byId.delete(id);
  }
}

/** Allowed kinds and sizes of what a business sends (reference 3.2). */
export const MEDIA_LIMITS: Readonly<Record<string, { types: readonly string[]; maxBytes: number }>> = {
  image: { types: ["image/jpeg", "image/png"], maxBytes: 5 * 1024 * 1024 },
  video: { types: ["video/mp4", "video/3gpp"], maxBytes: 16 * 1024 * 1024 },
  audio: { types: ["audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"], maxBytes: 16 * 1024 * 1024 },
  sticker: { types: ["image/webp"], maxBytes: 500 * 1024 },
  document: { types: [], maxBytes: 100 * 1024 * 1024 },
};
