import { Hono } from "hono";
import type { Sim } from "../context.ts";
import { asObject, asText, isObject, type JsonObject } from "../json.ts";
import type { Template } from "../templates.ts";
import type { Waba } from "../world.ts";
import { phoneNode, setOverride, wabaNode } from "./account-routes.ts";
import { debugToken } from "./debug-token.ts";
import type { GraphEnv } from "./env.ts";
import { mediaUrl } from "./media-url.ts";
import { noSuchObject } from "./nodes.ts";
import { pickFields } from "./paging.ts";
import { setPin } from "./registration.ts";
import { editTemplate, templateNode } from "./template-routes.ts";

/** `GET|POST|DELETE /<id>` for whatever kind of object the id names, and `GET /debug_token`. */
export function nodeRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();

  app.get("/debug_token", (c) => c.json(debugToken(sim, c.req.query("input_token"))));

  app.get("/:id", (c) => {
    const id = c.req.param("id");
    const fields = c.req.query("fields");
    const phone = sim.world.phones.get(id);
    if (phone !== undefined) {
      return c.json(
        pickFields(phoneNode(sim, phone), fields, [
          "verified_name",
          "code_verification_status",
          "display_phone_number",
          "quality_rating",
          "platform_type",
          "throughput",
          "webhook_configuration",
          "id",
        ]),
      );
    }
    const waba = sim.world.wabas.get(id);
    if (waba !== undefined) {
      return c.json(
        pickFields(wabaNode(sim, waba), fields, ["id", "name", "timezone_id", "message_template_namespace"]),
      );
    }
    const owned = templateById(sim, id);
    if (owned !== undefined) {
      return c.json(
        pickFields(templateNode(owned.template), fields, [
          "name",
          "language",
          "status",
          "category",
          "components",
          "id",
        ]),
      );
    }
    const media = sim.media.find(id, sim.clock.now());
    if (media === undefined) throw noSuchObject(id, "get");
    return c.json({
      url: mediaUrl(sim, id, sim.clock.now()),
      mime_type: media.mimeType,
      sha256: media.sha256,
      file_size: media.bytes.length,
      id,
      messaging_product: "whatsapp",
    });
  });

  app.post("/:id", async (c) => {
    const id = c.req.param("id");
    const body = asObject(await c.req.json().catch(() => undefined));
    const phone = sim.world.phones.get(id);
    if (phone !== undefined) {
      if (body.pin !== undefined) setPin(phone, body.pin);
      const configuration = body.webhook_configuration;
      if (isObject(configuration)) {
        const url = asText(configuration.override_callback_uri);
        if (url === undefined) phone.callbackOverride = undefined;
        else await setOverride(sim, phone, url, asText(configuration.verify_token) ?? "");
      }
      return c.json({ success: true });
    }
    const owned = templateById(sim, id);
    if (owned === undefined) throw noSuchObject(id);
    return c.json(editTemplate(sim, owned.waba, owned.template, body));
  });

  app.post("/:id/unpause", (c) => {
    const owned = templateById(sim, c.req.param("id"));
    if (owned === undefined) throw noSuchObject(c.req.param("id"));
    if (owned.template.status === "PAUSED") owned.template.status = "APPROVED";
    return c.json({ success: true } satisfies JsonObject);
  });

  app.delete("/:id", (c) => {
    const id = c.req.param("id");
    if (!sim.media.remove(id)) throw noSuchObject(id, "delete");
    return c.json({ success: true });
  });
  return app;
}

function templateById(sim: Sim, id: string): { waba: Waba; template: Template } | undefined {
  for (const waba of sim.world.wabas.values()) {
    const template = waba.templates.list().find((candidate) => candidate.id === id);
    if (template !== undefined) return { waba, template };
  }
  return undefined;
}
