import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MerchantId } from "../src/domain/ids.ts";
import { chunksOf } from "../src/knowledge/chunk.ts";
import { sectionsOf } from "../src/knowledge/documents.ts";
import { termsOf } from "../src/knowledge/terms.ts";
import { transaction } from "../src/store/database.ts";
import { createKnowledge } from "../src/store/knowledge.ts";
import { openProcess, type Process } from "./stage.ts";
import { apply, demoMerchant, type Scratch, scratchDatabase } from "./world.ts";

type Row = { id: string; lang: string; kind: "answerable" | "unanswerable"; question: string; expect: string[] };

const rows = (file: string): Row[] =>
  readFileSync(join(import.meta.dirname, "knowledge", file), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Row);

describe("documents", () => {
  it("in Markdown are divided by their headings; the document's own name is not part of them", () => {
    const text = "# Shop\n\nHello.\n\n## Delivery\n\nIn 3 days.\n\n### To Eilat\n\nIn 5.\n\n## Returns\n\n14 days.";
    expect(sectionsOf("faq.md", text)).toEqual([
      { title: "Shop", text: "Hello." },
      { title: "Delivery", text: "In 3 days." },
      { title: "Delivery – To Eilat", text: "In 5." },
      { title: "Returns", text: "14 days." },
    ]);
  });

  it("in HTML lose what no reader sees, and keep headings, lists, cells and letters", () => {
    const html = `<head><title>x</title></head><style>p{}</style><script>alert(1)</script>
      <h2 id=a>Care &amp; love</h2><p>Water&nbsp;it.</p><ul><li>Once</li><li>Twice &#8211; never</li></ul><!-- no --><table><tr><td>a</td><td>b</td></tr></table>`;
    const [section] = sectionsOf("care.html", html);
    expect(section!.title).toBe("Care & love");
    expect(section!.text.replace(/\s+/g, " ")).toBe("Water it. - Once - Twice – never a | b |");
  });

  it("in CSV are a section a row, one for each language that has columns of its own", () => {
    const csv = 'sku,name_en,name_he,price\nA1,"Fern, ""large""",שרך,30\n\nA2,Palm,,40\n';
    expect(sectionsOf("list.csv", csv)).toEqual([
      { title: 'Fern, "large"', text: 'Fern, "large"\nsku: A1\nprice: 30' },
      { title: "שרך", text: "שרך\nsku: A1\nprice: 30" },
      { title: "Palm", text: "Palm\nsku: A2\nprice: 40" },
      { title: "A2", text: "A2\nprice: 40" },
    ]);
  });

  it("that are long are cut into passages that a phone shows, between paragraphs and sentences; nothing is lost", () => {
    const text = Array.from(
      { length: 60 },
      (_, n) => `Sentence number ${n} of the long text.${n % 7 === 0 ? "\n\n" : " "}`,
    ).join("");
    const chunks = chunksOf([
      { file: "a.txt", text },
      { file: "b.txt", text: "x".repeat(5000) },
    ]);
    for (const chunk of chunks) expect(chunk.text.length).toBeLessThanOrEqual(900);
    expect(
      chunks
        .filter(({ source }) => source === "a.txt")
        .map((chunk) => chunk.text)
        .join(" ")
        .match(/number \d+/g),
    ).toHaveLength(60);
    expect(
      chunks
        .filter(({ source }) => source === "b.txt")
        .map((chunk) => chunk.text)
        .join(""),
    ).toHaveLength(5000);
  });

  it.each([
    ["How much is shipping?", "What does delivery cost?"],
    ["כמה עולה המשלוח?", "מחיר משלוחים"],
    ["قديش التوصيل", "كلفة توصيل"],
    ["I want my money back", "Refunds"],
  ])("and questions meet in the same terms: %s, %s", (one, other) => {
    expect(termsOf(one).some((term) => termsOf(other).includes(term))).toBe(true);
  });
});

describe("the knowledge answerer on the demo shop", () => {
  let scratch: Scratch;
  let process: Process;
  let merchantId: MerchantId;
  beforeAll(async () => {
    scratch = await scratchDatabase();
    merchantId = (await apply(scratch, demoMerchant())) as MerchantId;
    process = openProcess(scratch, { max: 4 });
  });
  afterAll(async () => {
    await process.stop();
    await scratch.drop();
  });

  const ask = (question: string, lang: string) => createKnowledge(process.store).answer(merchantId, question, lang);

  it.each([
    // The set the data and thresholds were made with, and one written by somebody else from the documents alone.
    ["dev.jsonl", { right: 0.93, abstained: 0.98, answered: 90 }],
    ["unseen.jsonl", { right: 0.9, abstained: 0.95, answered: 12 }],
  ])("%s: right when it answers, silent when the documents do not know", { timeout: 120_000 }, async (file, least) => {
    const count = { answered: 0, right: 0, abstained: 0, unanswerable: 0 };
    for (const row of rows(file)) {
      const answer = await ask(row.question, row.lang);
      if (row.kind === "unanswerable") {
        count.unanswerable++;
        if (answer.type === "abstain") count.abstained++;
      } else if (answer.type === "answer") {
        count.answered++;
        if (row.expect.every((words) => answer.text.includes(words))) count.right++;
      }
    }
    expect(count.right / count.answered).toBeGreaterThanOrEqual(least.right);
    expect(count.abstained / count.unanswerable).toBeGreaterThanOrEqual(least.abstained);
    expect(count.answered).toBeGreaterThanOrEqual(least.answered);
  });

  it.each([
    ["How much does delivery cost?", "en", "25 NIS"],
    ["how much does deliverry cost", "en", "25 NIS"],
    ["כמה עולה משלוח?", "he", "25"],
    ["كم تكلفة التوصيل؟", "ar", "25"],
  ])("%s is answered with its source, typos and all", async (question, lang, words) => {
    const answer = await ask(question, lang);
    expect(answer).toMatchObject({ type: "answer", cites: { source: `knowledge/faq.${lang}.md` } });
    expect((answer as { text: string }).text).toContain(words);
  });

  it.each(["", "???", "👍", "the of and", "x".repeat(5000), "'; drop table inbox; --"])(
    "%j is not answered, and does no harm",
    async (question) => {
      expect(await ask(question, "en")).toMatchObject({ type: "abstain" });
    },
  );

  it("another merchant's documents are not searched", async () => {
    const other = demoMerchant((config) => {
      config.slug = "other";
      config.wabas = [
        { id: "202290129340398", numbers: [{ id: "206540352242922", display: "+972550783881", coexistence: false }] },
      ];
      config.knowledgeTexts = [{ file: "a.md", text: "## Do you sell bicycles?\n\nYes, red ones." }];
    });
    const otherId = (await apply(scratch, other)) as MerchantId;
    const knowledge = createKnowledge(process.store);
    expect(await knowledge.answer(otherId, "Do you sell bicycles?", "en")).toMatchObject({
      type: "answer",
      text: "Yes, red ones.",
    });
    expect(await ask("Do you sell bicycles?", "en")).toMatchObject({ type: "abstain" });
    expect(await knowledge.passages(otherId, "How much does delivery cost?", "en", 5)).toEqual([]);
  });

  it("documents that changed are read anew, those that did not are left", async () => {
    const ids = () =>
      transaction(
        process.store.sql,
        [merchantId],
        (tx) =>
          tx<{ id: string }[]>`select id from knowledge_chunk where merchant_id = ${merchantId} order by id limit 3`,
      );
    const before = await ids();
    await apply(
      scratch,
      demoMerchant((config) => (config.name = "Demo Shop again")),
    );
    expect(await ids()).toEqual(before);
    await apply(
      scratch,
      demoMerchant((config) => (config.knowledgeTexts = [{ file: "a.md", text: "## Only this\n\nNothing else." }])),
    );
    expect(await ask("How much does delivery cost?", "en")).toMatchObject({ type: "abstain" });
    expect(await ask("only this?", "en")).toMatchObject({ type: "abstain" });
  });
});
