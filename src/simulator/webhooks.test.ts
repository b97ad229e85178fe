import { createHmac } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JsonObject } from "./json.ts";
import { APP_SECRET, type Kit, START, startKit } from "./test-kit.ts";

const CUSTOMER = "+972501234567";
let kit: Kit;

beforeEach(async () => {
  kit = await startKit();
});
afterEach(() => kit.stop());

const texts = () => kit.messages().map((message) => (message.text as JsonObject).body);
const faults = (kind: string, value: JsonObject) => kit.control("POST", "/faults", { webhooks: { [kind]: value } });
const write = async (count: number) => {
  for (let i = 0; i < count; i++) await kit.writes(CUSTOMER, `m${i}`);
  await kit.settled();
};
const inOrder = (count: number) => Array.from({ length: count }, (_, i) => `m${i}`);

describe("an inbound message", () => {
  it("arrives in Meta's envelope, signed over the exact bytes", async () => {
    await kit.control("POST", "/customers", { phone: CUSTOMER, name: "דנה", username: "dana" });
    const { wamid } = await kit.writes(CUSTOMER, "שלום / hello");
    await kit.settled();
    const hook = kit.hooks[0]!;
    expect(hook.signature).toBe(`sha256=${createHmac("sha256", APP_SECRET).update(hook.raw).digest("hex")}`);
    expect(hook.raw.toString()).toContain("\\u05e9\\u05dc\\u05d5\\u05dd \\/ hello");
    expect(hook.json).toEqual({
      object: "whatsapp_business_account",
      entry: [
        {
          id: "102290129340398",
          changes: [
            {
              field: "messages",
              value: {
                messaging_product: "whatsapp",
                metadata: { display_phone_number: "15550783881", phone_number_id: "106540352242922" },
                contacts: [
                  {
                    profile: { name: "דנה", username: "dana" },
                    wa_id: "972501234567",
                    user_id: expect.stringMatching(/^IL\.\d{20}$/),
                  },
                ],
                messages: [
                  {
                    from: "972501234567",
                    from_user_id: expect.any(String),
                    id: wamid,
                    timestamp: String(START / 1000),
                    type: "text",
                    text: { body: "שלום / hello" },
                  },
                ],
              },
            },
          ],
        },
      ],
    });
  });

  it("carries context, referral and its own time", async () => {
    await kit.writes(CUSTOMER, "yes", {
      timestamp: 1_795_000_000,
      context: { id: "wamid.before" },
      referral: { source_type: "ad", ctwa_clid: "clid" },
      wamid: "wamid.mine",
    });
    await kit.settled();
    expect(kit.messages()[0]).toMatchObject({
      id: "wamid.mine",
      timestamp: "1795000000",
      context: { from: "15550783881", id: "wamid.before" },
      referral: { source_type: "ad", ctwa_clid: "clid" },
    });
  });

  it("with media gets an id that resolves and downloads for five minutes", async () => {
    const data = Buffer.from("not really a picture").toString("base64");
    await kit.control("POST", "/inbound", {
      from: CUSTOMER,
      message: { type: "image", image: { data, caption: "x" } },
    });
    await kit.settled();
    const image = kit.messages()[0]!.image as { id: string; url: string };
    expect(image).toMatchObject({ mime_type: "image/jpeg", caption: "x" });
    const node = await kit.graph("GET", `/v25.0/${image.id}`);
    expect(node.json).toMatchObject({ mime_type: "image/jpeg", file_size: 20, id: image.id });
    const download = (token: string) => fetch(String(node.json.url), { headers: { authorization: `Bearer ${token}` } });
    expect(await (await download("good-token")).text()).toBe("not really a picture");
    expect((await download("bad-token")).status).toBe(401);
    kit.advance(5 * 60 * 1000);
    expect((await download("good-token")).status).toBe(404);
    kit.advance(7 * 24 * 60 * 60 * 1000);
    expect((await kit.graph("GET", `/v25.0/${image.id}`)).code).toBe(100);
  });
});

describe("statuses", () => {
  it("follow an accepted send as sent, delivered, read, echoing the callback data", async () => {
    await kit.writes(CUSTOMER);
    const { json } = await kit.text(CUSTOMER, "Hello", { biz_opaque_callback_data: "attempt-1" });
    await kit.settled();
    const common = {
      id: (json.messages as { id: string }[])[0]!.id,
      timestamp: String(START / 1000),
      recipient_id: "972501234567",
      recipient_user_id: expect.any(String),
      biz_opaque_callback_data: "attempt-1",
    };
    const pricing = { billable: true, pricing_model: "PMP", type: "regular", category: "service" };
    expect(kit.statuses()).toEqual([
      { ...common, status: "sent", pricing },
      { ...common, status: "delivered", pricing },
      { ...common, status: "read" },
    ]);
  });

  it("that failed carry errors and neither contacts nor pricing", async () => {
    await kit.control("POST", "/customers", { phone: CUSTOMER });
    await kit.text(CUSTOMER, "Hello", { biz_opaque_callback_data: "attempt-2" });
    await kit.settled();
    const value = JSON.parse(kit.hooks[0]!.raw.toString()).entry[0].changes[0].value;
    expect(value.contacts).toBeUndefined();
    expect(value.statuses).toEqual([
      {
        id: expect.any(String),
        status: "failed",
        timestamp: String(START / 1000),
        recipient_id: "972501234567",
        biz_opaque_callback_data: "attempt-2",
        errors: [
          {
            code: 131047,
            title: "Re-engagement message",
            message: "Re-engagement message",
            error_data: { details: expect.stringContaining("24 hours") },
            href: expect.any(String),
          },
        ],
      },
    ]);
  });

  it("are free for 72 h after a reply to an ad, with a conversation only there", async () => {
    await kit.writes(CUSTOMER, "hi", { referral: { source_type: "ad" } });
    await kit.text(CUSTOMER);
    await kit.settled();
    expect(kit.statuses()[0]).toMatchObject({
      pricing: { type: "free_entry_point", category: "referral_conversion", billable: false },
      conversation: { origin: { type: "referral_conversion" } },
    });
  });

  it("stop where the person's phone or the settings stop them", async () => {
    await kit.control("POST", "/customers", { phone: CUSTOMER, receipts: "sent" });
    await kit.writes(CUSTOMER);
    await kit.text(CUSTOMER);
    await kit.settled();
    await kit.control("POST", "/customers", { phone: CUSTOMER, receipts: "read" });
    await kit.control("POST", "/settings", { receipts: ["delivered"] });
    await kit.text(CUSTOMER);
    await kit.settled();
    expect(kit.statuses().map((status) => status.status)).toEqual(["sent", "delivered"]);
  });
});

describe("delivery", () => {
  it.each([
    ["a refusal", 500],
    ["another 2xx than 200", 204],
    ["a cut connection", 0],
  ])("is tried again after %s until it is 200", async (_name, answer) => {
    kit.answers.push(answer, answer, 200);
    await write(1);
    expect(texts()).toEqual(["m0"]);
    expect((await kit.control("GET", "/idle")).counts).toMatchObject({ delivered: 1, failedAttempts: 2 });
  });

  it("is given up after 36 h of business time", async () => {
    kit.answers.push(500);
    await kit.control("POST", "/pause-webhooks");
    await kit.writes(CUSTOMER, "m0");
    kit.advance(36 * 60 * 60 * 1000);
    await kit.control("POST", "/resume-webhooks");
    await kit.settled();
    expect(texts()).toEqual([]);
    expect(kit.sim.webhooks.counts.givenUp).toBe(1);
  });

  it("waits while it is paused", async () => {
    await kit.control("POST", "/pause-webhooks");
    for (let i = 0; i < 3; i++) await kit.writes(CUSTOMER, `m${i}`);
    expect(await kit.control("GET", "/idle")).toMatchObject({ pendingDeliveries: 3, idle: false });
    expect(kit.hooks).toEqual([]);
    await kit.control("POST", "/resume-webhooks");
    await kit.settled();
    expect(texts().sort()).toEqual(inOrder(3));
  });

  it("can be doubled", async () => {
    await faults("messages", { duplicate: 1 });
    await write(2);
    expect(texts().sort()).toEqual(["m0", "m0", "m1", "m1"]);
  });

  it("can be dropped", async () => {
    await faults("messages", { drop: 1 });
    await write(2);
    expect(texts()).toEqual([]);
    expect(kit.sim.webhooks.counts.dropped).toBe(2);
  });

  it("can be late", async () => {
    await faults("messages", { delayMinMs: 60, delayMaxMs: 80 });
    const at = performance.now();
    await write(1);
    expect(kit.hooks[0]!.at - at).toBeGreaterThan(55);
  });

  it("can be out of order, and loses nothing by it", async () => {
    await faults("messages", { reorder: 0.5, reorderMs: 100 });
    await write(12);
    expect(texts()).not.toEqual(inOrder(12));
    expect([...texts()].sort()).toEqual(inOrder(12).sort());
  });

  it.each([0, 1])("can bring several changes in one POST, merged into one value or not: %d", async (merge) => {
    await faults("messages", { batch: 3, batchMs: 250, merge });
    await Promise.all(inOrder(7).map((text) => kit.writes(CUSTOMER, text)));
    await kit.settled();
    expect(kit.hooks.length).toBeLessThanOrEqual(4);
    const values = kit.hooks.flatMap((hook) => JSON.parse(hook.raw.toString()).entry[0].changes);
    expect(values.length).toBe(merge === 1 ? kit.hooks.length : 7);
    expect([...texts()].sort()).toEqual(inOrder(7));
  });

  it("goes wrong for one kind and not for the other, until the faults are cleared", async () => {
    await faults("statuses", { drop: 1 });
    await kit.writes(CUSTOMER, "m0");
    await kit.text(CUSTOMER);
    await kit.settled();
    expect([texts(), kit.statuses()]).toEqual([["m0"], []]);
    await kit.control("DELETE", "/faults");
    await kit.text(CUSTOMER);
    await kit.settled();
    expect(kit.statuses()).toHaveLength(3);
  });

  it("goes wrong in the same way for the same seed", async () => {
    const run = async () => {
      const other = await startKit({ seed: 99 });
      await other.control("POST", "/faults", { webhooks: { messages: { drop: 0.5, duplicate: 0.3 } } });
      for (let i = 0; i < 20; i++) await other.writes(CUSTOMER, `m${i}`);
      await other.settled();
      await other.stop();
      return other
        .messages()
        .map((message) => (message.text as JsonObject).body)
        .sort();
    };
    expect(await run()).toEqual(await run());
  });
});

describe("callbacks", () => {
  it("are verified by the handshake before they are taken", async () => {
    const url = `${kit.sim.url}/nowhere`;
    expect(await kit.control("POST", "/webhook-url", { url, verify: true })).toMatchObject({ verified: false });
    await write(1);
    expect(texts()).toEqual(["m0"]);
  });

  it("of an account stop without a subscription", async () => {
    await kit.graph("DELETE", "/v25.0/102290129340398/subscribed_apps");
    await write(1);
    expect(texts()).toEqual([]);
    await kit.graph("POST", "/v25.0/102290129340398/subscribed_apps", {});
    await write(1);
    expect(texts()).toEqual(["m0"]);
  });

  it("may be overridden for an account, after a handshake with its own token", async () => {
    const other = await startKit();
    const url = String((await other.control("GET", "/settings")).webhookUrl);
    const path = "/v25.0/102290129340398/subscribed_apps";
    const refused = await kit.graph("POST", path, { override_callback_uri: url, verify_token: "wrong" });
    expect(refused.code).toBe(2200);
    await kit.graph("POST", path, { override_callback_uri: url, verify_token: "verify-me" });
    await write(1);
    expect(other.messages()).toHaveLength(1);
    expect(kit.messages()).toEqual([]);
    await other.stop();
  });
});

describe("other webhooks", () => {
  it("preferences, echoes and raw bodies arrive in their shapes", async () => {
    await kit.control("POST", "/preferences", { from: CUSTOMER, value: "stop" });
    await kit.settled();
    await kit.control("POST", "/echo", { to: CUSTOMER, message: { type: "text", text: { body: "by hand" } } });
    await kit.settled();
    await kit.control("POST", "/webhook", { body: { object: "whatsapp_business_account", entry: [] } });
    await kit.settled();
    const [preference, echo, raw] = kit.hooks.map((hook) => JSON.parse(hook.raw.toString()));
    expect(preference.entry[0].changes[0]).toMatchObject({
      field: "user_preferences",
      value: {
        user_preferences: [
          { wa_id: "972501234567", category: "marketing_messages", value: "stop", timestamp: START / 1000 },
        ],
      },
    });
    expect(echo.entry[0].changes[0]).toMatchObject({
      field: "smb_message_echoes",
      value: { message_echoes: [{ from: "15550783881", to: "972501234567", type: "text", text: { body: "by hand" } }] },
    });
    expect(raw).toEqual({ object: "whatsapp_business_account", entry: [] });
  });
});
