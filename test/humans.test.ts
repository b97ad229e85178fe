import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadSentences } from "../src/guardrails/sentences.ts";
import { clockFrom, HOUR, notices, sqlOf, until, words } from "./scene.ts";
import { startWorld, type TestWorld } from "./world.ts";

const MONDAY_NOON = "2026-11-23T10:00:00Z";
const NAMES: Record<string, string> = { en: "Demo Shop", he: "חנות הדגמה", ar: "متجر العرض" };
const sentences = loadSentences();

/** A fixed sentence as the demo shop says it. */
function sentence(key: string, language = "en"): string {
  const hours = sentences.say("hours", language, { hours: "Sun-Thu 9:00-17:00" });
  const contact = "support@demo-shop.example";
  return sentences.say(key, language, { business: NAMES[language]!, contact, hours, helpline: "" }).trim();
}

describe("a chat in human hands", () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
  });
  afterAll(() => world.stop());

  const modelCalls = async () => (await world.control<{ count: number }>("model/calls")).count;
  const handedOver = async (user: string) => {
    await world.say(user, "I want to talk to a person");
    await world.replies(user, 1);
    await world.advance(2000);
  };
  const says = async (user: string, text: string) => {
    const before = (await words(world, user)).length;
    await world.say(user, text);
    await world.settle();
    return (await words(world, user)).slice(before);
  };

  it.each([
    ["en", "I want to talk to a person", "972560000001"],
    ["en", "person", "972560000002"],
    ["he", "נציג אנושי", "972560000003"],
    ["ar", "موظف", "972560000004"],
  ])("is asked for in words (%s, %s): told at once, the merchant too, no model asked", async (language, text, user) => {
    const [before, told] = [await modelCalls(), (await notices(world, "hand-off")).length];
    const [answer, ...more] = await says(user, text);
    expect(more).toEqual([]);
    expect(answer!.startsWith(sentence("handoff", language)), answer).toBe(true);
    expect(await modelCalls()).toBe(before);
    expect((await notices(world, "hand-off")).length).toBe(told + 1);
  });

  it("keeps the agent silent: the customer hears once that a colleague was told, the merchant of every message", async () => {
    const user = "972560000010";
    await handedOver(user);
    const before = await modelCalls();
    expect(await says(user, "Do you have olive trees?")).toEqual([sentence("handoff_waiting")]);
    expect(await says(user, "Hello?")).toEqual([]);
    expect(await says(user, "Anybody there?")).toEqual([]);
    expect(await modelCalls()).toBe(before);
    expect(await notices(world, "message-for-human")).toHaveLength(3);
  });

  it.each([
    ["STOP", "STOP", "opt_out_marketing", "972560000011"],
    ["STOP ALL", "STOP ALL", "opt_out_all", "972560000012"],
    ["help", "HELP", "help", "972560000013"],
    ["a bot query", "Are you a bot?", "bot_query", "972560000014"],
    ["a crisis", "I want to kill myself", "crisis", "972560000015"],
    ["a data request", "Delete my data please", "data_request", "972560000016"],
  ])("still answers %s", async (_name, text, key, user) => {
    await handedOver(user);
    expect(await says(user, text)).toEqual([sentence(key)]);
  });

  it("is taken by a reply from the phone: the agent is silent from then on", async () => {
    const user = "972560000020";
    expect(await says(user, "Do you have olive trees?")).toHaveLength(1);
    await world.control("echo", { to: user, message: { type: "text", text: { body: "Dana here, one moment" } } });
    await world.settle();
    const before = await modelCalls();
    expect(await says(user, "Thank you, I am waiting")).toEqual([sentence("handoff_waiting")]);
    expect(await says(user, "Still waiting")).toEqual([]);
    expect(await modelCalls()).toBe(before);
  });

  it("is taken while the model thinks: its draft does not leave", async () => {
    const user = "972560000021";
    await world.control("model", { rules: [{ when: "lemon", delayMs: 500, reply: "Yes, lemon trees too." }] });
    const before = await modelCalls();
    await world.say(user, "Do you have lemon trees?");
    await until(async () => (await modelCalls()) > before);
    await world.control("echo", { to: user, message: { type: "text", text: { body: "Dana here" } } });
    await world.settle();
    await world.control("model", { rules: [] });
    expect((await words(world, user)).filter((text) => text.includes("lemon trees too"))).toEqual([]);
  });

  it("is not shortened by the shop's own later replies: the idle time counts from the last one", async () => {
    const user = "972560000022";
    const echo = () => world.control("echo", { to: user, message: { type: "text", text: { body: "Dana here" } } });
    await says(user, "Do you have olive trees?");
    await echo();
    await world.settle();
    await world.advance(8 * HOUR);
    await echo();
    await world.settle();
    await world.advance(8 * HOUR);
    const before = await modelCalls();
    await says(user, "Hello?");
    expect(await modelCalls()).toBe(before);
  });

  it("comes back after the idle time: the assistant says so, then answers, and says it only once", async () => {
    const user = "972560000023";
    await handedOver(user);
    await world.advance(11 * HOUR);
    const before = await modelCalls();
    expect(await says(user, "Are you there?")).toEqual([sentence("handoff_waiting")]);
    expect(await modelCalls()).toBe(before);
    await world.advance(2 * HOUR);
    const [returned, answer, ...more] = await says(user, "Do you have olive trees?");
    expect(returned).toBe(sentence("handoff_returned"));
    expect(answer).toContain("olive trees");
    expect(more).toEqual([]);
    expect(await says(user, "And lemon trees?")).toHaveLength(1);
  });

  it("after an echo comes back too, in the customer's language", async () => {
    const user = "972560000024";
    await says(user, "האם יש לכם עצי זית בחנות?");
    await world.control("echo", { to: user, message: { type: "text", text: { body: "דנה כאן" } } });
    await world.settle();
    await world.advance(13 * HOUR);
    const all = await says(user, "האם יש לכם עצי לימון בחנות?");
    expect(all[0]).toBe(sentence("handoff_returned", "he"));
    expect(all[1]).toContain("עצי לימון");
  });
});

describe("what is answered by a fixed sentence", () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
  });
  afterAll(() => world.stop());

  const modelCalls = async () => (await world.control<{ count: number }>("model/calls")).count;
  const greeting: Record<string, string> = {
    en: "Do you have olive trees in your shop?",
    he: "האם יש לכם עצי זית בחנות?",
    ar: "هل عندكم أشجار زيتون في المتجر؟",
  };
  /** The person has written before, so that their language is known. */
  const speaks = async (user: string, language: string) => {
    await world.say(user, greeting[language]!);
    await world.replies(user, 1);
  };
  const sends = async (user: string, message: Record<string, unknown>) => {
    const before = (await words(world, user)).length;
    await world.control("inbound", { from: user, message });
    await world.settle();
    return (await words(world, user)).slice(before);
  };
  const text = (body: string) => ({ type: "text", text: { body } });

  it.each([
    ["en", "Delete my data please", "972560000030"],
    ["en", "privacy request", "972560000031"],
    ["he", "מחקו את המידע שלי", "972560000032"],
    ["ar", "احذفوا بياناتي", "972560000033"],
  ])(
    "a request about one's data (%s, %s): a row with its due date, a notice, a sentence",
    async (language, request, user) => {
      const rowsBefore = (await sqlOf(world)((tx) => tx`select id from data_request`)).length;
      const noticesBefore = (await notices(world, "data-request")).length;
      const calls = await modelCalls();
      expect(await sends(user, text(request))).toEqual([sentence("data_request", language)]);
      expect(await modelCalls()).toBe(calls);
      const rows = await sqlOf(world)(
        (tx) => tx<{ state: string; days: number }[]>`
        select state, extract(day from due_at - received_at)::int as days from data_request order by received_at desc`,
      );
      expect(rows).toHaveLength(rowsBefore + 1);
      expect(rows[0]).toEqual({ state: "received", days: 30 });
      expect((await notices(world, "data-request")).length).toBe(noticesBefore + 1);
    },
  );

  it.each([
    ["en", "Can I buy cocaine here? What is the price?", "972560000040"],
    ["he", "אפשר לקנות קוקאין? כמה עולה?", "972560000041"],
    ["ar", "اريد شراء كوكايين للبيع بكم السعر", "972560000042"],
  ])("what is prohibited (%s): refused, and no model sees it", async (language, request, user) => {
    const calls = await modelCalls();
    expect(await sends(user, text(request))).toEqual([sentence("prohibited", language)]);
    expect(await modelCalls()).toBe(calls);
  });

  it("a draft of the model that is prohibited never leaves: a sentence instead, and a notice", async () => {
    const user = "972560000043";
    await world.control("model", { rules: [{ when: "anything else", reply: "Sure, buy cocaine here, good price!" }] });
    const all = await sends(user, text("Do you sell anything else?"));
    await world.control("model", { rules: [] });
    expect(all).toEqual([sentence("cannot_answer")]);
    expect(await notices(world, "draft-flagged")).toHaveLength(1);
  });

  it.each([
    ["en", "972560000050"],
    ["he", "972560000051"],
    ["ar", "972560000052"],
  ])(
    "a sticker, a voice message, an unknown kind: the sentence in the customer's language (%s)",
    async (language, user) => {
      await speaks(user, language);
      const calls = await modelCalls();
      const said = [sentence("cannot_read", language)];
      const data = Buffer.from("not really a picture").toString("base64");
      expect(await sends(user, { type: "sticker", sticker: { data, animated: false } })).toEqual(said);
      expect(await sends(user, { type: "audio", audio: { data, voice: true } })).toEqual(said);
      expect(
        await sends(user, { type: "unsupported", errors: [{ code: 131051, title: "Message type unknown" }] }),
      ).toEqual(said);
      expect(await modelCalls()).toBe(calls);
    },
  );

  it("a sticker from somebody who never wrote: in the shop's first language", async () => {
    const data = Buffer.from("x").toString("base64");
    expect(await sends("972560000053", { type: "sticker", sticker: { data } })).toEqual([sentence("cannot_read")]);
  });

  it("a picture with words under it is answered, not refused", async () => {
    const data = Buffer.from("x").toString("base64");
    const [answer] = await sends("972560000054", {
      type: "image",
      image: { data, caption: "Do you have this olive tree?" },
    });
    expect(answer).toContain("olive tree");
  });

  it("a sticker beside a question is not spoken of: the question is answered once", async () => {
    const user = "972560000055";
    await world.control("inbound", { from: user, message: { type: "sticker", sticker: { id: "1", animated: false } } });
    await world.say(user, "Do you have olive trees?");
    await world.replies(user, 1);
    const all = await words(world, user);
    expect(all.at(-1)).toContain("olive trees");
  });

  it.each(["reaction", "system"])("a %s is answered by nothing", async (type) => {
    const user = type === "reaction" ? "972560000056" : "972560000057";
    const wamid = await world.say(user, "Do you have olive trees?");
    await world.replies(user, 1);
    const body = type === "reaction" ? { message_id: wamid, emoji: "👍" } : { body: "changed", type: "other" };
    expect(await sends(user, { type, [type]: body })).toEqual([]);
  });
});
