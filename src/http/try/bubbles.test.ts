import { expect, it } from "vitest";
import { bubbleOf, exampleOf, keyOf, wordsOf } from "./bubbles.ts";
import type { SimItem, TemplateDefinition } from "./doors.ts";

const sale: TemplateDefinition = {
  name: "sale",
  language: "en",
  category: "MARKETING",
  components: [
    { type: "HEADER", format: "TEXT", text: "Only {{1}}" },
    {
      type: "BODY",
      text: "{{what}} at {{price}}, only {{what}}.",
      example: { body_text_named_params: [{ param_name: "what", example: "ferns" }] },
    },
    { type: "FOOTER", text: "Demo Shop" },
    {
      type: "BUTTONS",
      buttons: [
        { type: "QUICK_REPLY", text: "Stop" },
        { type: "URL", text: "Look" },
      ],
    },
  ],
};

const item = (type: string, body: unknown, more: Partial<SimItem> = {}): SimItem => ({
  wamid: "wamid.A",
  direction: "out",
  at: 0,
  type,
  body,
  text: "as it was",
  ...more,
});

it("a template is drawn with its parts, its variables filled, and only its quick replies to be tapped", () => {
  const parameters = (...texts: string[]) => texts.map((text) => ({ type: "text", text }));
  const body = {
    name: "sale",
    language: { code: "en" },
    components: [
      { type: "header", parameters: parameters("today") },
      { type: "body", parameters: parameters("Ferns", "5 NIS") },
    ],
  };
  const buttons = [
    { id: "stop", title: "Stop" },
    { id: "Look", title: "Look" },
  ];
  expect(bubbleOf(item("template", body, { buttons }), [sale])).toMatchObject({
    key: keyOf("wamid.A"),
    from: "business",
    header: "Only today",
    text: "Ferns at 5 NIS, only Ferns.",
    footer: "Demo Shop",
    buttons: [
      { id: "stop", kind: "reply" },
      { id: "Look", kind: "link" },
    ],
  });
});

it.each([
  ["a template that is gone", "template", { name: "gone", language: { code: "en" } }],
  ["a body that is nothing", "interactive", null],
  ["a kind that nobody knows", "hologram", { depth: 3 }],
])("%s keeps its readable text", (_name, type, body) => {
  expect(bubbleOf(item(type, body), [sale])).toMatchObject({ text: "as it was", buttons: [] });
});

it("a chosen row reads as its title", () => {
  const body = { type: "list_reply", list_reply: { id: "a", title: "Aloe vera" } };
  expect(bubbleOf(item("interactive", body, { direction: "in" }), [])).toMatchObject({
    from: "customer",
    text: "Aloe vera",
  });
});

it("examples are taken from the template, and stand in for what has none", () => {
  expect(exampleOf(sale)).toEqual([
    { type: "text", name: "what", text: "ferns" },
    { type: "text", name: "price", text: "…" },
  ]);
});

it("what has not left reads as it would arrive", () => {
  const body = [
    { type: "text" as const, text: "Ferns" },
    { type: "text" as const, text: "5 NIS" },
  ];
  const template = { name: "sale", language: "en", body };
  expect(wordsOf({ type: "template", template }, [sale])).toBe("Ferns at 5 NIS, only Ferns.");
});
