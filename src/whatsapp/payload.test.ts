import { describe, expect, it } from "vitest";
import type { TemplateSend } from "../domain/draft.ts";
import { sendBody } from "./payload.ts";

const ATTEMPT = "01890a5d-ac96-774b-bcce-b302099a8057";
const PHONE = { waId: "972500000001", bsuid: "IL.12345678901234567890" };
const body = (content: Parameters<typeof sendBody>[1]) => sendBody(PHONE as never, content, ATTEMPT);

describe("a send's body", () => {
  it("goes to the phone when both ids are known, and to the user id when the phone is not", () => {
    const text = { type: "text", text: "Hi" } as const;
    expect(sendBody(PHONE as never, text, ATTEMPT)).toMatchObject({ to: "+972500000001" });
    expect(sendBody(PHONE as never, text, ATTEMPT)).not.toHaveProperty("recipient");
    const phoneless = sendBody({ bsuid: PHONE.bsuid } as never, text, ATTEMPT);
    expect(phoneless).toMatchObject({ recipient: "IL.12345678901234567890" });
    expect(phoneless).not.toHaveProperty("to");
  });

  it("carries the attempt, so that a status settles it even when the answer was lost", () => {
    const contents: Parameters<typeof sendBody>[1][] = [
      { type: "text", text: "Hi" },
      { type: "buttons", text: "Hi", buttons: [{ id: "a", title: "A" }] },
      { type: "list", text: "Hi", button: "Open", rows: [{ id: "a", title: "A" }] },
      { type: "template", template: { name: "n", language: "en" } },
    ];
    for (const content of contents) expect(body(content)).toMatchObject({ biz_opaque_callback_data: ATTEMPT });
  });

  it("of a text is the text and nothing more", () => {
    expect(body({ type: "text", text: "See https://a.co" })).toEqual({
      messaging_product: "whatsapp",
      recipient_type: "individual",
      to: "+972500000001",
      biz_opaque_callback_data: ATTEMPT,
      type: "text",
      text: { body: "See https://a.co", preview_url: false },
    });
  });

  it("of buttons is an interactive message with replies", () => {
    const { interactive } = body({
      type: "buttons",
      text: "Which?",
      buttons: [
        { id: "yes", title: "Yes" },
        { id: "no", title: "No" },
      ],
    });
    expect(interactive).toEqual({
      type: "button",
      body: { text: "Which?" },
      action: {
        buttons: [
          { type: "reply", reply: { id: "yes", title: "Yes" } },
          { type: "reply", reply: { id: "no", title: "No" } },
        ],
      },
    });
  });

  it("of a list is one section; a row without a description has none", () => {
    const { interactive } = body({
      type: "list",
      text: "Which?",
      button: "Open",
      rows: [
        { id: "a", title: "A", description: "First" },
        { id: "b", title: "B" },
      ],
    });
    expect(interactive).toEqual({
      type: "list",
      body: { text: "Which?" },
      action: {
        button: "Open",
        sections: [
          {
            rows: [
              { id: "a", title: "A", description: "First" },
              { id: "b", title: "B" },
            ],
          },
        ],
      },
    });
  });
});

describe("a template's components", () => {
  const components = (send: Omit<TemplateSend, "name" | "language">) =>
    (
      body({ type: "template", template: { name: "order_update", language: "he", ...send } }).template as {
        components?: unknown[];
      }
    ).components;

  it("a template without parameters has none", () => {
    expect(body({ type: "template", template: { name: "order_update", language: "pt_BR" } }).template).toEqual({
      name: "order_update",
      language: { code: "pt_BR" },
    });
    expect(components({ body: [] })).toBeUndefined();
  });

  it("every kind of body parameter", () => {
    expect(
      components({
        body: [
          { type: "text", text: "Dana" },
          { type: "text", text: "25", name: "price" },
          { type: "currency", fallback: "₪25.00", code: "ILS", amount1000: 25_000 },
          { type: "date-time", fallback: "Sunday" },
        ],
      }),
    ).toEqual([
      {
        type: "body",
        parameters: [
          { type: "text", text: "Dana" },
          { type: "text", text: "25", parameter_name: "price" },
          { type: "currency", currency: { fallback_value: "₪25.00", code: "ILS", amount_1000: 25_000 } },
          { type: "date_time", date_time: { fallback_value: "Sunday" } },
        ],
      },
    ]);
  });

  it.each([
    [
      { type: "text", text: "42" },
      { type: "text", text: "42" },
    ],
    [
      { type: "image", link: "https://a.co/i.png" },
      { type: "image", image: { link: "https://a.co/i.png" } },
    ],
    [
      { type: "video", id: "1234" },
      { type: "video", video: { id: "1234" } },
    ],
    [
      { type: "document", id: "1234", filename: "invoice.pdf" },
      { type: "document", document: { id: "1234", filename: "invoice.pdf" } },
    ],
    [
      { type: "location", latitude: 32.1, longitude: 34.8, name: "Shop", address: "Haifa" },
      { type: "location", location: { latitude: 32.1, longitude: 34.8, name: "Shop", address: "Haifa" } },
    ],
  ] as const)("a header of %j", (given, expected) => {
    expect(components({ header: [given] })).toEqual([{ type: "header", parameters: [expected] }]);
  });

  it.each([
    [
      { type: "quick-reply", index: 0, payload: "yes" },
      { sub_type: "quick_reply", index: "0", parameters: [{ type: "payload", payload: "yes" }] },
    ],
    [
      { type: "url", index: 1, text: "order/42" },
      { sub_type: "url", index: "1", parameters: [{ type: "text", text: "order/42" }] },
    ],
    [
      { type: "copy-code", index: 2, code: "SAVE10" },
      { sub_type: "copy_code", index: "2", parameters: [{ type: "coupon_code", coupon_code: "SAVE10" }] },
    ],
    [
      { type: "flow", index: 0, token: "t", data: { a: 1 } },
      {
        sub_type: "flow",
        index: "0",
        parameters: [{ type: "action", action: { flow_token: "t", flow_action_data: { a: 1 } } }],
      },
    ],
    [
      { type: "catalog", index: 0, thumbnailProductId: "p1" },
      {
        sub_type: "catalog",
        index: "0",
        parameters: [{ type: "action", action: { thumbnail_product_retailer_id: "p1" } }],
      },
    ],
    [
      { type: "catalog", index: 0 },
      { sub_type: "catalog", index: "0", parameters: [] },
    ],
  ] as const)("a button of %j", (given, expected) => {
    expect(components({ buttons: [given] })).toEqual([{ type: "button", ...expected }]);
  });

  it("a limited-time offer", () => {
    expect(components({ limitedTimeOfferMs: 1_800_000_000_000 })).toEqual([
      {
        type: "limited_time_offer",
        parameters: [{ type: "limited_time_offer", limited_time_offer: { expiration_time_ms: 1_800_000_000_000 } }],
      },
    ]);
  });

  it("a carousel numbers its cards", () => {
    const card = (id: string) => ({
      header: { type: "image" as const, id },
      body: [{ type: "text" as const, text: id }],
      buttons: [{ type: "quick-reply" as const, index: 0, payload: id }],
    });
    const [carousel] = components({ cards: [card("a"), card("b")] }) as [{ type: string; cards: unknown[] }];
    expect(carousel.type).toBe("carousel");
    expect(carousel.cards).toEqual(
      ["a", "b"].map((id, index) => ({
        card_index: index,
        components: [
          { type: "header", parameters: [{ type: "image", image: { id } }] },
          { type: "body", parameters: [{ type: "text", text: id }] },
          { type: "button", sub_type: "quick_reply", index: "0", parameters: [{ type: "payload", payload: id }] },
        ],
      })),
    );
  });

  it("all of them together, in Meta's order", () => {
    const all = components({
      header: [{ type: "text", text: "h" }],
      body: [{ type: "text", text: "b" }],
      limitedTimeOfferMs: 1,
      buttons: [{ type: "copy-code", index: 0, code: "c" }],
      cards: [{}],
    }) as { type: string }[];
    expect(all.map((component) => component.type)).toEqual([
      "header",
      "body",
      "limited_time_offer",
      "button",
      "carousel",
    ]);
  });
});
