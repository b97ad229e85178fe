import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../json.ts";
import { type Kit, startKit } from "../test-kit.ts";

const CUSTOMER = "+972501234567";
let kit: Kit;

beforeAll(async () => {
  kit = await startKit({ settings: { pairRateLimit: false, throughputLimit: false, receipts: [], sentDelayMs: 0 } });
  await kit.writes(CUSTOMER);
});
afterAll(() => kit.stop());

const chars = (count: number) => "x".repeat(count);
const buttons = (...titles: string[]) => ({
  buttons: titles.map((title, index) => ({ type: "reply", reply: { id: `id-${index}`, title } })),
});
const rows = (count: number, from = 0) =>
  Array.from({ length: count }, (_, index) => ({ id: `row-${from + index}`, title: `Row ${from + index}` }));
const interactive = (type: string, action: unknown, more: JsonObject = {}) => ({
  type: "interactive",
  interactive: { type, body: { text: "Body" }, action, ...more },
});
const list = (sections: unknown, button = "Choose") => interactive("list", { button, sections });
const card = (more: JsonObject = {}) => ({
  header: { type: "image", image: { link: "https://example.com/a.png" } },
  action: { name: "cta_url", parameters: { display_text: "Go", url: "https://example.com" } },
  ...more,
});
const contact = (name: JsonObject) => ({ type: "contacts", contacts: [{ name }] });

/** One row: the message, and the code it is refused with (0: accepted). */
const cases: [string, JsonObject, number][] = [
  ["text of 4096", { type: "text", text: { body: chars(4096) } }, 0],
  ["text of 4097", { type: "text", text: { body: chars(4097) } }, 100],
  ["4096 emoji, each one character", { type: "text", text: { body: "😀".repeat(4096) } }, 0],
  ["text without type", { text: { body: "Hello", preview_url: true } }, 0],
  ["empty text", { type: "text", text: { body: "" } }, 131008],
  ["blank text", { type: "text", text: { body: " \n " } }, 131008],
  ["text object missing", { type: "text" }, 131008],
  ["text as a string", { type: "text", text: "Hello" }, 100],
  ["body as a number", { type: "text", text: { body: 5 } }, 100],
  ["unknown type", { type: "poll", poll: {} }, 100],
  ["a type that only looks inherited", { type: "constructor" }, 100],
  ["unknown recipient_type", { recipient_type: "crowd", type: "text", text: { body: "x" } }, 100],
  ["callback data of 512", { type: "text", text: { body: "x" }, biz_opaque_callback_data: chars(512) }, 0],
  ["callback data of 513", { type: "text", text: { body: "x" }, biz_opaque_callback_data: chars(513) }, 100],
  ["a quote without id", { type: "text", text: { body: "x" }, context: {} }, 131008],
  ["Direct Send while it is off", { type: "text", text: { body: "x" }, category: "utility" }, 100],

  ["image by link", { type: "image", image: { link: "https://example.com/a.png" } }, 0],
  ["image by bad link", { type: "image", image: { link: "ftp://example.com/a.png" } }, 100],
  ["image by unknown id", { type: "image", image: { id: "1" } }, 100],
  ["image with neither", { type: "image", image: {} }, 131008],
  ["caption of 1024", { type: "image", image: { link: "https://e.com/a", caption: chars(1024) } }, 0],
  ["caption of 1025", { type: "image", image: { link: "https://e.com/a", caption: chars(1025) } }, 100],
  ["audio with a caption", { type: "audio", audio: { link: "https://e.com/a", caption: "x" } }, 100],
  ["document", { type: "document", document: { link: "https://e.com/a", filename: "a.pdf", caption: "x" } }, 0],
  ["location", { type: "location", location: { latitude: 37.7, longitude: "-122.4", name: "HQ" } }, 0],
  ["location off the globe", { type: "location", location: { latitude: 91, longitude: 0 } }, 131009],
  ["location without longitude", { type: "location", location: { latitude: 1 } }, 131008],
  ["contact", contact({ formatted_name: "Jo Doe", first_name: "Jo" }), 0],
  ["contact with formatted_name alone", contact({ formatted_name: "Jo Doe" }), 131009],
  ["contact without formatted_name", contact({ first_name: "Jo" }), 131008],
  ["reaction", { type: "reaction", reaction: { message_id: "wamid.x", emoji: "👍" } }, 0],
  ["reaction removed", { type: "reaction", reaction: { message_id: "wamid.x", emoji: "" } }, 0],
  ["reaction with a word", { type: "reaction", reaction: { message_id: "wamid.x", emoji: "ok" } }, 131009],

  ["3 buttons", interactive("button", buttons("A", "B", "C")), 0],
  ["4 buttons", interactive("button", buttons("A", "B", "C", "D")), 131009],
  ["no button", interactive("button", buttons()), 131009],
  ["button title of 20", interactive("button", buttons(chars(20))), 0],
  ["button title of 21", interactive("button", buttons(chars(21))), 131009],
  ["two buttons of one title", interactive("button", buttons("A", "A")), 131009],
  ["button without id", interactive("button", { buttons: [{ type: "reply", reply: { title: "A" } }] }), 131008],
  [
    "two buttons of one id",
    interactive("button", {
      buttons: [
        { type: "reply", reply: { id: "a", title: "A" } },
        { type: "reply", reply: { id: "a", title: "B" } },
      ],
    }),
    131009,
  ],
  ["body of 1024", interactive("button", buttons("A"), { body: { text: chars(1024) } }), 0],
  ["body of 1025", interactive("button", buttons("A"), { body: { text: chars(1025) } }), 131009],
  ["body missing", { type: "interactive", interactive: { type: "button", action: buttons("A") } }, 131008],
  ["footer of 60", interactive("button", buttons("A"), { footer: { text: chars(60) } }), 0],
  ["footer of 61", interactive("button", buttons("A"), { footer: { text: chars(61) } }), 131009],
  ["header of 60", interactive("button", buttons("A"), { header: { type: "text", text: chars(60) } }), 0],
  ["header of 61", interactive("button", buttons("A"), { header: { type: "text", text: chars(61) } }), 131009],
  [
    "list body of 4096",
    {
      ...list([{ rows: rows(1) }]),
      ...interactive("list", { button: "B", sections: [{ rows: rows(1) }] }, { body: { text: chars(4096) } }),
    },
    0,
  ],
  ["unknown interactive type", interactive("quiz", {}), 131009],
  ["interactive without type", { type: "interactive", interactive: { body: { text: "x" } } }, 131008],

  ["list of one untitled section", list([{ rows: rows(10) }]), 0],
  ["list of 11 rows", list([{ rows: rows(11) }]), 131009],
  ["two untitled sections", list([{ rows: rows(1) }, { rows: rows(1, 5) }]), 131008],
  [
    "two titled sections",
    list([
      { title: "A", rows: rows(5) },
      { title: "B", rows: rows(5, 5) },
    ]),
    0,
  ],
  [
    "11 rows over two sections",
    list([
      { title: "A", rows: rows(5) },
      { title: "B", rows: rows(6, 5) },
    ]),
    131009,
  ],
  [
    "one row id twice",
    list([
      { title: "A", rows: rows(1) },
      { title: "B", rows: rows(1) },
    ]),
    131009,
  ],
  ["section title of 25", list([{ title: chars(25), rows: rows(1) }]), 131009],
  ["row title of 24", list([{ rows: [{ id: "a", title: chars(24) }] }]), 0],
  ["row title of 25", list([{ rows: [{ id: "a", title: chars(25) }] }]), 131009],
  ["row description of 72", list([{ rows: [{ id: "a", title: "A", description: chars(72) }] }]), 0],
  ["row description of 73", list([{ rows: [{ id: "a", title: "A", description: chars(73) }] }]), 131009],
  ["list button of 21", list([{ rows: rows(1) }], chars(21)), 131009],
  [
    "list with a media header",
    {
      type: "interactive",
      interactive: {
        type: "list",
        header: { type: "image", image: { link: "https://e.com/a" } },
        body: { text: "x" },
        action: { button: "B", sections: [{ rows: rows(1) }] },
      },
    },
    131009,
  ],

  [
    "call to action",
    interactive("cta_url", { name: "cta_url", parameters: { display_text: "Go", url: "https://e.com" } }),
    0,
  ],
  [
    "call to action, bad url",
    interactive("cta_url", { name: "cta_url", parameters: { display_text: "Go", url: "e.com" } }),
    131009,
  ],
  ["location request", interactive("location_request_message", { name: "send_location" }), 0],
  ["location request, wrong name", interactive("location_request_message", { name: "x" }), 131009],
  [
    "flow",
    interactive("flow", { name: "flow", parameters: { flow_message_version: "3", flow_id: "1", flow_cta: "Go" } }),
    0,
  ],
  [
    "flow without id or name",
    interactive("flow", { name: "flow", parameters: { flow_message_version: "3", flow_cta: "Go" } }),
    131008,
  ],
  [
    "product",
    { type: "interactive", interactive: { type: "product", action: { catalog_id: "1", product_retailer_id: "2" } } },
    0,
  ],
  ["product list without header", interactive("product_list", { catalog_id: "1", sections: [] }), 131008],
  ["catalog", interactive("catalog_message", { name: "catalog_message" }), 0],
  ["carousel of 2", interactive("carousel", { cards: [card(), card()] }), 0],
  ["carousel of 1", interactive("carousel", { cards: [card()] }), 131009],
  [
    "carousel of unlike cards",
    interactive("carousel", {
      cards: [card(), card({ header: { type: "video", video: { link: "https://e.com/v" } } })],
    }),
    131009,
  ],
];

describe("what Meta accepts and refuses before looking at the recipient", () => {
  it.each(cases)("%s", async (_name, message, code) => {
    const answer = await kit.send({ to: CUSTOMER, ...message });
    expect(answer.code ?? 0).toBe(code);
    expect(answer.status).toBe(code === 0 ? 200 : 400);
  });
});

describe("the answer", () => {
  it("to an accepted send names input, wa_id and a wamid that holds the digits", async () => {
    const { json } = await kit.text(CUSTOMER);
    expect(json).toEqual({
      messaging_product: "whatsapp",
      contacts: [{ input: CUSTOMER, wa_id: "972501234567" }],
      messages: [{ id: expect.stringMatching(/^wamid\.[A-Za-z0-9+/]+=*$/) }],
    });
    const wamid = (json.messages as { id: string }[])[0]!.id;
    expect(Buffer.from(wamid.slice(6), "base64").toString("latin1")).toContain("972501234567");
  });

  it("to a refused one has Meta's shape", async () => {
    const answer = await kit.send({ to: CUSTOMER, ...interactive("button", buttons(chars(21))) });
    expect(answer.json).toEqual({
      error: {
        message: "(#131009) Parameter value is not valid",
        type: "OAuthException",
        code: 131009,
        error_data: {
          messaging_product: "whatsapp",
          details: "Button title length invalid. Min length: 1, Max length: 20",
        },
        fbtrace_id: expect.any(String),
      },
    });
  });

  it("without messaging_product is 100", async () => {
    const answer = await kit.graph("POST", "/v25.0/106540352242922/messages", { to: CUSTOMER });
    expect(answer.code).toBe(100);
  });

  it.each([
    ["without a token", null],
    ["with a wrong token", "bad-token"],
  ])("%s is 190 with HTTP 401", async (_name, token) => {
    const answer = await kit.graph("POST", "/v25.0/106540352242922/messages", {}, token);
    expect([answer.status, answer.code]).toEqual([401, 190]);
  });

  it("for an unknown number is 100 with subcode 33", async () => {
    const { json } = await kit.graph("POST", "/v25.0/999/messages", {});
    expect(json.error).toMatchObject({ code: 100, error_subcode: 33, type: "GraphMethodException" });
  });

  it("for the business's own number is 131021", async () => {
    expect((await kit.text("+15550783881")).code).toBe(131021);
  });

  it.each([
    ["no address at all", {}, 131008],
    ["letters as a phone", { to: "call me" }, 131009],
    ["a malformed BSUID", { recipient: "us.1" }, 131009],
  ])("for %s is refused", async (_name, address, code) => {
    expect((await kit.send({ ...address, type: "text", text: { body: "x" } })).code).toBe(code);
  });
});

describe("read receipts", () => {
  const receipt = (body: JsonObject) => kit.send({ status: "read", ...body });

  it("with typing are answered with success and told to the chat", async () => {
    const { wamid } = await kit.writes(CUSTOMER);
    const answer = await receipt({ message_id: wamid, typing_indicator: { type: "text" } });
    expect(answer.json).toEqual({ success: true });
    expect(kit.sim.ledger.list().at(-1)).toMatchObject({ kind: "receipt", type: "typing", outcome: "accepted" });
  });

  it.each([
    ["an unknown message", { message_id: "wamid.nobody" }, 131009],
    ["no message", {}, 131008],
    ["an unknown indicator", { message_id: "x", typing_indicator: { type: "voice" } }, 100],
  ])("for %s are refused", async (_name, body, code) => {
    expect((await receipt(body)).code).toBe(code);
  });
});
