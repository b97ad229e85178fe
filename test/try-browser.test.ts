import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createApiKey } from "../src/store/api-keys.ts";
import { startAt, Visitor } from "./try-kit.ts";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const DESKTOP = { width: 1280, height: 800 };
const PHONE = { width: 390, height: 844 };

const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser) console.warn(`No browser at ${CHROMIUM}: the tests of the page are skipped. Set CHROMIUM to one.`);

describe.skipIf(!hasBrowser)("the page in a browser", () => {
  let world: Awaited<ReturnType<typeof startAt>>;
  let visitor: Visitor;
  let browser: Browser;
  const problems: string[] = [];
  beforeAll(async () => {
    world = await startAt();
    visitor = new Visitor(world.url);
    browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
    if (process.env.SHOTS) mkdirSync(process.env.SHOTS, { recursive: true });
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    await world.stop();
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    expect(problems.splice(0)).toEqual([]);
  });

  /** The page as a customer sees it; whatever the browser complains of fails the test. */
  const open = async (
    language: string,
    options: BrowserContextOptions = {},
  ): Promise<{ page: Page; person: string }> => {
    const person = await visitor.newcomer(language);
    const context = await browser.newContext({ viewport: DESKTOP, ...options });
    const page = await context.newPage();
    page.on("console", (line) => ["error", "warning"].includes(line.type()) && problems.push(line.text()));
    page.on("pageerror", (err) => problems.push(err.message));
    page.on(
      "request",
      (request) =>
        request.url().startsWith(world.url) ||
        request.url().startsWith("blob:") ||
        problems.push(`left the page: ${request.url()}`),
    );
    await page.goto(world.url);
    await page.locator("#chips button").first().waitFor();
    await page.selectOption("#person", person);
    await page.locator(".empty").waitFor();
    return { page, person };
  };
  const say = async (page: Page, text: string) => {
    await page.fill("#write", text);
    await page.press("#write", "Enter");
  };
  const answered = (page: Page, count = 1) =>
    page
      .locator('.msg[data-from="business"] .tick[data-tick="read"]')
      .nth(count - 1)
      .waitFor();
  const shot = async (page: Page, name: string) =>
    process.env.SHOTS && page.screenshot({ path: `${process.env.SHOTS}/${name}.png` });
  const serious = async (page: Page) => {
    // Through the debugger's own world: the page's policy lets no foreign script in.
    await page.evaluate(AXE);
    const { violations } = await page.evaluate(() =>
      (
        globalThis as unknown as {
          axe: {
            run: () => Promise<{
              violations: { id: string; impact: string; nodes: { target: unknown; failureSummary: string }[] }[];
            }>;
          };
        }
      ).axe.run(),
    );
    return violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.target} ${node.failureSummary}`).join(" | ")}`);
  };

  it("a message typed and sent with Enter is answered, ticks turn blue on both, and the keyboard opens the record", async () => {
    const { page } = await open("en");
    await say(page, "When do you *deliver*?");
    await answered(page);
    await page.locator('.msg[data-from="customer"] .tick[data-tick="read"]').waitFor();
    expect(await page.locator('.msg[data-from="customer"] strong').textContent()).toBe("deliver");
    expect(await page.locator("#presence").textContent()).toBe("online");
    await page.locator("#write").press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.locator(".steps li").nth(4).waitFor();
    expect(await page.locator(".steps").textContent()).toContain("agent-answered");
    await shot(page, "en-desktop-light-why");
    await page.keyboard.press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.locator(".steps h3", { hasText: "Words weighed" }).waitFor();
    expect(await serious(page)).toEqual([]);
  });

  it("Shift+Enter makes a line; a suggestion is sent by one click; markup is shown as text", async () => {
    const { page } = await open("en");
    await page.fill("#write", "one");
    await page.locator("#write").press("End");
    await page.locator("#write").press("Shift+Enter");
    await page.keyboard.type("<img src=x onerror=alert(1)>");
    await page.keyboard.press("Enter");
    await page.locator("#chips button").first().click();
    await answered(page);
    expect(await page.locator('.msg[data-from="customer"] .words').first().textContent()).toBe(
      "one\n<img src=x onerror=alert(1)>",
    );
    expect(await page.locator(".msg img").count()).toBe(0);
  });

  it.each([
    ["he", "light", DESKTOP],
    ["he", "dark", PHONE],
    ["ar", "light", PHONE],
    ["ar", "dark", DESKTOP],
    ["de", "dark", PHONE],
    ["en", "dark", DESKTOP],
  ] as const)(
    "%s, %s: right direction, nothing wider than the screen, nothing serious for axe, the buttons can be tapped",
    async (language, colorScheme, viewport) => {
      const { page } = await open(language, { colorScheme, viewport });
      const isRtl = language === "he" || language === "ar";
      expect(await page.locator("#chat").getAttribute("dir")).toBe(isRtl ? "rtl" : "ltr");
      const name = `${language}-${viewport === PHONE ? "phone" : "desktop"}-${colorScheme}`;
      await shot(page, `${name}-empty`);
      expect(await serious(page)).toEqual([]);
      await page.locator("#chips button").nth(2).click();
      await answered(page);
      const [mine, theirs] = await Promise.all(
        ["customer", "business"].map((from) => page.locator(`.msg[data-from="${from}"]`).first().boundingBox()),
      );
      expect(mine!.x < theirs!.x).toBe(isRtl);
      await page.locator(".taps button").first().click();
      await answered(page, 2);
      await shot(page, name);
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
      expect(await serious(page)).toEqual([]);
      if (viewport === PHONE) await page.click("#open-side");
      await page.click("#tab-controls");
      await shot(page, `${name}-controls`);
      expect(await serious(page)).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth <= innerWidth")).toBe(true);
    },
    60_000,
  );

  it("on a phone the record is a drawer that Escape closes, with the focus back on the message", async () => {
    const { page } = await open("en", { viewport: PHONE });
    await say(page, "Hello");
    await answered(page);
    await page.locator("#write").press("ArrowUp");
    await page.keyboard.press("Enter");
    await page.locator("#side.is-open .steps li").first().waitFor();
    expect(await serious(page)).toEqual([]);
    await page.keyboard.press("Escape");
    expect(await page.evaluate("document.getElementById('side').inert")).toBe(true);
    expect(await page.evaluate("document.activeElement.classList.contains('msg')")).toBe(true);
  });

  it("what the gate refuses is seen in the chat with its reason, and a template with its button after the opt-in", async () => {
    const { page } = await open("en");
    await say(page, "Hello");
    await answered(page);
    await page.click("#tab-controls");
    await page.selectOption("#template", "answer_ready");
    await page.click("#send-template");
    await page.locator('.msg[data-from="refused"] .word', { hasText: "no-opt-in" }).waitFor();
    await page.click("#opt-in");
    await page.click("#send-template");
    await page.locator(".taps button", { hasText: "Read the answer" }).waitFor();
    await page.locator('.msg[data-from="refused"]').click();
    await page.locator(".steps .word", { hasText: "block: no-opt-in" }).waitFor();
    await shot(page, "en-desktop-light-refused");
    expect(await serious(page)).toEqual([]);
  });

  it("a list opens as a sheet and its row can be chosen by keyboard", async () => {
    const { page, person } = await open("en");
    await say(page, "Hello");
    await answered(page);
    await sendList(world, visitor, person);
    await page.locator(".taps button", { hasText: "Choose a plant" }).press("Enter");
    await page.locator(".pick-row").nth(1).waitFor();
    await shot(page, "en-desktop-light-list");
    expect(await serious(page)).toEqual([]);
    await page.locator(".pick-row").nth(1).press("Enter");
    await page.locator('.msg[data-from="customer"]', { hasText: "Aloe vera" }).waitFor();
  });

  it("the clock, an error of Meta's and a person taking over all show at once", async () => {
    const { page } = await open("en");
    await say(page, "Hello");
    await answered(page);
    await page.click("#tab-controls");
    await page.selectOption("#fault", "131049");
    await page.locator("#standing li", { hasText: "131049" }).waitFor();
    await say(page, "Hello again");
    await page.locator(".failure", { hasText: "131049" }).waitFor();
    await shot(page, "en-desktop-light-error");
    await page.fill("#staff", "Dana here");
    await page.click("#take-over");
    await page.locator('.msg[data-from="staff"]', { hasText: "Dana here" }).waitFor();
    await page.locator("#standing li", { hasText: "A person has the chat" }).waitFor();
    await page.click("#hand-back");
    await page.locator("#standing li", { hasText: "A person has the chat" }).waitFor({ state: "detached" });
    await page.click('[data-hours="24.02"]');
    await page.locator("#standing li", { hasText: "Window closed" }).waitFor();
    await page.locator(".note").first().waitFor();
  });

  it("a picture is sent from the page and shown in the chat", async () => {
    const { page } = await open("he");
    await page.click("#attach");
    await page.keyboard.press("Enter");
    await expect
      .poll(() =>
        page
          .locator(".photo")
          .evaluateAll((images) => images.map((image) => (image as unknown as { naturalWidth: number }).naturalWidth)),
      )
      .toEqual([480]);
    await answered(page);
  });
});

describe.skipIf(!hasBrowser)("the page in live mode", () => {
  it("asks once for an operator's key, says when it is wrong, and keeps it out of every address", async () => {
    const world = await startAt({
      META_APP_SECRET: "live-app-secret",
      META_VERIFY_TOKEN: "live-verify",
      ESEK_MASTER_KEY: randomBytes(32).toString("base64"),
      ESEK_MERCHANT_FILE: "merchants/demo/merchant.yaml",
      GRAPH_API_URL: "http://127.0.0.1:9",
    });
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
    try {
      const { store } = world.esek.runtime;
      const [merchantId] = await store.merchants.all();
      const { key } = await createApiKey(store, merchantId!, "tests", ["operator"], "live");
      const page = await browser.newPage({ viewport: DESKTOP });
      const addresses: string[] = [];
      page.on("request", (request) => addresses.push(request.url()));
      await page.goto(world.url);
      await page.fill("#key-input", "esek_live_wrong");
      await page.press("#key-input", "Enter");
      await page.locator("#key-error", { hasText: "no active operator's key" }).waitFor();
      if (process.env.SHOTS) await page.screenshot({ path: `${process.env.SHOTS}/live-key.png` });
      await page.fill("#key-input", key);
      await page.press("#key-input", "Enter");
      await page.locator("#chips button").first().click({ timeout: 30_000 });
      await page.locator('.msg[data-from="business"] .tick[data-tick="read"]').waitFor({ timeout: 15_000 });
      await page.reload();
      await page.locator(".msg").first().waitFor();
      expect(addresses.filter((address) => address.includes("esek_live"))).toEqual([]);
    } finally {
      await browser.close();
      await world.stop();
    }
  }, 90_000);
});

/** A list as an agent may send one: straight to the simulator's Graph API. */
async function sendList(world: Awaited<ReturnType<typeof startAt>>, visitor: Visitor, person: string): Promise<void> {
  const { people, shops } = await visitor.get<{ people: { key: string; number: string }[]; shops: { id: string }[] }>(
    "state",
  );
  const to = people.find((one) => one.key === person)!.number.replace(/\D/g, "");
  const rows = [
    { id: "fern", title: "Boston fern", description: "Bright shade, water once a week" },
    { id: "aloe", title: "Aloe vera", description: "Sun, water twice a month" },
  ];
  const interactive = {
    type: "list",
    header: { type: "text", text: "Plants of the week" },
    body: { text: "Which one would you like to hear about?" },
    action: { button: "Choose a plant", sections: [{ title: "Indoor", rows }] },
  };
  const { url } = JSON.parse(readFileSync(`${world.dataDir}/simulator.json`, "utf8")) as { url: string };
  const response = await fetch(`${url}/v26.0/${shops[0]!.id}/messages`, {
    method: "POST",
    headers: { authorization: "Bearer demo-access-token", "content-type": "application/json" },
    body: JSON.stringify({ messaging_product: "whatsapp", to, type: "interactive", interactive }),
  });
  expect(response.status).toBe(200);
}
