import { describe, expect, it } from "vitest";
import type { MessageContent } from "../domain/event.ts";
import type { Wamid } from "../domain/ids.ts";
import type { Intent, IntentMatch } from "../domain/intent.ts";
import { PRE_CLEARED, undetermined, type Verdict } from "../domain/verdict.ts";
import type { Standing } from "./consent.ts";
import {
  type Command,
  commandsOf,
  decideInbound,
  type InboundFacts,
  isLeftToAnswer,
  isSilenced,
  payloadOf,
  type Said,
  textOfContent,
} from "./inbound.ts";

const NOW = new Date("2026-11-22T12:00:00Z");
const DAY = 24 * 3_600_000;
const ago = (ms: number) => new Date(NOW.getTime() - ms);

const FREE: Standing = {
  marketing: { isSuppressed: false, hasOptIn: false },
  utility: { isSuppressed: false, hasOptIn: false },
  isStoppedAtMeta: false,
  isStoppedHere: false,
  hasPendingOptIn: false,
};
const STOPPED: Standing = { ...FREE, marketing: { isSuppressed: true, hasOptIn: false }, isStoppedHere: true };
const facts = (changes: Partial<InboundFacts> = {}): InboundFacts => ({
  standing: FREE,
  isUs: false,
  lastBusinessInitiatedUtility: false,
  now: NOW,
  ...changes,
});

const match = (intent: Intent, changes: Partial<IntentMatch> = {}): IntentMatch => ({
  intent,
  rule: `en:${intent}`,
  score: 1,
  language: "en",
  isWhole: true,
  ...changes,
});

let count = 0;
/** A message of this batch; the matcher's word about it is given, not looked for. */
function said(content: MessageContent | string, intents: IntentMatch[] = [], changes: Partial<Said> = {}): Said {
  count++;
  return {
    id: `event-${count}`,
    seq: count,
    at: ago(1000),
    receivedAt: NOW,
    content: typeof content === "string" ? { type: "text", text: content } : content,
    repliesTo: undefined,
    intents,
    ...changes,
  };
}

const stop = (changes: Partial<Said> = {}) => said("STOP", [match("opt_out")], changes);
const stopAll = (changes: Partial<Said> = {}) =>
  said("never contact me", [match("opt_out", { scope: "all" })], changes);
const start = (changes: Partial<Said> = {}) => said("START", [match("opt_in")], changes);
const question = (changes: Partial<Said> = {}) => said("Do you have cacti?", [], changes);
const tap = (text: string, payload: string, intents: IntentMatch[], repliesTo: Said["repliesTo"]) =>
  said({ type: "button", text, payload }, intents, { repliesTo });
const preference = (value: Said["preference"], changes: Partial<Said> = {}) =>
  said({ type: "unsupported", name: "preference" }, [], { preference: value, ...changes });

const inShort = (command: Command) => {
  if (command.type === "opt-out") return `opt-out ${command.scope} by ${command.source}`;
  if (command.type === "opt-in") return `opt-in by ${command.source}`;
  if (command.type === "answer-later") return `answer-later ${command.isAccepted}`;
  return command.type;
};

describe("the commands of one message", () => {
  const button = (id: string, title: string): MessageContent => ({ type: "button-reply", id, title });
  const list = (id: string, title: string): MessageContent => ({ type: "list-reply", id, title });
  const rows: [when: string, message: Said, facts: InboundFacts, then: string[]][] = [
    ["STOP ends marketing", stop(), facts(), ["opt-out marketing by keyword"]],
    ["STOP inside a sentence does too", said("please stop the offers", [match("opt_out", { isWhole: false })]), facts(), ["opt-out marketing by keyword"]],
    ["STOP ALL ends everything", stopAll(), facts(), ["opt-out all by keyword"]],
    ["STOP from the US ends everything", stop(), facts({ isUs: true }), ["opt-out all by keyword"]],
    ["STOP after a utility message ends everything", stop(), facts({ lastBusinessInitiatedUtility: true }), ["opt-out all by keyword"]],
    ["STOP of who stopped already is still recorded", stop(), facts({ standing: STOPPED }), ["opt-out marketing by keyword"]],
    ["an unclear word is asked about", said("end", [match("ask")]), facts(), ["ask"]],
    ["our own button 'stop promotions' stops", said(button("esek:stop-promotions", "Stop promotions")), facts(), ["opt-out marketing by button"]],
    ["our own button 'keep' keeps", said(button("esek:keep", "Something else")), facts(), ["keep"]],
    ["'yes, write when it is ready'", said(button("esek:answer-later-yes", "Yes")), facts(), ["answer-later true"]],
    ["'no, do not'", said(button("esek:answer-later-no", "No")), facts(), ["answer-later false"]],
    ["the tap on 'your answer is ready' is no command", tap("Read", "esek:held-answer", [], "utility"), facts(), []],
    ["a quick reply under a marketing template stops, by its text", tap("Stop promotions", "Stop promotions", [match("opt_out")], "marketing"), facts(), ["opt-out marketing by button"]],
    ["also with an unclear word", tap("End", "End", [match("ask", { score: 0.6 })], "marketing"), facts(), ["opt-out marketing by button"]],
    ["a quick reply that only contains the word does not", tap("Non-stop flights", "flights", [match("opt_out", { isWhole: false })], "marketing"), facts(), []],
    ["a quick reply under a utility template does not", tap("Cancel", "cancel-order", [match("opt_out")], "utility"), facts(), []],
    ["a plain keyword under a template nobody can name does", tap("STOP", "STOP", [match("opt_out")], undefined), facts(), ["opt-out marketing by button"]],
    ["a weak one there does not", tap("End", "End", [match("opt_out", { score: 0.7 })], undefined), facts(), []],
    ["a list title never does, though it reads like STOP", said(list("tee-1", "Stop"), [match("opt_out")]), facts(), []],
    ["a button title of the merchant's never does", said(button("tee-1", "Stop"), [match("opt_out")]), facts(), []],
    ["a list title is no hand-off either", said(list("row-1", "Human"), [match("handoff")]), facts(), []],
    ["START lifts a stop", start(), facts({ standing: STOPPED }), ["opt-in by keyword"]],
    ["START lifts Meta's stop as far as it is ours to lift", start(), facts({ standing: { ...FREE, marketing: { isSuppressed: true, hasOptIn: false }, isStoppedAtMeta: true } }), ["opt-in by keyword"]],
    ["START makes a pending opt-in real", start(), facts({ standing: { ...FREE, hasPendingOptIn: true } }), ["opt-in by keyword"]],
    ["START with nothing to lift is an ordinary message", start(), facts(), []],
    ["START on a template's button lifts nothing", tap("Start", "Start", [match("opt_in")], "marketing"), facts({ standing: STOPPED }), []],
    ["who asks for a person gets one", said("a human please", [match("handoff")]), facts(), ["hand-off"]],
    ["STOP counts before START in one message", said("stop. start", [match("opt_in"), match("opt_out")]), facts({ standing: STOPPED }), ["opt-out marketing by keyword"]],
    ["STOP counts before a hand-off in one message", said("stop, and get me a human", [match("handoff"), match("opt_out", { isWhole: false })]), facts(), ["opt-out marketing by keyword"]],
    ["Meta's stop is an opt-out of marketing, from the US too", preference("stop"), facts({ isUs: true }), ["opt-out marketing by meta-preference"]],
    ["Meta's resume is passed on as Meta's", preference("resume"), facts({ standing: STOPPED }), ["opt-in by meta-preference"]],
    ["Meta's sign-up is an opt-in with proof", preference("signup"), facts(), ["opt-in by signup"]],
    ["a preference that Meta adds tomorrow does nothing", preference("unsupported"), facts(), []],
    ["an ordinary question is no command", question(), facts(), []],
    ["a STOP of 29 days ago", stop({ at: ago(29 * DAY) }), facts(), ["opt-out marketing by keyword"]],
    ["a STOP of 31 days ago still counts", stop({ at: ago(31 * DAY) }), facts(), ["opt-out marketing by keyword"]],
    ["Meta's stop of 31 days ago still counts", preference("stop", { at: ago(31 * DAY) }), facts(), ["opt-out marketing by meta-preference"]],
    ["a START of exactly 30 days ago counts", start({ at: ago(30 * DAY) }), facts({ standing: STOPPED }), ["opt-in by keyword"]],
    ["a START of a second more does not", start({ at: ago(30 * DAY + 1000) }), facts({ standing: STOPPED }), []],
    ["Meta's resume of 31 days ago does not", preference("resume", { at: ago(31 * DAY) }), facts({ standing: STOPPED }), []],
    ["a hand-off of 31 days ago does not", said("human", [match("handoff")], { at: ago(31 * DAY) }), facts(), []],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, message, given, then) => {
    expect(commandsOf([message], given).map(inShort)).toEqual(then);
  });

  it("a stop in the chat is confirmed, Meta's own is not; a START is answered, Meta's resume is not", () => {
    const written = stop();
    const meta = preference("stop");
    const lifted = start();
    const resumed = preference("resume");
    expect(commandsOf([written], facts())).toEqual([
      {
        type: "opt-out",
        said: written,
        scope: "marketing",
        source: "keyword",
        rule: "en:opt_out",
        language: "en",
        isConfirmed: true,
      },
    ]);
    expect(commandsOf([meta], facts())).toEqual([
      {
        type: "opt-out",
        said: meta,
        scope: "marketing",
        source: "meta-preference",
        rule: "meta-preference",
        language: undefined,
        isConfirmed: false,
      },
    ]);
    expect(commandsOf([lifted], facts({ standing: STOPPED }))).toEqual([
      { type: "opt-in", said: lifted, source: "keyword", rule: "en:opt_in", language: "en", isAnswered: true },
    ]);
    expect(commandsOf([resumed], facts())).toEqual([
      {
        type: "opt-in",
        said: resumed,
        source: "meta-preference",
        rule: "meta-preference",
        language: undefined,
        isAnswered: false,
      },
    ]);
  });
});

describe("the commands of a burst", () => {
  const at = (secondsAgo: number) => ({ at: ago(secondsAgo * 1000) });
  const rows: [when: string, batch: Said[], facts: InboundFacts, then: string[]][] = [
    ["STOP, then START: both, in order", [stop(at(9)), start(at(5))], facts(), ["opt-out marketing by keyword", "opt-in by keyword"]],
    ["START, then STOP, with nothing to lift: only STOP", [start(at(9)), stop(at(5))], facts(), ["opt-out marketing by keyword"]],
    ["delivered the wrong way round: their own time counts", [start(at(5)), stop(at(9))], facts(), ["opt-out marketing by keyword", "opt-in by keyword"]],
    ["in the same second: the order in which they were kept", [stop(at(5)), start(at(5))], facts(), ["opt-out marketing by keyword", "opt-in by keyword"]],
    ["START twice lifts once", [start(at(9)), start(at(5))], facts({ standing: STOPPED }), ["opt-in by keyword"]],
    ["STOP, START, STOP, START", [stop(at(9)), start(at(8)), stop(at(7)), start(at(6))], facts(), ["opt-out marketing by keyword", "opt-in by keyword", "opt-out marketing by keyword", "opt-in by keyword"]],
    ["STOP twice is recorded twice", [stop(at(9)), stop(at(5))], facts(), ["opt-out marketing by keyword", "opt-out marketing by keyword"]],
    ["an old STOP and a START of today", [stop({ at: ago(40 * DAY) }), start(at(5))], facts(), ["opt-out marketing by keyword", "opt-in by keyword"]],
    ["STOP and a hand-off", [stop(at(9)), said("human", [match("handoff")], at(5))], facts(), ["opt-out marketing by keyword", "hand-off"]],
    ["Meta's stop, then START in the chat", [preference("stop", at(9)), start(at(5))], facts(), ["opt-out marketing by meta-preference", "opt-in by keyword"]],
    ["questions are no commands", [question(at(9)), question(at(5))], facts(), []],
    ["nothing", [], facts(), []],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, batch, given, then) => {
    expect(commandsOf(batch, given).map(inShort)).toEqual(then);
  });
});

describe("what else a burst asks", () => {
  const act = (batch: Said[], verdict: Verdict | undefined = PRE_CLEARED, given = facts()) =>
    decideInbound(batch, commandsOf(batch, given), verdict, given);
  const flagged = (category: string): Verdict => ({ ...PRE_CLEARED, verdict: "flagged", category });
  const target = "wamid.0" as Wamid;

  const crisis = said("I want to die", [match("crisis", { isWhole: false })]);
  const help = said("HELP", [match("help")]);
  const bot = said("are you a bot?", [match("bot_query")]);
  const data = said("delete my data", [match("data_request")]);
  const human = said("a human please", [match("handoff")]);
  const held = tap("Read it", "esek:held-answer", [], "utility");
  const asked = question();
  const photo = said({ type: "image", mediaId: "1" });
  const stopInside = said("stop the offers, and where is my order?", [match("opt_out", { isWhole: false })]);
  const stopAllInside = said("never write again; where is my refund?", [
    match("opt_out", { scope: "all", isWhole: false }),
  ]);

  const rows: [when: string, batch: Said[], verdict: Verdict | undefined, then: unknown][] = [
    ["a question goes to the agent", [asked], PRE_CLEARED, { type: "agent" }],
    ["a question without a verdict on record goes to the agent", [asked], undefined, { type: "agent" }],
    ["nothing asks nothing", [], undefined, { type: "nothing" }],
    ["a bare STOP asks nothing more", [stop()], PRE_CLEARED, { type: "nothing" }],
    ["a bare STOP ALL asks nothing more", [stopAll()], PRE_CLEARED, { type: "nothing" }],
    ["a bare hand-off asks nothing more", [human], PRE_CLEARED, { type: "nothing" }],
    ["Meta's preference asks nothing", [preference("stop")], undefined, { type: "nothing" }],
    ["START with nothing to lift is answered by the agent", [start()], PRE_CLEARED, { type: "agent" }],
    ["a question before STOP is answered", [asked, stop()], PRE_CLEARED, { type: "agent" }],
    ["a question in the message of STOP is answered", [stopInside], PRE_CLEARED, { type: "agent" }],
    ["a question before STOP ALL is left to the merchant", [asked, stopAll()], PRE_CLEARED, { type: "nothing" }],
    ["a question in the message of STOP ALL is left to the merchant", [stopAllInside], PRE_CLEARED, { type: "nothing" }],
    ["crisis is heard beside a hand-off", [human, crisis], PRE_CLEARED, { type: "crisis", said: crisis }],
    ["crisis is heard in the very message that asks for a person", [said("human, I want to die", [match("handoff"), match("crisis")], { id: "both" })], PRE_CLEARED, { type: "crisis", said: expect.objectContaining({ id: "both" }) }],
    ["crisis is heard beside STOP ALL", [stopAll(), crisis], PRE_CLEARED, { type: "crisis", said: crisis }],
    ["crisis is heard though the guard could not tell", [crisis], undetermined("timeout"), { type: "crisis", said: crisis }],
    ["crisis comes before help, bot query and data request", [data, bot, help, crisis], PRE_CLEARED, { type: "crisis", said: crisis }],
    ["help comes before bot query and data request", [data, bot, help], PRE_CLEARED, { type: "help", said: help }],
    ["'are you a bot?' comes before a data request", [data, bot], PRE_CLEARED, { type: "bot-query", said: bot }],
    ["a data request comes before a question", [asked, data], PRE_CLEARED, { type: "data-request", said: data }],
    ["help is heard beside STOP ALL", [stopAll(), help], PRE_CLEARED, { type: "help", said: help }],
    ["what the guard flags is refused", [asked], flagged("weapons"), { type: "prohibited", said: asked, category: "weapons" }],
    ["what the guard flags as self-harm is a crisis", [asked], flagged("self_harm"), { type: "crisis", said: asked, category: "self_harm" }],
    ["what the guard could not judge is not answered by the agent", [asked], undetermined("timeout"), { type: "undetermined", said: asked }],
    ["a flag on a bare command refuses nothing", [stop()], flagged("weapons"), { type: "nothing" }],
    ["a photo without words cannot be read", [photo], undefined, { type: "cannot-read", said: photo }],
    ["a photo with words can", [said({ type: "image", mediaId: "1", caption: "this one?" })], PRE_CLEARED, { type: "agent" }],
    ["a photo beside a question: the question counts", [photo, asked], PRE_CLEARED, { type: "agent" }],
    ["the tap on 'your answer is ready' releases it", [held], PRE_CLEARED, { type: "held-answer", said: held }],
    ["the tap beside a photo releases it too", [held, photo], PRE_CLEARED, { type: "held-answer", said: held }],
    ["the tap beside a new question goes to the agent", [held, asked], PRE_CLEARED, { type: "agent" }],
    ["a reaction, an edit, a revoke ask nothing", [said({ type: "reaction", target, emoji: "👍" }), said({ type: "edit", target, content: { type: "text", text: "Hi" } }), said({ type: "revoke", target })], undefined, { type: "nothing" }],
    ["a question of 31 days ago is not answered", [question({ at: ago(31 * DAY) })], PRE_CLEARED, { type: "nothing" }],
    ["a question of 30 days ago is", [question({ at: ago(30 * DAY) })], PRE_CLEARED, { type: "agent" }],
    ["a cry for help of 31 days ago is not answered now", [said("I want to die", [match("crisis")], { at: ago(31 * DAY) })], PRE_CLEARED, { type: "nothing" }],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%s", (_when, batch, verdict, then) => {
    expect(act(batch, verdict)).toEqual(then);
  });

  it("from the US a question before STOP is left to the merchant, because STOP ends everything there", () => {
    const commands = commandsOf([asked, stop()], facts({ isUs: true }));
    expect(act([asked, stop()], PRE_CLEARED, facts({ isUs: true }))).toEqual({ type: "nothing" });
    expect([asked, stop()].filter((one) => isSilenced(one, commands))).toEqual([asked]);
  });

  it("of questions before and after STOP ALL the agent gets those after it, the merchant those before", () => {
    const late = question({ id: "late", at: new Date(NOW.getTime() + 1000), seq: 9 });
    const batch = [asked, stopAll(), late];
    const commands = commandsOf(batch, facts());
    expect(act(batch, PRE_CLEARED)).toEqual({ type: "agent" });
    expect(batch.filter((one) => isSilenced(one, commands))).toEqual([asked]);
    expect(batch.filter((one) => isLeftToAnswer(one, commands))).toEqual([late]);
  });
});

describe("whether a message still wants an answer", () => {
  const whole = stop();
  const inside = said("stop the offers; where is my order?", [match("opt_out", { isWhole: false })]);
  const buttonInside = tap("Stop", "esek:stop-promotions", [match("opt_out", { isWhole: false })], "marketing");
  const unclear = said("end it, and where is my order?", [match("ask", { isWhole: false })]);
  const other = question();
  const rows: [when: string, message: Said, then: boolean][] = [
    ["a bare STOP does not", whole, false],
    ["STOP inside a sentence does", inside, true],
    ["a tap of ours does not", buttonInside, false],
    ["what is asked back about does not", unclear, false],
    ["a message beside the commands does", other, true],
    ["Meta's preference does not", preference("stop"), false],
  ];
  it.each(rows)("%s", (_when, message, then) => {
    expect(isLeftToAnswer(message, commandsOf([whole, inside, buttonInside, unclear, message], facts()))).toBe(then);
  });
});

describe("what can be read in a message", () => {
  const rows: [content: MessageContent, then: string | undefined][] = [
    [{ type: "text", text: "Hi" }, "Hi"],
    [{ type: "text", text: "" }, ""],
    [{ type: "image", mediaId: "1", caption: "this one" }, "this one"],
    [{ type: "image", mediaId: "1", caption: "" }, undefined],
    [{ type: "audio", mediaId: "1", isVoice: true }, undefined],
    [{ type: "location", latitude: 32.1, longitude: 34.8, name: "Shop", address: "Herzl 1" }, "[location 32.1, 34.8, Shop, Herzl 1]"],
    [{ type: "contacts", names: ["Dana", "Avi"], phones: [], isAnswerToRequest: false }, "[contacts Dana, Avi]"],
    [{ type: "button", text: "", payload: "yes" }, "yes"],
    [{ type: "button-reply", id: "1", title: "Yes" }, "Yes"],
    [{ type: "list-reply", id: "1", title: "Ficus", description: "60 cm" }, "Ficus (60 cm)"],
    [{ type: "flow-reply", response: { size: "M" } }, '[form {"size":"M"}]'],
    [{ type: "order", items: [{ id: "ficus", quantity: 2 }], text: "for Friday" }, "[order 2 x ficus] for Friday"],
    [{ type: "edit", target: "wamid.0" as Wamid, content: { type: "text", text: "Hello" } }, "Hello"],
    [{ type: "unsupported", name: "poll" }, undefined],
    [{ type: "reaction", target: "wamid.0" as Wamid, emoji: "👍" }, undefined],
  ]; // biome-ignore format: a table reads as a table
  it.each(rows)("%j", (content, then) => {
    expect(textOfContent(content)).toBe(then);
  });
});

it("only a payload of ours is a machine value, never a customer's or a merchant's words", () => {
  expect(payloadOf({ type: "button", text: "x", payload: "esek:keep" })).toBe("esek:keep");
  expect(payloadOf({ type: "button-reply", id: "esek:keep", title: "x" })).toBe("esek:keep");
  expect(payloadOf({ type: "button", text: "esek:keep", payload: "x" })).toBeUndefined();
  expect(payloadOf({ type: "list-reply", id: "ficus", title: "esek:keep" })).toBeUndefined();
  expect(payloadOf({ type: "text", text: "esek:stop-promotions" })).toBeUndefined();
});
