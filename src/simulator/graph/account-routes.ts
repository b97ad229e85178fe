import { Hono } from "hono";
import type { Sim } from "../context.ts";
import { GraphError, invalidParam } from "../graph-error.ts";
import { asObject, asText, type JsonObject } from "../json.ts";
import { verifyCallback } from "../webhook-post.ts";
import type { PhoneNumber, Waba } from "../world.ts";
import type { GraphEnv } from "./env.ts";
import { healthOf } from "./health.ts";
import { wabaOf } from "./nodes.ts";
import { pageOf, pickFields } from "./paging.ts";

const PHONE_FIELDS = ["verified_name", "code_verification_status", "display_phone_number", "quality_rating", "id"];

/** Numbers and subscriptions of an account (reference 1.10, 3.8). */
export function accountRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();

  app.get("/:id/phone_numbers", (c) => {
    const query = c.req.query();
    const phones = wabaOf(sim, c.req.param("id"), "get").phones;
    const items = phones.map((phone) => pickFields(phoneNode(sim, phone), query.fields, PHONE_FIELDS));
    return c.json(pageOf(items, query, sim.url + c.req.path + new URL(c.req.url).search));
  });

  app.get("/:id/subscribed_apps", (c) => {
    const waba = wabaOf(sim, c.req.param("id"), "get");
    const override = waba.callbackOverride === undefined ? {} : { override_callback_uri: waba.callbackOverride };
    return c.json({ data: waba.subscribed ? [{ whatsapp_business_api_data: appOf(sim), ...override }] : [] });
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
  return app;
}

function appOf(sim: Sim): JsonObject {
  return { id: sim.appId, name: "Esek", link: `https://www.facebook.com/games/?app_id=${sim.appId}` };
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
export function phoneNode(sim: Sim, phone: PhoneNumber): JsonObject {
  return {
    id: phone.id,
    display_phone_number: phone.displayNumber,
    verified_name: phone.verifiedName,
    status: phone.status,
    quality_rating: phone.qualityRating,
    name_status: "APPROVED",
    new_name_status: "NONE",
    code_verification_status: phone.codeVerification,
    platform_type: phone.status === "CONNECTED" ? "CLOUD_API" : "NOT_APPLICABLE",
    throughput: {
      level: phone.status !== "CONNECTED" ? "NOT_APPLICABLE" : phone.throughputMps > 80 ? "HIGH" : "STANDARD",
    },
    account_mode: "LIVE",
    is_official_business_account: false,
    whatsapp_business_manager_messaging_limit: phone.waba.messagingLimit,
    webhook_configuration: {
      ...(sim.webhookUrl === undefined ? {} : { application: sim.webhookUrl }),
      ...(phone.waba.callbackOverride ? { whatsapp_business_account: phone.waba.callbackOverride } : {}),
      ...(phone.callbackOverride ? { phone_number: phone.callbackOverride } : {}),
    },
    health_status: healthOf(sim, phone.waba, phone),
  };
}

/** An account as `GET /<waba>` shows it. */
export function wabaNode(sim: Sim, waba: Waba): JsonObject {
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
    health_status: healthOf(sim, waba),
  };
}
