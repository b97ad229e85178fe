import type { ConsentSource, SuppressionScope } from "../domain/consent.ts";
import type { MessageContent } from "../domain/event.ts";
import type { Intent, IntentMatch } from "../domain/intent.ts";
import type { Verdict } from "../domain/verdict.ts";
import type { Standing } from "./consent.ts";
import {
  ANSWER_LATER_NO,
  ANSWER_LATER_YES,
  ASK_KEEP_PAYLOAD,
  ASK_STOP_PAYLOAD,
  HELD_ANSWER_PAYLOAD,
} from "./template-fallback.ts";

/** One message of the turn, with what the local matcher and the guard said of it. */
export type Said = {
  id: string;
  seq: number;
  at: Date;
  receivedAt: Date;
  content: MessageContent;
  /** The category of the template of ours that a quick reply stands under. */
  repliesTo: "marketing" | "utility" | "authentication" | undefined;
  intents: readonly IntentMatch[];
  /** What Meta's own preference event said, where the event is one. */
  preference?: "stop" | "resume" | "signup" | "unsupported";
};

export type Command =
  | {
      type: "opt-out";
      said: Said;
      scope: SuppressionScope;
      source: ConsentSource;
      rule: string;
      language: string | undefined;
      isConfirmed: boolean;
    }
  | {
      type: "opt-in";
      said: Said;
      source: ConsentSource;
      rule: string;
      language: string | undefined;
      isAnswered: boolean;
    }
  | { type: "ask"; said: Said; rule: string; language: string | undefined }
  | { type: "keep"; said: Said }
  | { type: "hand-off"; said: Said; rule: string }
  | { type: "answer-later"; said: Said; isAccepted: boolean };

export type InboundAct =
  | { type: "crisis" | "help" | "bot-query" | "data-request"; said: Said }
  | { type: "prohibited"; said: Said; category: string | undefined }
  | { type: "undetermined"; said: Said }
  | { type: "cannot-read"; said: Said }
  | { type: "held-answer"; said: Said }
  | { type: "agent" }
  | { type: "nothing" };

export type InboundFacts = {
  standing: Standing;
  isUs: boolean;
  lastBusinessInitiatedUtility: boolean;
  /** When a START of this person was committed: a retaken turn reads the same message as the command it was. */
  liftedAt?: readonly number[];
  now: Date;
};

const OLD_MS = 30 * 24 * 3_600_000;

/**
 * Commands of a batch, in the order of the messages' own time, then seq: opt-out, the question whether to, opt-in,
 * hand-off. Each is read in the light of those before it. Buttons count by our payload, or as a quick reply to a marketing
 * template whose payload or text is an opt-out keyword; list titles and product names never do. Events older than
 * 30 days act only if they are opt-outs.
 */
export function commandsOf(batch: readonly Said[], facts: InboundFacts): Command[] {
  const commands: Command[] = [];
  let canLift =
    facts.standing.marketing.isSuppressed || facts.standing.utility.isSuppressed || facts.standing.hasPendingOptIn;
  for (const said of inTimeOrder(batch)) {
    const command = commandOf(said, facts, canLift || facts.liftedAt?.includes(said.at.getTime()) === true);
    if (!command || (command.type !== "opt-out" && isOld(said, facts.now))) continue;
    commands.push(command);
    if (command.type === "opt-out") canLift = true;
    if (command.type === "opt-in" && command.source === "keyword") canLift = false;
  }
  return commands;
}

/**
 * What else the batch asks: first the one that cannot wait, then the next; the agent only when nothing else applies.
 * Crisis, help, bot query and data request are heard in every message, also beside a command. After a stop of
 * everything a question is not answered but left to the merchant.
 */
export function decideInbound(
  batch: readonly Said[],
  commands: readonly Command[],
  verdict: Verdict | undefined,
  facts: InboundFacts,
): InboundAct {
  const spoken = inTimeOrder(batch).filter(
    (said) => said.preference === undefined && isSpeech(said.content) && !isOld(said, facts.now),
  );
  const first = (intent: Intent) => spoken.find((said) => said.intents.some((match) => match.intent === intent));
  const crisis = first("crisis");
  if (crisis) return { type: "crisis", said: crisis };
  const help = first("help");
  if (help) return { type: "help", said: help };
  const bot = first("bot_query");
  if (bot) return { type: "bot-query", said: bot };
  const data = first("data_request");
  if (data) return { type: "data-request", said: data };
  const rest = spoken.filter((said) => isLeftToAnswer(said, commands));
  if (rest.length === 0) return { type: "nothing" };
  if (verdict?.verdict === "flagged")
    return {
      type: verdict.category === "self_harm" ? "crisis" : "prohibited",
      said: rest.at(-1)!,
      category: verdict.category,
    };
  if (verdict?.verdict === "undetermined") return { type: "undetermined", said: rest.at(-1)! };
  const tap = rest.find((said) => payloadOf(said.content) === HELD_ANSWER_PAYLOAD);
  const isTap = (said: Said) => payloadOf(said.content) === HELD_ANSWER_PAYLOAD;
  if (tap && rest.every((said) => isTap(said) || textOfContent(said.content) === undefined))
    return { type: "held-answer", said: tap };
  const readable = rest.filter((said) => textOfContent(said.content) !== undefined);
  return readable.length > 0 ? { type: "agent" } : { type: "cannot-read", said: rest.at(-1)! };
}

/** Said before, or in, the last "never write to me again" that nothing after it has lifted. Who writes afterwards is answered. */
function isBeforeStopOfAll(said: Said, commands: readonly Command[]): boolean {
  const stop = commands.findLastIndex((command) => command.type === "opt-out" && command.scope === "all");
  if (stop < 0 || commands.slice(stop).some((command) => command.type === "opt-in" && command.source === "keyword"))
    return false;
  const at = commands[stop]!.said;
  return said.at < at.at || (said.at.getTime() === at.at.getTime() && said.seq <= at.seq);
}

/** Whether a message still wants an answer after the commands: a bare command does not, a command inside a sentence does. */
export function isLeftToAnswer(said: Said, commands: readonly Command[]): boolean {
  return wantsAnswer(said, commands) && !isBeforeStopOfAll(said, commands);
}

/** A question beside "never write to me again": not for the agent to answer, for the merchant to see. */
export function isSilenced(said: Said, commands: readonly Command[]): boolean {
  return wantsAnswer(said, commands) && isBeforeStopOfAll(said, commands);
}

function wantsAnswer(said: Said, commands: readonly Command[]): boolean {
  if (said.preference !== undefined) return false;
  const own = commands.filter((command) => command.said.id === said.id);
  if (own.length === 0) return isSpeech(said.content);
  return (
    own.every((command) => command.type === "opt-out" || command.type === "opt-in") &&
    said.intents.some((match) => !match.isWhole && match.intent.startsWith("opt_")) &&
    payloadOf(said.content) === undefined
  );
}

/**
 * Scope of a stop: marketing, WABA-wide. Everything the business starts as well, when the words say so, when the person
 * is in the US, or when the last message the business started was a utility message.
 */
function scopeOf(match: IntentMatch | undefined, facts: InboundFacts): SuppressionScope {
  if (match?.scope === "all") return "all";
  return facts.isUs || facts.lastBusinessInitiatedUtility ? "all" : "marketing";
}

function commandOf(said: Said, facts: InboundFacts, canLift: boolean): Command | undefined {
  if (said.preference !== undefined) return preferenceCommand(said);
  const payload = payloadOf(said.content);
  if (payload === ASK_STOP_PAYLOAD) return optOut(said, "button", "esek-button", facts, undefined);
  if (payload === ASK_KEEP_PAYLOAD) return { type: "keep", said };
  if (payload === ANSWER_LATER_YES || payload === ANSWER_LATER_NO)
    return { type: "answer-later", said, isAccepted: payload === ANSWER_LATER_YES };
  if (payload === HELD_ANSWER_PAYLOAD) return undefined;
  const match = (intent: Intent) => said.intents.find((found) => found.intent === intent);
  const stop = match("opt_out");
  const isTemplateTap = said.content.type === "button";
  if (said.content.type === "button-reply" || said.content.type === "list-reply") return undefined;
  if (stop && (!isTemplateTap || isStopTap(said, stop)))
    return optOut(said, isTemplateTap ? "button" : "keyword", stop.rule, facts, stop);
  const ask = match("ask");
  if (ask && isTemplateTap && said.repliesTo === "marketing") return optOut(said, "button", ask.rule, facts, ask);
  if (ask && !isTemplateTap) return { type: "ask", said, rule: ask.rule, language: ask.language };
  const start = match("opt_in");
  if (start && !isTemplateTap)
    return canLift
      ? { type: "opt-in", said, source: "keyword", rule: start.rule, language: start.language, isAnswered: true }
      : undefined;
  const handoff = match("handoff");
  return handoff ? { type: "hand-off", said, rule: handoff.rule } : undefined;
}

/** Under a marketing template any opt-out keyword counts; where Meta did not say which template it was, a plain one does. */
function isStopTap(said: Said, match: IntentMatch): boolean {
  return match.isWhole && (said.repliesTo === "marketing" || (said.repliesTo === undefined && match.score >= 1));
}

function optOut(
  said: Said,
  source: ConsentSource,
  rule: string,
  facts: InboundFacts,
  match: IntentMatch | undefined,
): Command {
  return {
    type: "opt-out",
    said,
    scope: scopeOf(match, facts),
    source,
    rule,
    language: match?.language,
    isConfirmed: true,
  };
}

/** Meta's own switch: honoured WABA-wide, never confirmed by us (the person did not write to us). */
function preferenceCommand(said: Said): Command | undefined {
  if (said.preference === "stop")
    return {
      type: "opt-out",
      said,
      scope: "marketing",
      source: "meta-preference",
      rule: "meta-preference",
      language: undefined,
      isConfirmed: false,
    };
  if (said.preference === "resume")
    return {
      type: "opt-in",
      said,
      source: "meta-preference",
      rule: "meta-preference",
      language: undefined,
      isAnswered: false,
    };
  if (said.preference === "signup")
    return { type: "opt-in", said, source: "signup", rule: "meta-signup", language: undefined, isAnswered: false };
  return undefined;
}

/** The machine value of a tap of ours. */
export function payloadOf(content: MessageContent): string | undefined {
  if (content.type === "button") return content.payload.startsWith("esek:") ? content.payload : undefined;
  if (content.type === "button-reply" || content.type === "list-reply")
    return content.id.startsWith("esek:") ? content.id : undefined;
  return undefined;
}

/** The customer's words in a message; undefined where there is nothing that can be read. */
export function textOfContent(content: MessageContent): string | undefined {
  switch (content.type) {
    case "text":
      return content.text;
    case "image":
    case "video":
    case "audio":
    case "document":
    case "sticker":
      return content.caption || undefined;
    case "location":
      return `[location ${content.latitude}, ${content.longitude}${content.name ? `, ${content.name}` : ""}${content.address ? `, ${content.address}` : ""}]`;
    case "contacts":
      return `[contacts ${content.names.join(", ")}]`;
    case "button":
      return content.text || content.payload;
    case "button-reply":
      return content.title;
    case "list-reply":
      return content.description ? `${content.title} (${content.description})` : content.title;
    case "flow-reply":
      return `[form ${JSON.stringify(content.response).slice(0, 2000)}]`;
    case "order":
      return `[order ${content.items.map((item) => `${item.quantity} x ${item.id}`).join(", ")}] ${content.text ?? ""}`.trim();
    case "edit":
      return textOfContent(content.content);
    default:
      return undefined;
  }
}

function isSpeech(content: MessageContent): boolean {
  return !["reaction", "system", "revoke", "edit", "request-welcome", "call-permission"].includes(content.type);
}

function isOld(said: Said, now: Date): boolean {
  return now.getTime() - said.at.getTime() > OLD_MS;
}

function inTimeOrder(batch: readonly Said[]): Said[] {
  return [...batch].sort((a, b) => a.at.getTime() - b.at.getTime() || a.seq - b.seq);
}
