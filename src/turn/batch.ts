import type { EventId } from "../domain/ids.ts";
import { type Command, type InboundFacts, isLeftToAnswer, type Said, textOfContent } from "../policy/inbound.ts";
import type { MatchContext, Ports, TurnFacts } from "../ports.ts";

/** A message of the batch with the words that can be read in it. */
export type Spoken = Said & { id: EventId; text: string; wamid: string | undefined };

const MARKETING_MEMORY_MS = 72 * 3_600_000;

/** The batch as the policy reads it: every message with its local intents; echoes and hand-overs speak to nobody. */
export function readBatch(ports: Ports, facts: TurnFacts): Spoken[] {
  const context = matchContext(facts);
  return facts.events.flatMap((event): Spoken[] => {
    const base = { id: event.id, seq: event.seq, at: event.at, receivedAt: event.receivedAt, wamid: event.wamid };
    if (event.event.kind === "preference")
      return [
        {
          ...base,
          text: "",
          content: { type: "unsupported", name: "preference" },
          repliesTo: undefined,
          intents: [],
          preference: event.event.value as Said["preference"],
        },
      ];
    if (event.event.kind !== "message") return [];
    const { content, replyToTemplate } = event.event;
    const text = textOfContent(content) ?? "";
    const isMatched = !["button-reply", "list-reply", "order", "flow-reply", "contacts", "location"].includes(
      content.type,
    );
    const words = content.type === "button" ? `${content.payload}` : text;
    const intents = isMatched
      ? [
          ...ports.guard.intents(words, context),
          ...(content.type === "button" && content.text !== content.payload
            ? ports.guard.intents(content.text, context)
            : []),
        ]
      : [];
    return [{ ...base, text, content, repliesTo: category(replyToTemplate?.category), intents }];
  });
}

/** The part of the batch that still wants an answer once its commands are done, in the order it was written. */
export function leftToAnswer(batch: readonly Spoken[], commands: readonly Command[]): Spoken[] {
  return batch
    .filter((said) => isLeftToAnswer(said, commands))
    .sort((a, b) => a.at.getTime() - b.at.getTime() || a.seq - b.seq);
}

export function inboundFacts(facts: TurnFacts): InboundFacts {
  return {
    standing: facts.outbound.recipient.standing,
    isUs: facts.outbound.recipient.place.isUs,
    liftedAt: facts.ledger
      .filter((event) => event.act === "opt-in" && event.source === "keyword")
      .map((event) => event.at.getTime()),
    lastBusinessInitiatedUtility: facts.lastBusinessInitiated?.purpose === "utility",
    now: facts.now,
  };
}

/**
 * The language to answer in: that of the phrase that was recognised, else the words' own, else the person's last one, else
 * the merchant's first. A keyword that many languages share (STOP, START) says nothing about its writer.
 */
export function languageFor(
  ports: Ports,
  facts: TurnFacts,
  said: readonly Spoken[],
  match?: { language?: string | undefined; rule: string },
): string {
  const hints = languageHints(facts);
  const text = said.map((one) => one.text).join("\n");
  const isTelling =
    match?.language !== undefined &&
    match.language !== "und" &&
    (match.rule.includes(":phrase:") || /[^ -~\s]/.test(text));
  return (
    (isTelling ? match.language : undefined) ??
    (text ? ports.guard.language(text, hints) : undefined) ??
    facts.contact.language ??
    facts.merchant.config.languages[0]!
  );
}

function languageHints(facts: TurnFacts): string[] {
  return [facts.contact.language, ...facts.merchant.config.languages].filter((tag) => tag !== undefined);
}

function matchContext(facts: TurnFacts): MatchContext {
  const last = facts.lastBusinessInitiated;
  return {
    lastMarketingAt:
      facts.isLastSentMarketing && last !== undefined && facts.now.getTime() - last.at.getTime() <= MARKETING_MEMORY_MS,
    isOrderOpen:
      facts.isOrderOpen || facts.events.some(({ event }) => event.kind === "message" && event.content.type === "order"),
    areOptionsOffered: facts.lastOptions.length > 0,
    country: facts.outbound.recipient.place.country,
    languages: languageHints(facts),
  };
}

function category(purpose: string | undefined): Said["repliesTo"] {
  return purpose === "marketing" || purpose === "utility" || purpose === "authentication" ? purpose : undefined;
}
