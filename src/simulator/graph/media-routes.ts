import { Hono } from "hono";
import type { Sim } from "../context.ts";
import { GraphError, invalidParam } from "../graph-error.ts";
import { MEDIA_LIMITS } from "../media.ts";
import { answerError, requireToken } from "./access.ts";
import type { GraphEnv } from "./env.ts";
import { isMediaUrlValid } from "./media-url.ts";
import { phoneOf } from "./nodes.ts";

/** `POST /<phone>/media`: a multipart upload, checked for kind and size (reference 3.2, 3.4). */
export function mediaRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();
  app.post("/:id/media", async (c) => {
    phoneOf(sim, c.req.param("id"));
    const form = await c.req.formData().catch(() => undefined);
    if (form?.get("messaging_product") !== "whatsapp")
      throw invalidParam("The parameter messaging_product is required.");
    const file = form.get("file");
    if (file === null || typeof file === "string") throw invalidParam("The parameter file is required.");
    const mimeType = (file.type || String(form.get("type") ?? "")).split(";")[0]!.trim().toLowerCase();
    checkUpload(mimeType, file.size);
    const media = sim.media.put(Buffer.from(await file.arrayBuffer()), mimeType, sim.clock.now(), "business");
    return c.json({ id: media.id });
  });
  return app;
}

/** The download host. The address from the API carries no secret of its own worth: the bearer token is needed too. */
export function attachmentRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();
  app.get("/whatsapp_business/attachments/", (c) => {
    try {
      requireToken(sim, c);
    } catch (error) {
      if (error instanceof GraphError) return answerError(sim, c, error);
      throw error;
    }
    const { mid = "", ext = "0", hash = "" } = c.req.query();
    const media = sim.media.find(mid, sim.clock.now());
    if (media === undefined || !isMediaUrlValid(sim, mid, Number(ext), hash)) return c.text("Not found", 404);
    return c.body(new Uint8Array(media.bytes), 200, { "content-type": media.mimeType });
  });
  return app;
}

function checkUpload(mimeType: string, size: number): void {
  const kind = mimeType.split("/")[0]!;
  const limit =
    mimeType === "image/webp" ? MEDIA_LIMITS.sticker : (kind !== "text" && MEDIA_LIMITS[kind]) || MEDIA_LIMITS.document;
  if (limit === undefined) return;
  if (limit.types.length > 0 && !limit.types.includes(mimeType)) {
    throw invalidParam(
      `Param file must be a file with one of the following types: ${limit.types.join(", ")}. Received file of type '${mimeType}'.`,
    );
  }
  if (mimeType === "" || (limit === MEDIA_LIMITS.document && !/^(?:application|text)\//.test(mimeType))) {
    throw invalidParam(`Param file must be a file of a supported type. Received file of type '${mimeType}'.`);
  }
  if (size > limit.maxBytes) throw new GraphError(131053, `The file is larger than ${limit.maxBytes} bytes.`);
}
