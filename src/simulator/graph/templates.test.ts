import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { DEMO_WABA_ID } from "../default-world.ts";
import type { JsonObject } from "../json.ts";
import { type Kit, startKit } from "../test-kit.ts";

const CUSTOMER = "+972501234567";
let kit: Kit;

const text = (value: unknown) => ({ type: "text", text: value });
const body = (...values: unknown[]) => ({ type: "body", parameters: values.map(text) });
const button = (subType: string, index: unknown, ...parameters: JsonObject[]) => ({
  type: "button",
  sub_type: subType,
  index,
  parameters,
});
const payload = (value: string) => ({ type: "payload", payload: value });
const template = (name: string, components?: unknown, code = "en") => ({
  to: CUSTOMER,
  type: "template",
  template: { name, language: { code }, components },
});

beforeAll(async () => {
  kit = await startKit({ settings: { pairRateLimit: false, throughputLimit: false, receipts: [] } });
  await kit.control("POST", "/customers", { phone: CUSTOMER });
  const put = (name: string, components: unknown, more: JsonObject = {}) =>
    kit.control("POST", "/templates", { wabaId: DEMO_WABA_ID, name, language: "en", components, ...more });
  await put("paused", [{ type: "BODY", text: "Hi" }], { status: "PAUSED" });
  await put("disabled", [{ type: "BODY", text: "Hi" }], { status: "DISABLED" });
  await put("pending", [{ type: "BODY", text: "Hi" }], { status: "PENDING" });
  await put("named", [{ type: "BODY", text: "Hi {{first_name}}, order {{order_id}}." }], { parameterFormat: "NAMED" });
  await put("with_image", [
    { type: "HEADER", format: "IMAGE" },
    { type: "BODY", text: "Look" },
  ]);
  await put("with_header", [
    { type: "HEADER", format: "TEXT", text: "For {{1}}" },
    { type: "BODY", text: "Look" },
  ]);
  await put("with_buttons", [
    { type: "BODY", text: "Go" },
    {
      type: "BUTTONS",
      buttons: [
        { type: "QUICK_REPLY", text: "Stop" },
        { type: "URL", text: "Open", url: "https://example.com/{{1}}" },
        { type: "URL", text: "Home", url: "https://example.com/" },
        { type: "PHONE_NUMBER", text: "Call", phone_number: "+15550001111" },
      ],
    },
  ]);
  await put(
    "carousel",
    [
      { type: "BODY", text: "Cards" },
      { type: "CAROUSEL", cards: [1, 2].map(() => ({ components: [{ type: "BODY", text: "Card {{1}} here" }] })) },
    ],
    { category: "MARKETING" },
  );
});
afterAll(() => kit.stop());

const url = button("url", 1, text("x"));
const cards = (...list: JsonObject[][]) => [
  { type: "carousel", cards: list.map((components, card_index) => ({ card_index, components })) },
];

/** One row: the send, and the code it is refused with (0: accepted). */
const cases: [string, JsonObject, number][] = [
  ["both parameters", template("answer_ready", [body("a delivery", "12 May")]), 0],
  ["one parameter of two", template("answer_ready", [body("a delivery")]), 132000],
  ["three parameters of two", template("answer_ready", [body("a", "b", "c")]), 132000],
  ["no components where some are needed", template("answer_ready"), 132000],
  ["a language that exists", template("answer_ready", [body("a", "b")], "he"), 0],
  ["a regional variant that does not", template("answer_ready", [body("a", "b")], "en_US"), 132001],
  ["a name that does not", template("answer_redy", [body("a", "b")]), 132001],
  ["no name", { to: CUSTOMER, type: "template", template: { language: { code: "en" } } }, 131008],
  ["no language", { to: CUSTOMER, type: "template", template: { name: "answer_ready" } }, 131008],
  ["a paused template", template("paused"), 132015],
  ["a disabled template", template("disabled"), 132016],
  ["a template in review", template("pending"), 132001],
  ["an empty parameter", template("answer_ready", [body("", "b")]), 131008],
  ["a number as text", template("answer_ready", [body(1, "b")]), 100],
  ["a line break in a parameter", template("answer_ready", [body("a\nb", "c")]), 132018],
  ["four spaces in a parameter", template("answer_ready", [body("a    b", "c")]), 0],
  ["five spaces in a parameter", template("answer_ready", [body("a     b", "c")]), 132018],
  [
    "an image in the body",
    template("answer_ready", [{ type: "body", parameters: [text("a"), { type: "image" }] }]),
    132012,
  ],
  ["a hydrated text that is too long", template("answer_ready", [body("x".repeat(1024), "b")]), 132005],
  ["an unknown component", template("answer_ready", [body("a", "b"), { type: "tail" }]), 100],
  ["the body twice", template("answer_ready", [body("a", "b"), body("a", "b")]), 131009],

  [
    "named parameters",
    template("named", [
      {
        type: "body",
        parameters: [
          { ...text("1"), parameter_name: "order_id" },
          { ...text("Jo"), parameter_name: "first_name" },
        ],
      },
    ]),
    0,
  ],
  ["positional for named", template("named", [body("Jo", "1")]), 100],
  [
    "a wrong name",
    template("named", [
      {
        type: "body",
        parameters: [
          { ...text("1"), parameter_name: "order" },
          { ...text("Jo"), parameter_name: "first_name" },
        ],
      },
    ]),
    132012,
  ],

  [
    "the header image",
    template("with_image", [
      { type: "header", parameters: [{ type: "image", image: { link: "https://e.com/a.png" } }] },
    ]),
    0,
  ],
  ["no header image", template("with_image"), 132012],
  [
    "a video for the image",
    template("with_image", [{ type: "header", parameters: [{ type: "video", video: { link: "https://e.com/a" } }] }]),
    132012,
  ],
  ["the header text", template("with_header", [{ type: "header", parameters: [text("you")] }]), 0],
  ["no header text", template("with_header"), 132000],
  [
    "a header where there is none",
    template("answer_ready", [body("a", "b"), { type: "header", parameters: [text("x")] }]),
    132000,
  ],

  ["the url suffix", template("with_buttons", [url]), 0],
  ["no url suffix", template("with_buttons"), 131008],
  [
    "a payload for the quick reply",
    template("with_buttons", [url, button("quick_reply", "0", payload("STOP_PROMO"))]),
    0,
  ],
  ["an index as a number", template("with_buttons", [url, button("quick_reply", 0, payload("STOP_PROMO"))]), 0],
  ["a button that is not there", template("with_buttons", [url, button("quick_reply", 7, payload("x"))]), 131009],
  [
    "no index",
    template("with_buttons", [url, { type: "button", sub_type: "quick_reply", parameters: [payload("x")] }]),
    131008,
  ],
  ["no sub_type", template("with_buttons", [url, { type: "button", index: 0, parameters: [payload("x")] }]), 131008],
  ["an unknown sub_type", template("with_buttons", [url, button("tap", 0, payload("x"))]), 131009],
  ["the wrong sub_type", template("with_buttons", [button("quick_reply", 1, payload("x"))]), 132012],
  ["a parameter for a fixed url", template("with_buttons", [url, button("url", 2, text("x"))]), 100],
  ["a parameter for a call button", template("with_buttons", [url, button("url", 3, text("x"))]), 100],
  ["one button twice", template("with_buttons", [url, url]), 131009],

  ["all cards", template("carousel", cards([body("a")], [body("b")])), 0],
  ["one card of two", template("carousel", cards([body("a")])), 132012],
  ["a card without its parameter", template("carousel", cards([body("a")], [])), 132000],

  ["a code in body and button", template("login_code", [body("123456"), button("url", "0", text("123456"))]), 0],
  ["a code in the body alone", template("login_code", [body("123456")]), 131008],
];

describe("template sends", () => {
  it.each(cases)("%s", async (_name, message, code) => {
    const answer = await kit.send(message);
    expect(answer.code ?? 0).toBe(code);
    expect(answer.status).toBe(code === 0 ? 200 : code === 132001 ? 404 : 400);
  });

  it("names the counts and the language that do not match", async () => {
    const count = await kit.send(template("answer_ready", [body("a")]));
    expect(count.details).toBe(
      "body: number of localizable_params (1) does not match the expected number of params (2)",
    );
    const language = await kit.send(template("answer_ready", [body("a", "b")], "es"));
    expect(language.details).toBe("template name (answer_ready) does not exist in es");
  });

  it("show the person the filled text and the buttons with their payloads", async () => {
    await kit.send(template("weekly_offer", [body("plants"), button("quick_reply", 0, payload("STOP_PROMO"))]));
    const thread = await kit.control("GET", `/thread?user=${encodeURIComponent(CUSTOMER)}`);
    expect((thread.items as JsonObject[]).at(-1)).toMatchObject({
      text: "This week at Demo Shop: plants. See you soon!",
      buttons: [{ id: "STOP_PROMO", title: "Stop promotions" }],
    });
  });

  it("on marketing_messages must be marketing templates", async () => {
    const post = (message: JsonObject) =>
      kit.graph("POST", "/v25.0/106540352242922/marketing_messages", { messaging_product: "whatsapp", ...message });
    expect((await post(template("weekly_offer", [body("plants")]))).status).toBe(200);
    expect((await post(template("answer_ready", [body("a", "b")]))).code).toBe(131055);
    expect((await post({ to: CUSTOMER, type: "text", text: { body: "x" } })).code).toBe(100);
  });
});

describe("template management", () => {
  const path = `/v25.0/${DEMO_WABA_ID}/message_templates`;
  const definition = (more: JsonObject = {}) => ({
    name: "fresh_one",
    language: "en_US",
    category: "UTILITY",
    components: [{ type: "BODY", text: "Your order {{1}} is on its way.", example: { body_text: [["A-1"]] } }],
    ...more,
  });
  const withBody = (value: string, examples: string[] = ["a", "b"]) =>
    definition({ components: [{ type: "BODY", text: value, example: { body_text: [examples] } }] });

  it("creates, finds, edits and deletes a template", async () => {
    const made = await kit.graph("POST", path, definition());
    expect(made.json).toEqual({ id: expect.any(String), status: "PENDING", category: "UTILITY" });
    expect((await kit.graph("POST", path, definition())).json.error).toMatchObject({
      code: 100,
      error_subcode: 2388024,
    });
    const found = await kit.graph("GET", `${path}?name=fresh_one&fields=name,status`);
    expect(found.json.data).toEqual([{ id: made.json.id, name: "fresh_one", status: "PENDING" }]);
    expect((await kit.graph("POST", `/v25.0/${made.json.id}`, { components: [] })).code).toBe(100);
    expect((await kit.graph("DELETE", `${path}?name=fresh_one`)).json).toEqual({ success: true });
    expect((await kit.graph("GET", `${path}?name=fresh_one`)).json.data).toEqual([]);
  });

  it("pages through all templates once, and refuses a foreign cursor", async () => {
    const names: unknown[] = [];
    let next: string | undefined = `${path}?limit=5&fields=name,language`;
    while (next !== undefined) {
      const { json } = await kit.graph("GET", next);
      names.push(...(json.data as JsonObject[]).map((item) => `${item.name}/${item.language}`));
      const url: unknown = (json.paging as JsonObject | undefined)?.next;
      next = typeof url === "string" ? url.slice(kit.sim.url.length) : undefined;
    }
    expect(names.length).toBeGreaterThan(12);
    expect(new Set(names).size).toBe(names.length);
    expect((await kit.graph("GET", `${path}?after=foreign`)).code).toBe(131059);
  });

  it.each([
    ["a name with capitals", definition({ name: "Fresh" }), 100],
    ["an unknown category", definition({ category: "TRANSACTIONAL" }), 100],
    ["no body", definition({ components: [] }), 2388072],
    ["a variable at the end", withBody("Your order is {{1}}"), 2388299],
    ["a variable at the start", withBody("{{1}} is your order now."), 2388299],
    ["adjacent variables", withBody("Your order {{1}} {{2}} is on its way."), 2388072],
    ["a gap in the numbers", withBody("Your order {{1}} of {{3}} is on its way."), 2388072],
    ["no example", withBody("Your order {{1}} is on its way.", []), 2388072],
    ["a body of 1025", withBody("x".repeat(1025)), 2388040],
    [
      "a mixed row of buttons",
      definition({
        components: [
          ...definition().components,
          {
            type: "BUTTONS",
            buttons: [
              { type: "QUICK_REPLY", text: "A" },
              { type: "URL", text: "B", url: "https://e.com" },
              { type: "QUICK_REPLY", text: "C" },
            ],
          },
        ],
      }),
      100,
    ],
  ])("refuses %s", async (_name, input, code) => {
    expect((await kit.graph("POST", path, input)).code).toBe(code);
  });
});
