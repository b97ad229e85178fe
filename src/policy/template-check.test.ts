import { describe, expect, it } from "vitest";
import type { TemplateSend } from "../domain/draft.ts";
import type { Template, TemplateComponent } from "../domain/template.ts";
import { checkTemplate, variables } from "./template-check.ts";

const text = (value: string, name?: string) => ({ type: "text" as const, text: value, ...(name ? { name } : {}) });
const image = { type: "image" as const, link: "https://shop.example/ficus.jpg" };

const BODY: TemplateComponent = { type: "BODY", text: "Hello {{1}}, order {{2}}" };
const NAMED: TemplateComponent = { type: "BODY", text: "Hello {{first_name}}, order {{order}}" };
const PLAIN: TemplateComponent = { type: "BODY", text: "We are open." };
const HEADER: TemplateComponent = { type: "HEADER", format: "TEXT", text: "Order {{1}}" };
const IMAGE: TemplateComponent = { type: "HEADER", format: "IMAGE" };
const LOCATION: TemplateComponent = { type: "HEADER", format: "LOCATION" };
const BUTTONS: TemplateComponent = {
  type: "BUTTONS",
  buttons: [
    { type: "QUICK_REPLY", text: "Stop promotions" },
    { type: "URL", text: "Track", url: "https://shop.example/track/{{1}}" },
    { type: "URL", text: "Shop", url: "https://shop.example" },
    { type: "COPY_CODE", text: "Copy" },
    { type: "FLOW", text: "Book" },
  ],
};
const TRACK = { type: "url" as const, index: 1, text: "77" };
const CODE = { type: "copy-code" as const, index: 3, code: "GREEN10" };
const CAROUSEL: TemplateComponent = {
  type: "CAROUSEL",
  cards: [
    {
      components: [
        { type: "HEADER", format: "IMAGE" },
        { type: "BODY", text: "{{1}}" },
      ],
    },
    {
      components: [
        { type: "HEADER", format: "IMAGE" },
        { type: "BODY", text: "{{1}}" },
      ],
    },
  ],
};

const template = (components: TemplateComponent[], changes: Partial<Template> = {}): Template => ({
  name: "order_update",
  language: "en",
  category: "UTILITY",
  status: "APPROVED",
  components,
  ...changes,
});
const send = (values: Omit<TemplateSend, "name" | "language"> = {}): TemplateSend => ({
  name: "order_update",
  language: "en",
  ...values,
});

describe("a template and its language", () => {
  const two = { body: [text("Dana"), text("77")] };
  const rows = [
    ["does not exist at all", { template: undefined, languages: [] }, "template-unknown", '"order_update" does not exist at this WABA'],
    ["has no such language; none stands in for it", { template: undefined, languages: ["en_US", "he"] }, "template-language-missing", '"order_update" has no "en"; it has en_US, he'],
    ["is pending", { template: template([BODY], { status: "PENDING" }), languages: ["en"] }, "template-not-approved", '"order_update" en is PENDING'],
    ["is paused", { template: template([BODY], { status: "PAUSED" }), languages: ["en"] }, "template-not-approved", '"order_update" en is PAUSED'],
    ["is disabled", { template: template([BODY], { status: "DISABLED" }), languages: ["en"] }, "template-not-approved", '"order_update" en is DISABLED'],
    ["has a status of which nobody has heard", { template: template([BODY], { status: "LIMITED_REVIEW" }), languages: ["en"] }, "template-not-approved", '"order_update" en is LIMITED_REVIEW'],
  ] as const; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, facts, reason, detail) => {
    expect(checkTemplate(send(two), facts)).toEqual({ reason, detail });
  });
});

describe("the values of a template", () => {
  type Values = Parameters<typeof send>[0];
  const rows: [when: string, components: TemplateComponent[], values: Values, problem: string | undefined][] = [
    ["nothing to fill in", [PLAIN], {}, undefined],
    ["every variable filled in", [BODY], { body: [text("Dana"), text("77")] }, undefined],
    ["one too few", [BODY], { body: [text("Dana")] }, "the body wants 2 variables, got 1"],
    ["none", [BODY], {}, "the body wants 2 variables, got 0"],
    ["one too many", [BODY], { body: [text("a"), text("b"), text("c")] }, "the body wants 2 variables, got 3"],
    ["one for a text that has none", [PLAIN], { body: [text("a")] }, "the body wants 0 variables, got 1"],
    ["an empty one", [BODY], { body: [text("Dana"), text("")] }, "a body variable is empty"],
    ["one of blanks", [BODY], { body: [text("Dana"), text("   ")] }, "a body variable is empty"],
    ["a line break", [BODY], { body: [text("Dana\nCohen"), text("77")] }, "a body variable has a line break, a tab or a run of spaces"],
    ["a tab", [BODY], { body: [text("Dana\tCohen"), text("77")] }, "a body variable has a line break, a tab or a run of spaces"],
    ["four spaces in a row", [BODY], { body: [text("Dana    Cohen"), text("77")] }, undefined],
    ["five spaces in a row", [BODY], { body: [text("Dana     Cohen"), text("77")] }, "a body variable has a line break, a tab or a run of spaces"],
    ["Hebrew with niqqud", [BODY], { body: [text("דָּנָה"), text("77")] }, undefined],
    ["a price and a date", [BODY], { body: [{ type: "currency", fallback: "€5", code: "EUR", amount1000: 5000 }, { type: "date-time", fallback: "Friday" }] }, undefined],
    ["named variables, in any order", [NAMED], { body: [text("77", "order"), text("Dana", "first_name")] }, undefined],
    ["a named variable missing", [NAMED], { body: [text("Dana", "first_name")] }, "the body wants order"],
    ["named variables without their names", [NAMED], { body: [text("Dana"), text("77")] }, "the body wants first_name, order"],
    ["a header's variable", [HEADER, PLAIN], { header: [text("77")] }, undefined],
    ["a header's variable missing", [HEADER, PLAIN], {}, "the header wants 1 variables, got 0"],
    ["a header given to a template that has none", [PLAIN], { header: [text("77")] }, "it has no header, but one was given"],
    ["an image for an image header", [IMAGE, PLAIN], { header: [image] }, undefined],
    ["no image for an image header", [IMAGE, PLAIN], {}, "the header wants a image"],
    ["a text for an image header", [IMAGE, PLAIN], { header: [text("77")] }, "the header wants a image"],
    ["a place for a location header", [LOCATION, PLAIN], { header: [{ type: "location", latitude: 32.1, longitude: 34.8 }] }, undefined],
    ["no place for a location header", [LOCATION, PLAIN], {}, "the header wants a location"],
    ["all dynamic buttons filled in", [PLAIN, BUTTONS], { buttons: [TRACK, CODE] }, undefined],
    ["a payload for a quick reply too", [PLAIN, BUTTONS], { buttons: [TRACK, CODE, { type: "quick-reply", index: 0, payload: "esek:stop-promotions" }] }, undefined],
    ["a dynamic address missing", [PLAIN, BUTTONS], { buttons: [CODE] }, "button 1 wants its value"],
    ["a coupon code missing", [PLAIN, BUTTONS], { buttons: [TRACK] }, "button 3 wants its value"],
    ["a value for a button of another kind", [PLAIN, BUTTONS], { buttons: [TRACK, CODE, { type: "url", index: 0, text: "x" }] }, "button 0 is a quick_reply, got a value for url"],
    ["a value for a button that is not there", [PLAIN, BUTTONS], { buttons: [TRACK, CODE, { type: "flow", index: 9 }] }, "there is no button 9"],
    ["buttons given to a template that has none", [PLAIN], { buttons: [TRACK] }, "it has no buttons, but values for some were given"],
    ["a one-time code in its button", [PLAIN, { type: "BUTTONS", buttons: [{ type: "OTP", text: "Copy" }] }], { buttons: [{ type: "url", index: 0, text: "123456" }] }, undefined],
    ["a one-time code missing", [PLAIN, { type: "BUTTONS", buttons: [{ type: "OTP", text: "Copy" }] }], {}, "button 0 wants its value"],
    ["every card of a carousel", [PLAIN, CAROUSEL], { cards: [{ header: image, body: [text("Ficus")] }, { header: image, body: [text("Cactus")] }] }, undefined],
    ["a card too few", [PLAIN, CAROUSEL], { cards: [{ header: image, body: [text("Ficus")] }] }, "the carousel wants 2 cards, got 1"],
    ["a card without its words", [PLAIN, CAROUSEL], { cards: [{ header: image, body: [text("Ficus")] }, { header: image }] }, "card 1: the body wants 1 variables, got 0"],
    ["a card without its image", [PLAIN, CAROUSEL], { cards: [{ body: [text("Ficus")] }, { header: image, body: [text("Cactus")] }] }, "card 0: the header wants a image"],
    ["cards given to a template that is no carousel", [PLAIN], { cards: [{ header: image }] }, "it is no carousel, but cards were given"],
    ["an offer without its end", [PLAIN, { type: "LIMITED_TIME_OFFER" }], {}, "the offer wants its expiry time"],
    ["an offer with its end", [PLAIN, { type: "LIMITED_TIME_OFFER" }], { limitedTimeOfferMs: 1_790_000_000_000 }, undefined],
    ["a footer wants nothing", [PLAIN, { type: "FOOTER", text: "Esek" }], {}, undefined],
    ["component types in small letters", [{ type: "body", text: "{{1}}" }], {}, "the body wants 1 variables, got 0"],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, components, values, problem) => {
    expect(checkTemplate(send(values), { template: template(components), languages: ["en"] })).toEqual(
      problem && { reason: "template-variables-missing", detail: `"order_update" en: ${problem}` },
    );
  });
});

describe("the variables of a text", () => {
  it.each([
    ["none", undefined, []],
    ["none", "We are open.", []],
    ["numbered ones, in order, each once", "{{1}} and {{2}} and {{1}}", ["1", "2"]],
    ["named ones, with blanks inside the braces", "{{ first_name }}", ["first_name"]],
    ["single braces are no variable", "{1}", []],
  ])("%s", (_when, words, names) => {
    expect(variables(words)).toEqual(names);
  });
});
