import { describe, expect, it } from "vitest";
import { toWhatsApp } from "./format.ts";

describe("Markdown as models write it", () => {
  it.each([
    ["bold and italic", "**bold** and *it*", "*bold* and _it_"],
    ["bold and italic with underscores", "__bold__ and _it_", "*bold* and _it_"],
    ["bold italic", "***both***", "_*both*_"],
    ["struck out", "~~gone~~", "~gone~"],
    ["a heading", "# Title\n\ntext", "*Title*\n\ntext"],
    ["a heading with bold inside", "## A **b** c", "*A b c*"],
    ["a list with dashes", "- a\n- b", "- a\n- b"],
    ["a list with stars", "* a\n* b", "- a\n- b"],
    ["a list in a list", "- a\n  - b\n- c", "- a\n  - b\n- c"],
    ["a numbered list that starts at three", "3. x\n4. y", "3. x\n4. y"],
    ["a numbered list with gaps", "1. one\n\n2. two", "1. one\n2. two"],
    ["bold in a list", "- **a:** one\n- **b:** two", "- *a:* one\n- *b:* two"],
    ["a link", "[Shop](https://a.co/x?y=1&z=2)", "Shop (https://a.co/x?y=1&z=2)"],
    ["a link that is its own text", "[https://a.co](https://a.co)", "https://a.co"],
    ["a link in angle brackets", "<https://a.co>", "https://a.co"],
    ["a picture", "![Ficus](https://a/i.png)", "Ficus (https://a/i.png)"],
    ["inline code", "`code *x*`", "`code *x*`"],
    ["a code block", "```js\nlet a = 1;\nlet b = 2;\n```", "```let a = 1;\nlet b = 2;```"],
    ["a quote", "> quote\n> more", "> quote\n> more"],
    ["a table", "| A | B |\n|---|---|\n| 1 | **2** |\n| 3 | 4 |", "A: 1, B: *2*\nA: 3, B: 4"],
    ["a rule between two parts", "a\n\n---\n\nb", "a\n\nb"],
    ["too many empty lines", "a\n\n\n\nb", "a\n\nb"],
    ["a hard line break", "one  \ntwo", "one\ntwo"],
    ["HTML", "<b>x</b> y<br>z", "x y\nz"],
    ["entities", "a &amp; b &lt; c", "a & b < c"],
    ["escaped marks", "\\*not bold\\*", "*not bold*"],
    [
      "Hebrew with bold, italic and a list",
      "**שלום**, *מה* נשמע\n\n- אחת\n- שתיים",
      "*שלום*, _מה_ נשמע\n\n- אחת\n- שתיים",
    ],
    ["Arabic with bold", "السعر **٢٥** شيكل", "السعر *٢٥* شيكل"],
  ])("%s", (_name, markdown, expected) => {
    expect(toWhatsApp(markdown)).toBe(expected);
  });
});

describe("plain text stays as it is written", () => {
  it.each([
    "When do you deliver?",
    "one\ntwo",
    "one\n\ntwo",
    "https://a.co/x?y=1&z=2",
    "https://x.y/a_b_(c)",
    "snake_case_name and @user_name_x",
    "2 * 3 * 4",
    "a*b",
    "5~6~7 and ~5 minutes, ~6 miles",
    "+972 50 000 0000",
    "10:00 - 12:00",
    "-5 degrees, 5 > 3, 100%",
    "#hashtag",
    'AT&T & "x" it\'s',
    "2025. was good",
    "[x]",
    "שלום, מה שלומך? 👨‍👩‍👧 ₪25",
    "",
  ])("%j", (text) => {
    expect(toWhatsApp(text)).toBe(text);
  });
});

it("a very long answer is formatted in reasonable time", () => {
  const started = performance.now();
  toWhatsApp("**a** *b* [c](https://d.e) \n\n- f\n".repeat(2000));
  toWhatsApp("*".repeat(20_000));
  toWhatsApp("[".repeat(5_000));
  expect(performance.now() - started).toBeLessThan(5000);
});

it.each([
  ["**Price:**12 and **Size:**L", "*Price:* 12 and *Size:* L"],
  ["See [our page][1].\n\n[1]: https://a.example/x", "See our page (https://a.example/x)."],
])("%j is read as it is meant", (markdown, text) => {
  expect(toWhatsApp(markdown)).toBe(text);
});
