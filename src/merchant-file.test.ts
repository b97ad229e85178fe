import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EsekError } from "./errors.ts";
import { readMerchantFile } from "./merchant-file.ts";

const DEMO = join(import.meta.dirname, "../merchants/demo");

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "esek-merchant-"));
  cpSync(DEMO, folder, { recursive: true });
  file = join(folder, "merchant.yaml");
});
afterEach(() => rmSync(folder, { recursive: true }));

function change(from: string, to: string): void {
  const text = readFileSync(file, "utf8");
  if (!text.includes(from)) throw new Error(`the demo file has no ${from}`);
  writeFileSync(file, text.replace(from, to));
}

function refusal(): EsekError {
  try {
    readMerchantFile(file);
  } catch (err) {
    if (err instanceof EsekError) return err;
    throw err;
  }
  throw new Error("the file was accepted");
}

/** The number of the line that begins so. */
function lineOf(start: string): number {
  return (
    readFileSync(file, "utf8")
      .split("\n")
      .findIndex((line) => line.trimStart().startsWith(start)) + 1
  );
}

describe("a merchant's file", () => {
  it("that is right is read with its defaults and the texts it names", () => {
    const config = readMerchantFile(file);
    expect(config).toMatchObject({
      slug: "demo",
      country: "IL",
      caps: { perDay: 1, perWeek: 3, perMonth: 8 },
      burst: { windowMs: 1200, capMs: 8000 },
      model: { name: "demo-model", timeoutMs: 60_000 },
      humanIdleHours: 12,
    });
    expect(config.promptText).toContain("Demo Shop");
    expect(config.knowledgeTexts.map((entry) => entry.file)).toEqual([
      "knowledge/faq.en.md",
      "knowledge/faq.he.md",
      "knowledge/faq.ar.md",
      "knowledge/catalogue.csv",
      "knowledge/policies.txt",
      "knowledge/care-guide.html",
    ]);
  });

  it.each([
    ["country: IL", "country: Israel", "country:", "country: expected ISO 3166 alpha-2, such as IL"],
    ["zone: Asia/Jerusalem", "zone: Asia/Atlantis", "zone:", "zone: expected an IANA time zone"],
    ["slug: demo", "slug: Demo Shop", "slug:", "slug: expected lower-case letters"],
    [
      '- id: "106540352242922"',
      '- id: "+1 555"',
      '- id: "+1 555"',
      "wabas.0.numbers.0.id: expected Meta's phone number id",
    ],
    [
      "token: { env: DEMO_ACCESS_TOKEN }",
      "token: { env: EAAG-secret }",
      "token:",
      "token.env: expected the name of an environment variable",
    ],
    ["languages: [en, he, ar]", "languages: []", "languages:", "languages: "],
    ["hours: Sun-Thu 9:00-17:00", 'hours: ""', "hours:", "escalation.hours: "],
  ])("with %s changed to %s is refused with the line and what was expected", (from, to, start, problem) => {
    change(from, to);
    const err = refusal();
    expect(err.code).toBe("merchant/file");
    expect(err.message).toContain(`${file}:${lineOf(start)} ${problem}`);
  });

  it("with a token in the place of its variable's name does not repeat the token", () => {
    change("DEMO_ACCESS_TOKEN", "EAAGsecretvalue");
    expect(refusal().message).not.toContain("EAAGsecretvalue");
  });

  it("with an unknown key is refused by the key's name", () => {
    change("country: IL", "country: IL\nwebsite: https://shop.example");
    expect(refusal().message).toContain("website");
  });

  it("without a required key is refused by its name", () => {
    change("portfolio:", "portfolios:");
    expect(refusal().message).toMatch(/ portfolio: /);
  });

  it("names every problem at once, each with its line", () => {
    change("country: IL", "country: Israel");
    change("zone: Asia/Jerusalem", "zone: Nowhere");
    const lines = refusal().message.split("\n");
    expect(lines).toEqual([
      expect.stringContaining(`:${lineOf("country:")} country: `),
      expect.stringContaining(`:${lineOf("zone:")} zone: `),
    ]);
  });

  it("that is not YAML is refused with the line", () => {
    change("country: IL", "country: [IL");
    expect(refusal().message).toMatch(/merchant\.yaml:\d+ is not YAML: /);
  });

  it.each(["just words", "- a\n- list", "42", "# nothing but a comment"])("that says %j is refused", (text) => {
    writeFileSync(file, text);
    expect(refusal().code).toBe("merchant/file");
  });

  it("that is not there is refused with its path", () => {
    rmSync(file);
    expect(refusal().message).toContain(`cannot read ${file}`);
  });
});

describe("the texts it names", () => {
  it.each([
    ["empty", "", "is empty"],
    ["nothing but spaces", " \n\t\n", "is empty"],
    ["binary", Buffer.from([0x50, 0x4b, 0x03, 0x04, 0x00, 0x01]), "is not UTF-8 text"],
    ["in another encoding", Buffer.from([0xf9, 0xec, 0xe5, 0xed]), "is not UTF-8 text"],
    ["huge", "a".repeat(200_001), "has 200001 bytes; the limit is 200000"],
  ])("a prompt that is %s is refused by its path", (_name, content, problem) => {
    writeFileSync(join(folder, "prompt.md"), content);
    const err = refusal();
    expect(err.code).toBe("merchant/file");
    expect(err.message).toContain(`${join(folder, "prompt.md")} ${problem}`);
  });

  it("a prompt at the limit is read", () => {
    writeFileSync(join(folder, "prompt.md"), "a".repeat(200_000));
    expect(readMerchantFile(file).promptText).toHaveLength(200_000);
  });

  it("a knowledge file that is not there is refused, and a folder in its place too", () => {
    change("knowledge/policies.txt", "prices.md");
    expect(refusal().message).toContain(join(folder, "prices.md"));
    change("prices.md", ".");
    expect(refusal().code).toBe("merchant/file");
  });
});
