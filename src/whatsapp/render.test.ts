import { describe, expect, it } from "vitest";
import { renderer } from "./render.ts";

const buttons = (count: number, title = (index: number) => `Choice ${index}`) =>
  Array.from({ length: count }, (_, index) => ({ id: `id-${index}`, title: title(index) }));
const messages = (draft: Omit<Parameters<typeof renderer.messages>[0], "type">) =>
  renderer.messages({ type: "answer", ...draft });

describe("a draft as messages", () => {
  it("is one text, formatted", () => {
    expect(messages({ text: "**Yes**, we do." })).toEqual([{ type: "text", text: "*Yes*, we do." }]);
  });

  it("is split only where it must be", () => {
    expect(messages({ text: "a".repeat(4096) })).toHaveLength(1);
    const parts = messages({ text: "a".repeat(4097) });
    expect(parts).toEqual([
      { type: "text", text: "a".repeat(4096) },
      { type: "text", text: "a" },
    ]);
  });

  it("up to three buttons stand under the text", () => {
    expect(messages({ text: "Which?", buttons: buttons(3) })).toEqual([
      { type: "buttons", text: "Which?", buttons: buttons(3) },
    ]);
  });

  it("four buttons and more become a list, eleven rows and more are cut to ten", () => {
    const [four] = messages({ text: "Which?", buttons: buttons(4) });
    expect(four).toEqual({ type: "list", text: "Which?", button: "…", rows: buttons(4) });
    const [many] = messages({ text: "Which?", buttons: buttons(15) });
    expect(many).toEqual({ type: "list", text: "Which?", button: "…", rows: buttons(10) });
  });

  it("a text of 1,024 stands above its buttons; of a longer one only the last part does", () => {
    const fits = messages({ text: "a".repeat(1024), buttons: buttons(2) });
    expect(fits.map((message) => message.type)).toEqual(["buttons"]);
    const long = messages({ text: `${"word ".repeat(300)}end.`, buttons: buttons(2) });
    expect(long.map((message) => message.type)).toEqual(["text", "buttons"]);
    const last = long.at(-1) as { text: string };
    expect(last.text.length).toBeLessThanOrEqual(1024);
    expect(last.text.endsWith("end.")).toBe(true);
    const words = long.map((message) => (message as { text: string }).text).join(" ");
    expect(words.match(/word/g)).toHaveLength(300);
  });

  it("a text longer than a message above buttons is split, and no part is too long", () => {
    const parts = messages({ text: "Some words of it. ".repeat(600), buttons: buttons(2) });
    expect(parts.at(-1)!.type).toBe("buttons");
    for (const part of parts.slice(0, -1)) expect((part as { text: string }).text.length).toBeLessThanOrEqual(4096);
    expect(
      parts
        .map((part) => (part as { text: string }).text)
        .join(" ")
        .match(/Some/g),
    ).toHaveLength(600);
  });

  it("titles are shortened to Meta's lengths: 20 for a button, 24 for a row, 72 for its description", () => {
    const [short] = messages({
      text: "Which?",
      buttons: buttons(2, (index) => `${index} is a very long button title`),
    });
    const titles = (short as { buttons: { title: string }[] }).buttons.map((button) => button.title);
    expect(titles).toEqual(["0 is a very long bu…", "1 is a very long bu…"]);
    for (const title of titles) expect(title.length).toBeLessThanOrEqual(20);

    const rows = [{ id: "r".repeat(300), title: "t".repeat(30), description: "d".repeat(80) }];
    const [list] = messages({ text: "Which?", list: { button: "Open the list of everything", rows } });
    const {
      button,
      rows: [row],
    } = list as Extract<typeof list, { type: "list" }>;
    expect(button.length).toBeLessThanOrEqual(20);
    expect([row!.id.length, row!.title.length, row!.description!.length]).toEqual([200, 24, 72]);
  });

  it("titles that are the same after shortening are offered once: Meta refuses two alike", () => {
    const [message] = messages({ text: "Which?", buttons: buttons(3, () => "The same long title of all") });
    expect((message as { buttons: unknown[] }).buttons).toHaveLength(1);
  });

  it("a text of nothing still is a message: Meta refuses an empty body", () => {
    expect(messages({ text: "", buttons: buttons(1) })).toEqual([{ type: "buttons", text: "…", buttons: buttons(1) }]);
    expect(messages({ text: "---" })).toEqual([{ type: "text", text: "…" }]);
  });
});
