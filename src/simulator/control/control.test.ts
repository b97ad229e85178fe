import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { JsonObject } from "../json.ts";
import { type Kit, START, startKit } from "../test-kit.ts";

const CUSTOMER = "+972501234567";
let kit: Kit;

beforeEach(async () => {
  kit = await startKit();
});
afterEach(() => kit.stop());

describe("the thread", () => {
  it("shows what the person sees, with the last status of each answer", async () => {
    await kit.writes(CUSTOMER, "Hi");
    await kit.text(CUSTOMER, "Hello");
    await kit.control("POST", "/echo", { to: CUSTOMER, message: { type: "text", text: "by hand" } });
    await kit.settled();
    const thread = await kit.control("GET", `/thread?user=${encodeURIComponent(CUSTOMER)}`);
    expect(thread).toMatchObject({ windowOpen: true, lastInboundAt: START });
    expect((thread.items as JsonObject[]).map(({ direction, text, status }) => [direction, text, status])).toEqual([
      ["in", "Hi", undefined],
      ["out", "Hello", "read"],
      ["echo", "by hand", undefined],
    ]);
  });

  it("can be watched as it happens", async () => {
    const watching = await fetch(`${kit.sim.url}/_sim/events?user=${encodeURIComponent(CUSTOMER)}`);
    const reader = watching.body!.pipeThrough(new TextDecoderStream()).getReader();
    let seen = "";
    const until = async (text: string) => {
      while (!seen.includes(text)) seen += (await reader.read()).value ?? "";
    };
    await until("event: ready");
    const { wamid } = await kit.writes(CUSTOMER, "Hi");
    await until('"direction":"in"');
    await kit.send({ status: "read", message_id: wamid, typing_indicator: { type: "text" } });
    await until("event: typing");
    await kit.text(CUSTOMER, "Hello");
    await until('"status":"read"');
    expect(seen.match(/^event: \w+/gm)).toEqual(
      ["ready", "message", "read", "typing", "message", "status", "status", "status"].map((type) => `event: ${type}`),
    );
    await reader.cancel();
  });
});

describe("control", () => {
  it("says what is wrong with a request", async () => {
    expect((await kit.control("POST", "/inbound", { from: 5 })).error).toContain("from");
    expect((await kit.control("POST", "/faults", { kind: "explode" })).error).toBeDefined();
    expect((await kit.control("GET", "/nothing")).error).toBe("No control route GET /_sim/nothing");
    expect(
      (await kit.control("POST", "/inbound", { phoneId: "1", from: "2", message: { type: "text" } })).error,
    ).toContain("No phone number 1");
  });

  it("moves the business clock and nothing else", async () => {
    expect(await kit.control("POST", "/clock", { advanceMs: 3_600_000 })).toEqual({
      now: START + 3_600_000,
      offsetMs: 3_600_000,
    });
    await kit.writes(CUSTOMER);
    await kit.settled();
    expect(kit.messages()[0]!.timestamp).toBe(String((START + 3_600_000) / 1000));
  });

  it("adds accounts and numbers that work like the first", async () => {
    await kit.control("POST", "/wabas", { id: "501", portfolioId: "601" });
    await kit.control("POST", "/phones", { id: "701", wabaId: "501", displayNumber: "+44 20 7946 0000" });
    await kit.writes(CUSTOMER, "Hi", { phoneId: "701" });
    const body = { messaging_product: "whatsapp", to: CUSTOMER, text: { body: "x" } };
    expect((await kit.graph("POST", "/v26.0/701/messages", body)).status).toBe(200);
    await kit.settled();
    expect(kit.hooks[0]!.json.entry).toMatchObject([{ id: "501" }]);
    const [a, b] = [
      await kit.control("GET", `/thread?user=972501234567`),
      await kit.control("GET", `/thread?user=972501234567&phoneId=701`),
    ];
    expect((a.user as JsonObject).bsuid).not.toBe((b.user as JsonObject).bsuid);
  });
});

describe("media", () => {
  const upload = async (type: string, size = 10) => {
    const form = new FormData();
    form.set("messaging_product", "whatsapp");
    form.set("file", new File([new Uint8Array(size)], "file", { type }));
    const headers = { authorization: "Bearer good-token" };
    const response = await fetch(`${kit.sim.url}/v25.0/106540352242922/media`, { method: "POST", headers, body: form });
    return (await response.json()) as { id?: string; error?: { code: number } };
  };

  it("is uploaded, sent by id, and deleted", async () => {
    await kit.writes(CUSTOMER);
    const { id } = await upload("image/png");
    const send = () => kit.send({ to: CUSTOMER, type: "image", image: { id } });
    expect((await send()).status).toBe(200);
    expect((await kit.graph("DELETE", `/v25.0/${id}`)).json).toEqual({ success: true });
    expect((await send()).code).toBe(100);
  });

  it.each([
    ["image/gif", 10, 100],
    ["image/png", 5 * 1024 * 1024 + 1, 131053],
    ["image/png", 5 * 1024 * 1024, undefined],
    ["application/pdf", 6 * 1024 * 1024, undefined],
    ["application/x-thing", 10, undefined],
  ])("of %s and %d bytes", async (type, size, code) => {
    expect((await upload(type, size)).error?.code).toBe(code);
  });
});

describe("account nodes", () => {
  it("are shown by field, and tokens are described", async () => {
    const phone = await kit.graph("GET", "/v25.0/106540352242922?fields=status,verified_name");
    expect(phone.json).toEqual({ id: "106540352242922", status: "CONNECTED", verified_name: "Demo Shop" });
    const phones = await kit.graph("GET", "/v25.0/102290129340398/phone_numbers");
    expect(phones.json.data).toMatchObject([{ display_phone_number: "+1 555-078-3881", quality_rating: "GREEN" }]);
    const good = await kit.graph("GET", "/v25.0/debug_token?input_token=good-token");
    expect(good.json.data).toMatchObject({
      is_valid: true,
      scopes: expect.arrayContaining(["whatsapp_business_messaging"]),
    });
    const bad = await kit.graph("GET", "/v25.0/debug_token?input_token=other");
    expect(bad.json.data).toMatchObject({ is_valid: false });
  });

  it("keep a business profile", async () => {
    const path = "/v25.0/106540352242922/whatsapp_business_profile";
    await kit.graph("POST", path, { messaging_product: "whatsapp", about: "Plants", vertical: "RETAIL" });
    expect((await kit.graph("GET", `${path}?fields=about`)).json.data).toEqual([
      { messaging_product: "whatsapp", about: "Plants" },
    ]);
  });
});

describe("what the platform tells", () => {
  const changes = () =>
    kit.hooks
      .flatMap((hook) => hook.json.entry as { changes: { field: string; value: JsonObject }[] }[])
      .flatMap((entry) => entry.changes)
      .map(({ field, value }) => [field, value.event ?? value.new_category ?? value.new_quality_score]);

  it("is each change of a template", async () => {
    const template = { wabaId: "102290129340398", name: "order_update", language: "en" };
    await kit.control("POST", "/templates", { ...template, status: "PAUSED" });
    await kit.control("POST", "/templates", { ...template, category: "MARKETING", qualityScore: "RED", notify: true });
    await kit.control("POST", "/templates", { ...template, status: "APPROVED", notify: false });
    await kit.settled();
    expect(changes().sort()).toEqual([
      ["message_template_quality_update", "RED"],
      ["message_template_status_update", "PAUSED"],
      ["template_category_update", "MARKETING"],
    ]);
    expect(kit.hooks[0]!.json.entry).toMatchObject([{ time: START / 1000 }]);
  });

  it("is the approval of a new template, after the time that reviews take", async () => {
    await kit.control("POST", "/settings", { templateReviewMs: 1 });
    await kit.graph("POST", "/v25.0/102290129340398/message_templates", {
      name: "fresh",
      language: "en",
      category: "UTILITY",
      components: [{ type: "BODY", text: "Your parcel is here." }],
    });
    await kit.settled();
    expect(changes()).toEqual([["message_template_status_update", "APPROVED"]]);
  });

  it("is a restriction of the account, which is then in force", async () => {
    const id = "102290129340398";
    await kit.writes(CUSTOMER);
    await kit.control("POST", "/wabas", { id, restrictions: ["RESTRICTED_BIZ_INITIATED_MESSAGING"] });
    expect((await kit.text(CUSTOMER)).status).toBe(200);
    const order = {
      name: "order_update",
      language: { code: "en" },
      components: [{ type: "body", parameters: ["1", "2"].map((text) => ({ type: "text", text })) }],
    };
    expect((await kit.send({ to: CUSTOMER, type: "template", template: order })).code).toBe(368);
    await kit.control("POST", "/wabas", {
      id,
      restrictions: ["RESTRICTED_CUSTOMER_INITIATED_MESSAGING"],
      state: "blocked",
    });
    expect((await kit.text(CUSTOMER)).code).toBe(368);
    await kit.settled();
    expect(
      changes()
        .filter(([field]) => field === "account_update")
        .map(([, event]) => event)
        .sort(),
    ).toEqual(["ACCOUNT_RESTRICTION", "ACCOUNT_RESTRICTION", "DISABLED_UPDATE"]);
  });
});

describe("taps", () => {
  it("on a template's button arrive as `button`, on a list's row as `list_reply`", async () => {
    await kit.writes(CUSTOMER);
    const payload = [{ type: "payload", payload: "STOP_PROMO" }];
    const parameters = [{ type: "text", text: "plants" }];
    const components = [
      { type: "body", parameters },
      { type: "button", sub_type: "quick_reply", index: 0, parameters: payload },
    ];
    await kit.send({
      to: CUSTOMER,
      type: "template",
      template: { name: "weekly_offer", language: { code: "en" }, components },
    });
    const sections = [{ rows: [{ id: "r1", title: "Express", description: "1 day" }] }];
    const interactive = { type: "list", body: { text: "How?" }, action: { button: "Choose", sections } };
    await kit.send({ to: CUSTOMER, type: "interactive", interactive });
    await kit.control("POST", "/tap", { from: CUSTOMER, button: "Stop promotions" });
    await kit.control("POST", "/tap", { from: CUSTOMER, button: "r1" });
    expect((await kit.control("POST", "/tap", { from: CUSTOMER, button: "Nope" })).error).toContain("Nope");
    await kit.settled();
    const find = (type: string) => kit.messages().find((message) => message.type === type);
    expect(find("button")).toMatchObject({
      context: { from: "15550783881" },
      button: { payload: "STOP_PROMO", text: "Stop promotions" },
    });
    expect(find("interactive")!.interactive).toEqual({
      type: "list_reply",
      list_reply: { id: "r1", title: "Express", description: "1 day" },
    });
  });
});

describe("tokens", () => {
  it("of one account cannot touch another, and a refusing platform refuses", async () => {
    await kit.control("POST", "/phones", { id: "702", wabaId: "502" });
    await kit.control("POST", "/settings", { tokenScopes: { "small-token": ["502"] } });
    const body = { messaging_product: "whatsapp", to: CUSTOMER, text: { body: "x" } };
    expect((await kit.graph("POST", "/v25.0/702/messages", body, "small-token")).status).toBe(200);
    const foreign = await kit.graph("POST", "/v25.0/106540352242922/messages", body, "small-token");
    expect([foreign.status, foreign.code]).toEqual([403, 200]);
    await kit.control("POST", "/settings", { managementError: 80007 });
    expect((await kit.graph("GET", "/v25.0/502/phone_numbers")).code).toBe(80007);
  });
});
