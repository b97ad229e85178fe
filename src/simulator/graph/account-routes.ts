import { Hono } from "hono";
import type { Sim } from "../context.ts";
import { GraphError, invalidParam } from "../graph-error.ts";
import { asObject, asText, type JsonObject } from "../json.ts";
import { verifyCallback } from "../webhook-post.ts";
import type { PhoneNumber, Waba } from "../world.ts";
import type { GraphEnv } from "./env.ts";
import { phoneOf, wabaOf } from "./nodes.ts";
import { pageOf, pickFields } from "./paging.ts";

const APP = { id: "670843887433847", name: "Esek", link: "https://www.facebook.com/games/?app_id=670843887433847" };
const PHONE_FIELDS = ["verified_name", "code_verification_status", "display_phone_number", "quality_rating", "id"];
const PROFILE_FIELDS = ["about", "address", "description", "email", "profile_picture_url", "websites", "vertical"];

/** Numbers, profile, registration and subscriptions of an account (reference 1.10, 3.8). */
export function accountRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();

  app.get("/:id/phone_numbers", (c) => {
    const query = c.req.query();
    const phones = wabaOf(sim, c.req.param("id"), "get").phones;
    const items = phones.map((phone) => pickFields(phoneNode(phone), query.fields, PHONE_FIELDS));
    return c.json(pageOf(items, query, sim.url + c.req.path + new URL(c.req.url).search));
  });

  app.get("/:id/subscribed_apps", (c) => {
    const waba = wabaOf(sim, c.req.param("id"), "get");
    const override = waba.callbackOverride === undefined ? {} : { override_callback_uri: waba.callbackOverride };
    return c.json({ data: waba.subscribed ? [{ whatsapp_business_api_data: APP, ...override }] : [] });
  });

  app.post("/:id/subscribed_apps", async (c) => {
    const waba = wabaOf(sim, c.req.param("id"));
    const body = asObject(await c.req.json().catch(() => undefined));
    const url = asText(body.override_callback_uri);
    if (url !== undefined) await setOverride(sim, waba, url, asText(body.verify_token) ?? "");
    else waba.callbackOverride = undefined;
    waba.subscribed = true;
    return c.json({ success: true });
  });

  app.delete("/:id/subscribed_apps", (c) => {
    wabaOf(sim, c.req.param("id"), "delete").subscribed = false;
    return c.json({ success: true });
  });

  app.post("/:id/register", async (c) => {
    const phone = phoneOf(sim, c.req.param("id"));
    const pin = asText(asObject(await c.req.json().catch(() => undefined)).pin) ?? "";
    if (!/^\d{6}$/.test(pin)) throw invalidParam("Param pin must be 6 digits.");
    if (phone.pin !== undefined && phone.pin !== pin) throw new GraphError(133005, "Security PIN mismatch");
    phone.pin = pin;
    phone.status = "CONNECTED";
    return c.json({ success: true });
  });

  app.post("/:id/deregister", (c) => {
    phoneOf(sim, c.req.param("id")).status = "DISCONNECTED";
    return c.json({ success: true });
  });

  app.get("/:id/whatsapp_business_profile", (c) => {
    const phone = phoneOf(sim, c.req.param("id"), "get");
    const wanted = c.req.query("fields");
    const profile = pickFields(phone.profile, wanted, PROFILE_FIELDS);
    return c.json({ data: [{ messaging_product: "whatsapp", ...profile }] });
  });

  app.post("/:id/whatsapp_business_profile", async (c) => {
    const phone = phoneOf(sim, c.req.param("id"));
    const { messaging_product, ...profile } = asObject(await c.req.json().catch(() => undefined));
    if (messaging_product !== "whatsapp") throw invalidParam("The parameter messaging_product is required.");
    if (typeof profile.about === "string" && profile.about.length > 139) throw invalidParam("Param about is too long.");
    phone.profile = { ...phone.profile, ...profile };
    return c.json({ success: true });
  });
  return app;
}

/** Sets an account's or number's own callback after the handshake of reference 1.1. */
export async function setOverride(
  sim: Sim,
  owner: Pick<Waba | PhoneNumber, "callbackOverride">,
  url: string,
  verifyToken: string,
): Promise<void> {
  if (url.length > 200 || !URL.canParse(url)) throw invalidParam("Param override_callback_uri is not a valid URI.");
  if (!(await verifyCallback(url, verifyToken, sim.random.digits(10)))) {
    throw new GraphError(2200, undefined, {
      message: "(#2200) Callback verification failed with the following errors: HTTP Status Code is not 200",
    });
  }
  owner.callbackOverride = url;
}

/** A number as `GET /<phone>` shows it. */
export function phoneNode(phone: PhoneNumber): JsonObject {
  const isAble = phone.status === "CONNECTED" && phone.state === "active" && phone.waba.state === "active";
  return {
    id: phone.id,
    display_phone_number: phone.displayNumber,
    verified_name: phone.verifiedName,
    status: phone.status,
    quality_rating: phone.qualityRating,
    name_status: "APPROVED",
    new_name_status: "NONE",
    code_verification_status: "VERIFIED",
    platform_type: "CLOUD_API",
    throughput: { level: phone.throughputMps > 80 ? "HIGH" : "STANDARD" },
    account_mode: "LIVE",
    is_official_business_account: false,
    whatsapp_business_manager_messaging_limit: "TIER_2K",
    webhook_configuration: {
      ...(phone.waba.callbackOverride ? { whatsapp_business_account: phone.waba.callbackOverride } : {}),
      ...(phone.callbackOverride ? { phone_number: phone.callbackOverride } : {}),
    },
    health_status: {
      can_send_message: isAble ? "AVAILABLE" : "BLOCKED",
      entities: [
        {
          entity_type: "PHONE_NUMBER",
          id: phone.id,
          can_send_message: phone.state === "active" ? "AVAILABLE" : "BLOCKED",
        },
        {
          entity_type: "WABA",
          id: phone.waba.id,
          can_send_message: phone.waba.state === "active" ? "AVAILABLE" : "BLOCKED",
        },
      ],
    },
  };
}

/** An account as `GET /<waba>` shows it. */
export function wabaNode(waba: Waba): JsonObject {
  return {
    id: waba.id,
    name: waba.name,
    timezone_id: "1",
    message_template_namespace: "ba30dd89_2ebd_41e4_b805_f2c05ae04cc9",
    account_review_status: "APPROVED",
    business_verification_status: "verified",
    country: "US",
    ownership_type: "SELF",
    primary_business_location: "US",
    owner_business_info: { id: waba.portfolioId, name: waba.name },
    health_status: {
      can_send_message: waba.state === "active" ? "AVAILABLE" : "BLOCKED",
      entities: [
        { entity_type: "WABA", id: waba.id, can_send_message: waba.state === "active" ? "AVAILABLE" : "BLOCKED" },
      ],
    },
  };
}
