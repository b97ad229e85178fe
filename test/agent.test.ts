import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MerchantConfig } from "../src/domain/merchant.ts";
import { decideOutbound } from "../src/policy/outbound-gate.ts";
import { explain } from "../src/store/inspect.ts";
import { notices, sqlOf, until, words } from "./scene.ts";
import { demoMerchant, startWorld, type TestWorld } from "./world.ts";

type Tool = MerchantConfig["tools"][number];
type Call = { messages: { role: string; text: string }[]; tools: string[]; model: string };

let world: TestWorld;
let shop: Server;
let shopOrigin: string;
let asked: { path: string; key: string; body: string; auth: string }[] = [];
let people = 0;

const someone = () => `9725700${String(++people).padStart(5, "0")}`;
const rules = (...list: Record<string, unknown>[]) => world.control("model", { rules: list });
const calls = async () => (await world.control<{ calls: Call[] }>("model/calls")).calls;
const call = (name: string, args: unknown) => ({ toolCalls: [{ name, arguments: args }] });
const tool = (name: string, more: Partial<Tool> = {}): Tool => ({
  name,
  description: "a call of the tests' own shop",
  method: "GET",
  url: `${shopOrigin}/${name}`,
  parameters: {},
  headers: {},
  act: false,
  timeoutMs: 1000,
  ...more,
});

async function read(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

beforeAll(async () => {
  shop = createServer((request, response) => {
    void read(request).then((body) => {
      const path = request.url ?? "";
      asked.push({
        path,
        body,
        key: String(request.headers["idempotency-key"]),
        auth: String(request.headers.authorization),
      });
      if (path.startsWith("/slow")) return void setTimeout(() => response.end("late"), 3000);
      if (path.startsWith("/large")) return void response.end("x".repeat(200_000));
      if (path.startsWith("/away")) return void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
      if (path.startsWith("/broken")) return void response.writeHead(500, { "content-type": "text/plain" }).end("oops");
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ path, done: true }));
    });
  });
  await new Promise<void>((resolve) => shop.listen(0, "127.0.0.1", resolve));
  shopOrigin = `http://127.0.0.1:${(shop.address() as AddressInfo).port}`;
  const merchant = demoMerchant((config) => {
    config.burst = { windowMs: 0, capMs: 0 };
    config.model = { ...config.model, fallback: "second-model", timeoutMs: 1500, prices: { input: 10, output: 30 } };
    config.budgets = { ...config.budgets, turnTokens: 200_000 };
    config.toolHosts = [new URL(shopOrigin).host, "elsewhere.example"];
    config.tools = [
      tool("stock", {
        url: `${shopOrigin}/stock/{item}`,
        parameters: { item: param(), size: param(false) },
        headers: { authorization: "Bearer ${SHOP_KEY}" },
      }),
      tool("cancel_order", { method: "POST", act: true, parameters: { order: param() } }),
      ...["slow", "large", "away", "broken"].map((name) => tool(name)),
      tool("inward", { url: "http://127.0.0.1:9/metadata" }),
      tool("unlisted", { url: "https://not-on-the-list.example/x" }),
      tool("stolen", { headers: { "x-key": "${ESEK_MASTER_KEY}" } }),
    ];
  });
  world = await startWorld({ merchants: [merchant], openOrigins: [shopOrigin], secrets: { SHOP_KEY: "shop-secret" } });
});
afterAll(async () => {
  await world.stop();
  shop.close();
});
beforeEach(async () => {
  await rules();
  asked = [];
});

function param(required = true): Tool["parameters"][string] {
  return { type: "string", description: "a word", required };
}

/** What a person gets for a question, without the disclosure of the first answer. */
async function answer(text: string, who = someone()): Promise<string> {
  const before = (await words(world, who)).length;
  await world.say(who, text);
  await until(async () => (await words(world, who)).length > before, 20_000);
  await world.settle();
  return (await words(world, who)).at(-1)!.replace(/^You're chatting.*\n\n/, "");
}

type Draft = {
  source: string;
  tries: { model: string; error?: string }[];
  tools: { name: string; ok: boolean; error?: string }[];
  cites: string[];
};

/** The record of the last turn: reason, usage, and how the draft came about. */
async function lastTurn(): Promise<{
  reason: string;
  usage: { inputTokens: number; costUsd?: number } | null;
  draft: Draft;
}> {
  const [row] = await sqlOf(world)(
    (tx) =>
      tx<
        { turn: string }[]
      >`select turn_id as turn from decision where subject = 'turn' order by decided_at desc, id desc limit 1`,
  );
  const { decisions } = await explain(world.runtime.store, row!.turn, decideOutbound);
  const last = decisions.findLast((one) => one.subject === "turn") as never as {
    reason: string;
    usage: never;
    facts: { draft: Draft };
  };
  return { reason: last.reason, usage: last.usage, draft: last.facts.draft };
}

describe("a draft", () => {
  it("comes from the model, with its tokens and their price on the record", async () => {
    await rules({ reply: "We have three." });
    expect(await answer("How many cacti?")).toBe("We have three.");
    const { reason, usage, draft } = await lastTurn();
    expect(reason).toBe("agent-answered");
    expect(draft).toMatchObject({ source: "model", tries: [{ model: "demo-model" }], tools: [] });
    expect(usage!.costUsd).toBeGreaterThan(0);
    const spent = await sqlOf(world)(
      (tx) =>
        tx<
          { usd: number; answers: number }[]
        >`select sum(model_usd)::float8 as usd, sum(answers)::int as answers from spend`,
    );
    expect(spent[0]!.answers).toBeGreaterThan(0);
    expect(spent[0]!.usd).toBeGreaterThan(0);
  });

  it("offers choices to tap: three as buttons, more as a list", async () => {
    const who = someone();
    await rules({
      ...call("offer_choices", { text: "Which size?", options: [{ title: "Small" }, { title: "Large" }] }),
    });
    await answer("Which size do you have?", who);
    expect((await world.thread(who)).at(-1)!.body).toMatchObject({ type: "button" });
    const options = ["a", "b", "c", "d"].map((title) => ({ title }));
    await rules({ ...call("offer_choices", { text: "Which one?", options, button: "Choose" }) });
    await answer("Which plants?", who);
    expect((await world.thread(who)).at(-1)!.body).toMatchObject({ type: "list" });
  });

  it("hands the chat over when the model calls for it, and the merchant is told", async () => {
    const before = (await notices(world, "hand-off")).length;
    await rules({ ...call("hand_off", { reason: "upset" }) });
    expect(await answer("This is the third time!")).toContain("I have told a colleague");
    expect((await notices(world, "hand-off")).length).toBe(before + 1);
  });

  it("says nothing when nothing wants an answer", async () => {
    const who = someone();
    await rules({ ...call("end_conversation", {}) });
    await world.say(who, "🙏 bye then");
    await world.settle();
    expect(await words(world, who)).toEqual([]);
    expect((await lastTurn()).reason).toBe("agent-ended");
  });

  it("searches the merchant's documents when the model asks for them", async () => {
    await rules(
      { ...call("search_knowledge", { query: "delivery cost" }), times: 1 },
      { reply: "Delivery costs 25 NIS." },
    );
    await answer("What is delivery?");
    const last = (await calls()).at(-1)!;
    expect(last.messages.at(-1)!.text).toContain("25 NIS");
    expect((await lastTurn()).draft.cites.length).toBeGreaterThan(0);
  });
});

describe("a tool", () => {
  it("is called with its arguments, its secret and a key of the turn; the model reads the answer", async () => {
    await rules({ ...call("stock", { item: "red/fern", size: "S" }), times: 1 }, { reply: "Yes." });
    expect(await answer("Is the red fern in stock?")).toBe("Yes.");
    expect(asked).toMatchObject([{ path: "/stock/red%2Ffern?size=S", auth: "Bearer shop-secret" }]);
    expect(asked[0]!.key).toMatch(/^[0-9a-f]{32}$/);
    expect((await calls()).at(-1)!.messages.at(-1)!.text).toContain('"done":true');
    expect((await lastTurn()).draft.tools).toMatchObject([{ name: "stock", ok: true }]);
  });

  it("that acts is called once a turn, though the model asks twice and a second try asks again", async () => {
    await rules(
      { ...call("cancel_order", { order: "A-1" }), times: 1 },
      { ...call("cancel_order", { order: "A-1" }), times: 1 },
      { status: 500, times: 1 },
      { ...call("cancel_order", { order: "A-1" }), times: 1 },
      { reply: "I have cancelled order A-1." },
    );
    expect(await answer("Please cancel A-1")).toBe("I have cancelled order A-1.");
    expect(asked.filter(({ path }) => path === "/cancel_order")).toHaveLength(1);
  });

  it.each([
    ["slow", "fetch/timeout"],
    ["large", "fetch/too-large"],
    ["away", "fetch/redirect"],
    ["broken", "http/500"],
    ["inward", "tool/host"],
    ["unlisted", "tool/host"],
    ["stolen", "tool/secret"],
  ])("%s is refused as %s, the model is told, and the customer gets an answer", async (name, error) => {
    await rules({ ...call(name, {}), times: 1 }, { reply: "I could not look that up." });
    expect(await answer("Can you check?")).toBe("I could not look that up.");
    expect((await lastTurn()).draft.tools).toMatchObject([{ name, ok: false, error }]);
  });

  it("that nobody knows is answered by the list of those there are", async () => {
    await rules({ ...call("transfer_money", { to: "me" }), times: 1 }, { reply: "I cannot do that." });
    expect(await answer("Send me money")).toBe("I cannot do that.");
  });
});

describe("a model that fails", () => {
  it.each([
    ["an HTTP 500", { status: 500 }, "model/500"],
    ["a rate limit", { status: 429 }, "model/429"],
    ["garbage", { garbage: true }, "model/SyntaxError"],
    ["nothing", { empty: true }, "model/empty"],
    ["200 kB", { sizeBytes: 200_000, reply: "long" }, "model/too-long"],
    ["silence", { hang: true }, "model/TimeoutError"],
    [
      "another language",
      { reply: "Bonjour, merci beaucoup pour votre message, שלום וברכה לכולם מהחנות שלנו בחיפה" },
      "agent/language",
    ],
    ["a deed nobody did", { reply: "Good news, I have refunded your order in full." }, "agent/unkept-promise"],
  ])("with %s is asked once more, by its fallback", async (_what, rule, error) => {
    await rules({ ...rule, times: 1 }, { reply: "Here I am." });
    const said = await answer(
      error === "agent/language" ? "كم سعر التوصيل من فضلكم إلى مدينة حيفا اليوم" : "Are you there?",
    );
    const { draft } = await lastTurn();
    expect(draft.tries[0]).toMatchObject({ model: "demo-model", error });
    expect(draft.tries[1]).toMatchObject({ model: "second-model" });
    expect(said).toContain("Here I am.");
  });

  it("twice leaves it to the merchant's own documents, with their source", async () => {
    await rules({ status: 503 });
    const said = await answer("How much does delivery cost?");
    expect(said).toContain("25 NIS");
    expect(said).toMatch(/_[^_]+_$/);
    const { reason, draft } = await lastTurn();
    expect(reason).toBe("knowledge-answered");
    expect(draft).toMatchObject({ source: "knowledge", tries: [{ error: "model/503" }, { error: "model/503" }] });
    expect(draft.cites[0]).toContain("faq.en.md");
  });

  it("twice, where the documents do not know either, gives the sentence with the way to a person, and a notice", async () => {
    const before = (await notices(world, "agent-failed")).length;
    await rules({ status: 503 });
    expect(await answer("Will it rain in Haifa tomorrow?")).toContain("support@demo-shop.example");
    expect((await lastTurn()).reason).toBe("agent-failed");
    expect((await notices(world, "agent-failed")).length).toBe(before + 1);
  });

  it("promises a person: then the chat is handed over", async () => {
    await rules({ reply: "I will pass this on and someone will get back to you." });
    expect(await answer("My plant is sad")).toContain("I have told a colleague");
  });

  it("calls tools for ever: the turn's budget ends it", async () => {
    await rules(
      ...Array.from({ length: 30 }, (_, n) => ({ ...call("stock", { item: `i${n}` }), again: true, times: 1 })),
    );
    await answer("Is everything in stock?");
    expect(asked.length).toBeLessThanOrEqual(14);
    expect((await lastTurn()).draft.tries[0]!.error).toMatch(/^model\//);
  });

  it("dies in the middle of 50 chats: everybody gets an answer, or the sentence with the way to a person", {
    timeout: 120_000,
  }, async () => {
    const everybody = Array.from({ length: 50 }, someone);
    await rules({ delayMs: 400, reply: "Yes, we do." });
    const questions = ["How much does delivery cost?", "Do you have unicorn trees?"];
    const asking = everybody.map(async (who, n) => {
      await new Promise((resolve) => setTimeout(resolve, n * 20));
      await world.say(who, questions[n % 2]!);
    });
    await new Promise((resolve) => setTimeout(resolve, 600));
    await rules({ status: 503 });
    await Promise.all(asking);
    await until(
      async () => (await Promise.all(everybody.map((who) => words(world, who)))).every((list) => list.length === 1),
      60_000,
    );
    await world.settle(30_000);
    const heard = (await Promise.all(everybody.map((who) => words(world, who)))).flat();
    const kinds = {
      model: heard.filter((text) => text.includes("Yes, we do.")).length,
      documents: heard.filter((text) => text.includes("25 NIS")).length,
      sentence: heard.filter((text) => text.includes("support@demo-shop.example")).length,
    };
    expect(kinds.model + kinds.documents + kinds.sentence).toBe(50);
    for (const [kind, count] of Object.entries(kinds)) expect(count, kind).toBeGreaterThan(0);
  });
});

describe("a newer message", () => {
  it("aborts a running model call", async () => {
    const who = someone();
    await rules({ when: "first", delayMs: 30_000, reply: "Too late." }, { reply: "Both answered." });
    await world.say(who, "first question");
    await until(async () => (await calls()).some(({ messages }) => messages.at(-1)!.text.includes("first question")));
    await world.control("model", { rules: [{ reply: "Both answered." }] });
    await world.say(who, "second question");
    await until(async () => (await words(world, who)).length === 1, 10_000);
    expect((await words(world, who))[0]).toContain("Both answered.");
  });
});

describe("a day's budget", () => {
  let other: TestWorld;
  beforeAll(async () => {
    const merchant = demoMerchant((config) => {
      config.burst = { windowMs: 0, capMs: 0 };
      config.budgets = { ...config.budgets, contactAnswersPerDay: 2 };
    });
    other = await startWorld({ merchants: [merchant] });
  });
  afterAll(() => other.stop());

  it("stops the model for one person, answers from the documents, and tells the merchant once", async () => {
    const who = "972570099001";
    const say = async (text: string) => {
      const before = (await words(other, who)).length;
      await other.say(who, text);
      await until(async () => (await words(other, who)).length > before);
      await other.settle();
      return (await words(other, who)).at(-1)!;
    };
    await other.control("model", { rules: [{ reply: "From the model." }] });
    expect(await say("One question about ferns")).toContain("From the model.");
    expect(await say("Another about palms")).toContain("From the model.");
    expect(await say("How much does delivery cost?")).toContain("25 NIS");
    expect(await say("How much does delivery cost to us?")).toContain("25 NIS");
    expect(await notices(other, "budget")).toHaveLength(1);
    await other.say("972570099002", "And me?");
    await until(async () => (await words(other, "972570099002")).length === 1);
    expect((await words(other, "972570099002"))[0]).toContain("From the model.");
  });

  it("a loop between two machines ends in human hands", async () => {
    const who = "972570099003";
    await other.control("model", { rules: [{ reply: "Thank you for your message." }] });
    for (let n = 0; n < 7; n++) {
      await other.say(who, "Thank you for your message.");
      await other.settle();
      await other.advance(2000);
    }
    expect(await notices(other, "loop")).toHaveLength(1);
    expect((await words(other, who)).length).toBeLessThan(9);
  });
});
