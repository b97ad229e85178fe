import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Kit, startKit } from "./test-kit.ts";

let kit: Kit;

beforeEach(async () => {
  kit = await startKit();
});
afterEach(() => kit.stop());

const script = (...rules: object[]) => kit.control("POST", "/model", { rules });

async function ask(content: string, more: object = {}, signal?: AbortSignal) {
  const response = await fetch(`${kit.sim.url}/v1/chat/completions`, {
    method: "POST",
    headers: { authorization: "Bearer any", "content-type": "application/json" },
    body: JSON.stringify({ model: "m", messages: [{ role: "user", content }], ...more }),
    signal,
  });
  const text = await response.text();
  return { status: response.status, text, json: text.startsWith("{") ? JSON.parse(text) : undefined };
}
const said = async (content: string, more: object = {}) => (await ask(content, more)).json.choices[0].message.content;

describe("the demo assistant", () => {
  it.each([
    ["Do you have plants?", "You wrote: “Do you have plants?”."],
    ["יש לכם צמחים?", "כתבת: “יש לכם צמחים?”."],
    ["هل لديكم نباتات؟", "كتبت: “هل لديكم نباتات؟”."],
    ["Hola, ¿tienen plantas?", "Escribiste: “Hola, ¿tienen plantas?”."],
  ])("answers %s in its language, always the same", async (content, start) => {
    const first = await said(content);
    expect(first.startsWith(start)).toBe(true);
    expect(await said(content)).toBe(first);
  });

  it("fills a JSON schema, and a tool that is insisted on", async () => {
    const schema = {
      type: "object",
      properties: {
        verdict: { type: "string", enum: ["block", "allow"] },
        score: { type: "number" },
        note: { type: ["string", "null"] },
        tags: { type: "array", items: { type: "string" } },
      },
    };
    const response_format = { type: "json_schema", json_schema: { name: "judge", schema } };
    expect(JSON.parse(await said("x", { response_format }))).toEqual({
      verdict: "allow",
      score: 0,
      note: null,
      tags: [],
    });
    const tools = [{ type: "function", function: { name: "judge", parameters: schema } }];
    const { json } = await ask("x", { tools, tool_choice: { type: "function", function: { name: "judge" } } });
    expect(json.choices[0]).toMatchObject({
      finish_reason: "tool_calls",
      message: { content: null, tool_calls: [{ type: "function", function: { name: "judge" } }] },
    });
  });

  it("counts tokens and refuses calls without a key", async () => {
    const { usage } = (await ask("Hello")).json;
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
    expect((await fetch(`${kit.sim.url}/v1/models`)).status).toBe(401);
  });
});

describe("a script", () => {
  it("is chosen by the last user message: substring, pattern, default", async () => {
    await kit.control("POST", "/model", {
      rules: [
        { when: "PRICE", reply: "Ten." },
        { when: "/^order \\d+$/i", reply: "Shipped." },
      ],
      default: { reply: "Pardon?" },
    });
    expect(await said("the price, please")).toBe("Ten.");
    expect(await said("Order 12")).toBe("Shipped.");
    expect(await said("order twelve")).toBe("Pardon?");
    const messages = [
      { role: "user", content: "price" },
      { role: "assistant", content: "Ten." },
      { role: "user", content: [{ type: "text", text: "order 3" }] },
    ];
    expect(await said("", { messages })).toBe("Shipped.");
  });

  it("can be for one system prompt, and for a number of calls", async () => {
    await script({ whenSystem: "you are a judge", json: { verdict: "block" }, times: 1 }, { reply: "plain" });
    const judge = {
      messages: [
        { role: "system", content: "You are a judge." },
        { role: "user", content: "x" },
      ],
    };
    expect(await said("x")).toBe("plain");
    expect(await said("x", judge)).toBe('{"verdict":"block"}');
    expect(await said("x", judge)).toBe("plain");
  });

  it("calls tools, and answers after their result", async () => {
    await script({ when: "order", toolCalls: [{ name: "lookup", arguments: { id: 3 } }], reply: "It is on its way." });
    const first = (await ask("my order")).json.choices[0];
    expect(first.finish_reason).toBe("tool_calls");
    const call = first.message.tool_calls[0];
    expect(call.function).toEqual({ name: "lookup", arguments: '{"id":3}' });
    const messages = [
      { role: "user", content: "my order" },
      first.message,
      { role: "tool", tool_call_id: call.id, content: "shipped" },
    ];
    expect(await said("", { messages })).toBe("It is on its way.");
  });

  it("fails in every way that models fail", async () => {
    await script(
      { when: "limit", status: 429, retryAfter: 1 },
      { when: "garbage", garbage: true },
      { when: "empty", empty: true },
      { when: "huge", reply: "Start. ", sizeBytes: 100_000 },
      { when: "slow", reply: "Late.", delayMs: 40 },
      { when: "hang", hang: true },
    );
    expect(await ask("limit")).toMatchObject({ status: 429, json: { error: { type: "rate_limit_error" } } });
    expect(await ask("garbage")).toMatchObject({ status: 200, json: undefined });
    expect(await said("empty")).toBe("");
    expect((await said("huge")).length).toBe(100_000);
    expect(await said("slow")).toBe("Late.");
    await expect(ask("hang", {}, AbortSignal.timeout(40))).rejects.toThrow();
    await expect.poll(() => kit.sim.model.calls.at(-1)?.outcome).toBe("aborted");
  });

  it("is streamed in chunks that add up", async () => {
    await script({ reply: "One two three four five six seven." });
    const { text } = await ask("x", { stream: true, stream_options: { include_usage: true } });
    const data = text.split("\n\n").flatMap((line) => (line.startsWith("data: ") ? [line.slice(6)] : []));
    expect(data.pop()).toBe("[DONE]");
    const chunks = data.map((line) => JSON.parse(line));
    expect(chunks.map((chunk) => chunk.choices[0]?.delta.content ?? "").join("")).toBe(
      "One two three four five six seven.",
    );
    expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: expect.any(Number) } });
  });

  it("leaves a record of the calls", async () => {
    await script({ when: "a", reply: "b", delayMs: 10 });
    await ask("a");
    const { calls, count } = await kit.control("GET", "/model/calls");
    expect(count).toBe(1);
    expect(calls).toMatchObject([
      { n: 1, model: "m", outcome: "b", status: 200, messages: [{ role: "user", content: "a" }] },
    ]);
    await kit.control("DELETE", "/model");
    expect((await kit.control("GET", "/model/calls")).count).toBe(0);
  });
});
