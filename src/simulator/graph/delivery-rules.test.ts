import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DEMO_WABA_ID } from "../default-world.ts";
import type { JsonObject } from "../json.ts";
import { type Kit, START, startKit } from "../test-kit.ts";

const CUSTOMER = "+972501234567";
const HOUR = 60 * 60 * 1000;
let kit: Kit;

beforeEach(async () => {
  kit = await startKit();
});
afterEach(() => kit.stop());

const offer = (to: JsonObject = { to: CUSTOMER }) =>
  kit.send({
    ...to,
    type: "template",
    template: {
      name: "weekly_offer",
      language: { code: "en" },
      components: [{ type: "body", parameters: [{ type: "text", text: "plants" }] }],
    },
  });

/** The codes and statuses that came back for everything sent. */
async function outcome(): Promise<unknown[]> {
  await kit.settled();
  return kit.statuses().map((status) => {
    const errors = status.errors as { code: number }[] | undefined;
    return errors?.[0]?.code ?? status.status;
  });
}

describe("the service window", () => {
  it.each([
    ["a second before 24 h", 24 * HOUR - 1000, ["sent", "delivered", "read"]],
    ["at 24 h", 24 * HOUR, [131047]],
    ["a second after 24 h", 24 * HOUR + 1000, [131047]],
  ])("%s", async (_name, later, expected) => {
    await kit.writes(CUSTOMER);
    kit.advance(later);
    expect((await kit.text(CUSTOMER)).status).toBe(200);
    expect(await outcome()).toEqual(expected);
  });

  it("counts from the timestamp of the message, not from its arrival", async () => {
    await kit.writes(CUSTOMER, "late", { timestamp: START / 1000 - 24 * 3600 + 10 });
    await kit.text(CUSTOMER);
    kit.advance(10_000);
    await kit.text(CUSTOMER);
    expect((await outcome()).sort()).toEqual([131047, "delivered", "read", "sent"]);
  });

  it("is refused at once when the settings say so, and then leaves no accepted entry", async () => {
    await kit.control("POST", "/customers", { phone: CUSTOMER });
    await kit.control("POST", "/settings", { synchronousErrors: [131047] });
    const answer = await kit.text(CUSTOMER);
    expect([answer.status, answer.code]).toEqual([400, 131047]);
    expect(kit.sim.ledger.accepted()).toEqual([]);
  });

  it.each(["reaction", "system"])("is not opened by a %s", async (type) => {
    await kit.control("POST", "/inbound", { from: CUSTOMER, message: { type, [type]: {} } });
    await kit.text(CUSTOMER);
    expect(await outcome()).toEqual([131047]);
  });

  it("does not stop templates, nor Direct Send where it is on", async () => {
    await kit.control("POST", "/customers", { phone: CUSTOMER });
    await offer();
    await kit.control("POST", "/settings", { directSend: true });
    expect((await kit.text(CUSTOMER, "x", { category: "utility" })).status).toBe(200);
    expect((await outcome()).filter((status) => status === "delivered")).toHaveLength(2);
  });
});

describe("rates", () => {
  it("let 45 messages to one person through, then one in 6 s", async () => {
    await kit.writes(CUSTOMER);
    const codes = [];
    for (let i = 0; i < 46; i++) codes.push((await kit.text(CUSTOMER)).code);
    expect(codes.slice(0, 45)).toEqual(Array(45).fill(undefined));
    expect(codes[45]).toBe(131056);
    kit.advance(5999);
    expect((await kit.text(CUSTOMER)).code).toBe(131056);
    kit.advance(1);
    expect((await kit.text(CUSTOMER)).status).toBe(200);
    expect((await kit.text(CUSTOMER)).code).toBe(131056);
  });

  it("let 80 messages of a number through in a second", async () => {
    await kit.control("POST", "/settings", { unknownUsers: "create" });
    const send = (i: number) => kit.text(`+97250100${String(i).padStart(4, "0")}`);
    const codes = [];
    for (let i = 0; i < 81; i++) codes.push((await send(i)).code);
    expect(codes.indexOf(130429)).toBe(80);
    kit.advance(1000);
    expect((await send(99)).status).toBe(200);
  });
});

describe("people", () => {
  it("nobody knows are not on WhatsApp", async () => {
    expect((await kit.text(CUSTOMER)).status).toBe(200);
    expect(await outcome()).toEqual([131026]);
  });

  it("nobody knew are on WhatsApp as soon as they write", async () => {
    await kit.text(CUSTOMER);
    await kit.writes(CUSTOMER);
    await kit.text(CUSTOMER);
    expect((await outcome()).sort()).toEqual([131026, "delivered", "read", "sent"]);
  });

  it("who blocked the business, or were blocked by it, are not reached", async () => {
    await kit.writes(CUSTOMER);
    const body = { messaging_product: "whatsapp", block_users: [{ user: CUSTOMER }] };
    const blocked = await kit.graph("POST", "/v25.0/106540352242922/block_users", body);
    expect(blocked.json.block_users).toEqual({ added_users: [{ input: CUSTOMER, wa_id: "972501234567" }] });
    await kit.text(CUSTOMER);
    expect(await kit.writes(CUSTOMER)).toMatchObject({ delivered: false });
    await kit.graph("DELETE", "/v25.0/106540352242922/block_users", body);
    await kit.control("POST", "/customers", { phone: CUSTOMER, blocked: true });
    await kit.text(CUSTOMER);
    expect(await outcome()).toEqual([131026, 131026]);
  });

  it("who stopped marketing get none, and everything else", async () => {
    await kit.writes(CUSTOMER);
    await kit.control("POST", "/preferences", { from: CUSTOMER, value: "stop" });
    await offer();
    expect(await outcome()).toEqual([131050]);
    await kit.text(CUSTOMER);
    expect(await outcome()).toContain("read");
    await kit.control("POST", "/preferences", { from: CUSTOMER, value: "resume" });
    await offer();
    expect((await outcome()).filter((status) => status === "read")).toHaveLength(2);
  });

  it("in the US get no marketing, those in Canada do", async () => {
    await kit.control("POST", "/settings", { usMarketingPaused: true, unknownUsers: "create" });
    await offer({ to: "+12125550123" });
    await kit.settled();
    await offer({ to: "+14165550123" });
    expect(await outcome()).toEqual([131049, "sent", "delivered", "read"]);
  });

  it("get marketing up to the cap outside the window, and freely inside it", async () => {
    await kit.control("POST", "/customers", { phone: CUSTOMER, marketingCapPerDay: 1 });
    await offer();
    await kit.settled();
    await offer();
    expect((await outcome()).at(-1)).toBe(131049);
    await kit.writes(CUSTOMER);
    await offer();
    expect((await outcome()).at(-1)).toBe("read");
    kit.advance(24 * HOUR);
    await offer();
    expect((await outcome()).at(-1)).toBe("read");
  });

  it("in an experiment get 130472", async () => {
    await kit.control("POST", "/customers", { phone: CUSTOMER, inExperiment: true });
    await offer();
    expect(await outcome()).toEqual([130472]);
  });

  it("off the allow list are refused at once", async () => {
    await kit.control("POST", "/settings", { allowList: ["+972500000000"] });
    expect((await kit.text(CUSTOMER)).code).toBe(131030);
  });
});

describe("accounts", () => {
  it.each([
    ["locked", 403, 131031],
    ["blocked", 403, 368],
  ])("that are %s send nothing", async (state, status, code) => {
    await kit.control("POST", "/wabas", { id: DEMO_WABA_ID, state });
    const answer = await kit.text(CUSTOMER);
    expect([answer.status, answer.code]).toEqual([status, code]);
  });

  it("with an unregistered number send nothing until it is registered", async () => {
    await kit.graph("POST", "/v25.0/106540352242922/deregister", {});
    expect((await kit.text(CUSTOMER)).code).toBe(133010);
    const pin = { messaging_product: "whatsapp", pin: "123456" };
    expect((await kit.graph("POST", "/v25.0/106540352242922/register", pin)).json).toEqual({ success: true });
    expect((await kit.text(CUSTOMER)).status).toBe(200);
  });

  it.each([
    ["release", ["sent", "delivered", "read"]],
    ["drop", [132015]],
  ])("have templates held for quality, then %s", async (held, expected) => {
    await kit.control("POST", "/customers", { phone: CUSTOMER });
    await kit.control("POST", "/templates", { wabaId: DEMO_WABA_ID, name: "weekly_offer", language: "en", held });
    const { json } = await offer();
    expect((json.messages as JsonObject[])[0]).toMatchObject({ message_status: "held_for_quality_assessment" });
    expect(await outcome()).toEqual(expected);
  });
});

describe("business-scoped user ids", () => {
  it("address a person whose phone is hidden, and no phone appears anywhere", async () => {
    const { bsuid } = await kit.control("POST", "/customers", { phone: CUSTOMER, username: "jo", hidesPhone: true });
    await kit.writes(String(bsuid));
    const answer = await kit.send({ recipient: bsuid, type: "text", text: { body: "Hello" } });
    expect(answer.json.contacts).toEqual([{ input: bsuid, user_id: bsuid }]);
    expect(await outcome()).toEqual(["sent", "delivered", "read"]);
    const all = JSON.stringify(kit.hooks.map((hook) => hook.json));
    expect(all).not.toContain("972501234567");
    expect(all).not.toContain(Buffer.from("972501234567").toString("base64").slice(0, 12));
    expect(kit.messages()[0]).toMatchObject({ from_user_id: bsuid });
    expect(kit.messages()[0]).not.toHaveProperty("from");
    expect(kit.statuses()[0]).toMatchObject({ recipient_user_id: bsuid });
    expect(kit.statuses()[0]).not.toHaveProperty("recipient_id");
  });

  it("lose against a phone in the same send", async () => {
    const { bsuid } = await kit.control("POST", "/customers", { phone: CUSTOMER });
    const { json } = await kit.send({ to: "+972502222222", recipient: bsuid, type: "text", text: { body: "x" } });
    expect(json.contacts).toEqual([{ input: "+972502222222", wa_id: "972502222222" }]);
  });

  it("of another portfolio reach nobody", async () => {
    await kit.control("POST", "/wabas", { id: "77", portfolioId: "88" });
    const { bsuid } = await kit.control("POST", "/customers", { phone: CUSTOMER, portfolioId: "88" });
    await kit.writes(CUSTOMER);
    await kit.send({ recipient: bsuid, type: "text", text: { body: "x" } });
    expect(await outcome()).toEqual([131026]);
  });

  it("get no authentication template", async () => {
    const { bsuid } = await kit.control("POST", "/customers", { phone: CUSTOMER });
    const code = [{ type: "text", text: "123456" }];
    const template = {
      name: "login_code",
      language: { code: "en" },
      components: [
        { type: "body", parameters: code },
        { type: "button", sub_type: "url", index: "0", parameters: code },
      ],
    };
    expect((await kit.send({ recipient: bsuid, type: "template", template })).code).toBe(131062);
    expect((await kit.send({ to: CUSTOMER, type: "template", template })).status).toBe(200);
  });

  it("change with the phone number, told by a system message without contacts", async () => {
    const before = await kit.control("POST", "/customers", { phone: CUSTOMER, name: "Jo" });
    const after = await kit.control("POST", "/change-number", { from: CUSTOMER, newPhone: "+972503333333" });
    await kit.settled();
    const value = JSON.parse(JSON.stringify(kit.hooks[0]!.json)).entry[0].changes[0].value;
    expect(value.contacts).toBeUndefined();
    expect(value.messages[0].system).toMatchObject({
      type: "user_changed_number",
      wa_id: "972503333333",
      user_id: after.bsuid,
      previous_user_id: before.bsuid,
    });
    await kit.writes("+972503333333");
    await kit.send({ recipient: after.bsuid, type: "text", text: { body: "x" } });
    await kit.send({ recipient: before.bsuid, type: "text", text: { body: "x" } });
    const seen = await outcome();
    expect(seen).toContain(131026);
    expect(seen).toContain("read");
  });
});
