import { Hono } from "hono";
import type { Sim } from "../context.ts";
import { invalidParam } from "../graph-error.ts";
import { asObject, type JsonObject } from "../json.ts";
import { atMost, requireUrl } from "./checks.ts";
import type { GraphEnv } from "./env.ts";
import { phoneOf } from "./nodes.ts";
import { pickFields } from "./paging.ts";

const FIELDS = ["about", "address", "description", "email", "profile_picture_url", "websites", "vertical"];
const LENGTHS: Record<string, number> = { about: 139, address: 256, description: 512, email: 128 };

/** `GET|POST /<phone>/whatsapp_business_profile`: what a customer sees of the business (reference 3.8). */
export function profileRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();

  app.get("/:id/whatsapp_business_profile", (c) => {
    const phone = phoneOf(sim, c.req.param("id"), "get");
    const profile = pickFields(phone.profile, c.req.query("fields"), FIELDS);
    return c.json({ data: [{ messaging_product: "whatsapp", ...profile }] });
  });

  app.post("/:id/whatsapp_business_profile", async (c) => {
    const phone = phoneOf(sim, c.req.param("id"));
    const { messaging_product, ...profile } = asObject(await c.req.json().catch(() => undefined));
    if (messaging_product !== "whatsapp") throw invalidParam("The parameter messaging_product is required.");
    checkProfile(profile);
    phone.profile = { ...phone.profile, ...profile };
    return c.json({ success: true });
  });
  return app;
}

function checkProfile(profile: JsonObject): void {
  for (const [name, max] of Object.entries(LENGTHS)) {
    const value = profile[name];
    if (value === undefined) continue;
    if (typeof value !== "string") throw invalidParam(`Param ${name} must be a string.`);
    atMost(value, max, name);
  }
  const { websites } = profile;
  if (websites === undefined) return;
  if (!Array.isArray(websites) || websites.length > 2)
    throw invalidParam("Param websites must have at most 2 elements.");
  for (const [index, site] of websites.entries()) {
    if (typeof site !== "string") throw invalidParam(`Param websites[${index}] must be a string.`);
    atMost(site, 256, `websites[${index}]`);
    requireUrl(site, `websites[${index}]`);
  }
}
