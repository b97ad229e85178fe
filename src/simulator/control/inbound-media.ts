import type { Sim } from "../context.ts";
import { mediaUrl } from "../graph/media-url.ts";
import { isObject } from "../json.ts";

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  image: "image/jpeg",
  video: "video/mp4",
  audio: "audio/ogg; codecs=opus",
  document: "application/pdf",
  sticker: "image/webp",
};

/**
 * Completes an inbound media body as Meta sends it. `data` (base64) is stored and replaced by id, type, hash and a
 * short-lived url; a body without data is kept as given, so that a test can send an id that does not resolve.
 */
export function storeInboundMedia(sim: Sim, type: string, body: unknown): unknown {
  const usual = MEDIA_TYPES[type];
  if (usual === undefined || !isObject(body) || typeof body.data !== "string") return body;
  const { data, ...rest } = body;
  const mimeType = typeof rest.mime_type === "string" ? rest.mime_type : usual;
  const now = sim.clock.now();
  const media = sim.media.put(Buffer.from(data, "base64"), mimeType, now, "customer");
  return {
    ...rest,
    id: media.id,
    mime_type: mimeType,
    sha256: Buffer.from(media.sha256, "hex").toString("base64"),
    url: mediaUrl(sim, media.id, now),
  };
}
