import type { ConsentEvent } from "../domain/consent.ts";
import type { Content } from "../domain/draft.ts";
import { standing } from "../policy/consent.ts";
import { type Command, isSilenced } from "../policy/inbound.ts";
import { ANSWER_LATER_NO, ANSWER_LATER_YES, ASK_KEEP_PAYLOAD, ASK_STOP_PAYLOAD } from "../policy/template-fallback.ts";
import type { ConsentLine, Ports, TurnEffects, TurnFacts } from "../ports.ts";
import { languageFor, type Spoken } from "./batch.ts";
import { compose, noEffects, record, say, text } from "./compose.ts";

type Fold = {
  ports: Ports;
  facts: TurnFacts;
  effects: TurnEffects;
  ledger: ConsentEvent[];
  confirmed: TurnFacts["outbound"]["confirmed"];
};

/**
 * What follows from a batch's commands, folded in order: ledger lines, cancelled rows, one confirmation per change of
 * suppression. Everything is keyed by its event, so a retaken turn says and writes nothing twice.
 */
export function answerCommands(
  ports: Ports,
  facts: TurnFacts,
  batch: readonly Spoken[],
  commands: readonly Command[],
): TurnEffects {
  const fold: Fold = {
    ports,
    facts,
    effects: noEffects(),
    ledger: [...facts.ledger],
    confirmed: { ...facts.outbound.confirmed },
  };
  for (const command of commands) {
    const said = batch.find((one) => one.id === command.said.id)!;
    answerOne(fold, command, said, languageFor(ports, facts, [said], said.intents[0]));
  }
  leaveToMerchant(
    fold.effects,
    batch.filter((said) => isSilenced(said, commands)),
  );
  return fold.effects;
}

/** Nobody answers what was asked beside a stop of everything; that it was asked is told. */
function leaveToMerchant(effects: TurnEffects, silenced: readonly Spoken[]): void {
  if (silenced.length === 0) return;
  const events = silenced.map((said) => said.id);
  effects.records.push(record("command", "unanswered-after-stop", { events }));
  effects.notices.push({
    kind: "unanswered-after-stop",
    dedupeKey: `unanswered:${events.join(":")}`,
    detail: { events: events.join(" ") },
  });
}

function answerOne(fold: Fold, command: Command, said: Spoken, language: string): void {
  const { ports, facts, effects } = fold;
  switch (command.type) {
    case "opt-out":
      optOut(fold, command, said, language);
      return;
    case "opt-in":
      optIn(fold, command, said, language);
      return;
    case "ask": {
      const buttons = [
        { id: ASK_STOP_PAYLOAD, title: say(ports, facts, "opt_out_ask_yes", language) },
        { id: ASK_KEEP_PAYLOAD, title: say(ports, facts, "opt_out_ask_no", language) },
      ];
      addConsent(fold, consent(said, "ask", "marketing", "keyword", command.rule, language));
      effects.outbox.push(
        compose(facts, {
          content: { type: "buttons", text: say(ports, facts, "opt_out_ask", language), buttons },
          reason: "opt-out-unclear",
          dedupeKey: `ask:${said.id}`,
          isAlwaysAnswered: true,
        }),
      );
      effects.records.push(record("command", "opt-out-unclear", { event: said.id, rule: command.rule }));
      return;
    }
    case "keep":
      addConsent(fold, consent(said, "ask-answered", "marketing", "button", "esek-button", language));
      effects.outbox.push(
        compose(facts, {
          content: text(say(ports, facts, "opt_out_kept", language)),
          reason: "kept-by-customer",
          dedupeKey: `keep:${said.id}`,
          isAlwaysAnswered: true,
        }),
      );
      effects.records.push(record("command", "kept-by-customer", { event: said.id }));
      return;
    case "hand-off":
      effects.humanMode = "take";
      effects.outbox.push(
        compose(facts, {
          content: handOffSentence(ports, facts, language),
          reason: "hand-off",
          dedupeKey: `handoff:${said.id}`,
          isAlwaysAnswered: true,
        }),
      );
      effects.notices.push({
        kind: "hand-off",
        dedupeKey: `hand-off:${said.id}`,
        detail: { event: said.id, by: "customer" },
      });
      effects.records.push(record("command", "hand-off", { event: said.id, rule: command.rule }));
      return;
    case "answer-later":
      if (command.isAccepted)
        addConsent(fold, consent(said, "opt-in", "utility", "answer-later", "esek-button", language));
      effects.outbox.push(
        compose(facts, {
          content: text(say(ports, facts, command.isAccepted ? "answer_later_thanks" : "opt_out_kept", language)),
          reason: "answer-later",
          dedupeKey: `later:${said.id}`,
          isAlwaysAnswered: true,
        }),
      );
      effects.records.push(record("command", "answer-later", { event: said.id, accepted: command.isAccepted }));
      return;
  }
}

function optOut(fold: Fold, command: Extract<Command, { type: "opt-out" }>, said: Spoken, language: string): void {
  const { ports, facts, effects } = fold;
  const isAll = command.scope === "all";
  addConsent(fold, consent(said, "opt-out", command.scope, command.source, command.rule, language));
  // A stop that an event after it has lifted already (late delivery) is kept in the ledger and changes nothing else.
  const now = standing(fold.ledger);
  const isInForce = isAll ? now.utility.isSuppressed : now.marketing.isSuppressed;
  effects.records.push(
    record("command", isInForce ? "opt-out" : "opt-out-repeated", {
      event: said.id,
      rule: command.rule,
      scope: command.scope,
      source: command.source,
    }),
  );
  if (!isInForce) return;
  effects.cancel = { scope: isAll || effects.cancel?.scope === "all" ? "all" : "marketing", reason: "opted-out" };
  effects.notices.push({
    kind: "opt-out",
    dedupeKey: `opt-out:${said.id}`,
    detail: { event: said.id, scope: command.scope, source: command.source },
  });
  if (!command.isConfirmed) return;
  const confirms = isAll ? "all" : "marketing";
  const content = text(say(ports, facts, isAll ? "opt_out_all" : "opt_out_marketing", language));
  // A repeated STOP is weighed and refused by the gate, so that its silence has a row too.
  const line = compose(
    facts,
    {
      content,
      reason: "opt-out",
      dedupeKey: `confirm:${confirms}:${said.id}`,
      purpose: "opt-out-confirmation",
      isAlwaysAnswered: true,
      confirms,
    },
    { ...facts.outbound, confirmed: fold.confirmed },
  );
  effects.outbox.push(line);
  if (line.decision.type === "send") fold.confirmed[confirms] = facts.now;
}

function optIn(fold: Fold, command: Extract<Command, { type: "opt-in" }>, said: Spoken, language: string): void {
  const { ports, facts, effects } = fold;
  addConsent(
    fold,
    consent(said, "opt-in", command.source === "keyword" ? "all" : "marketing", command.source, command.rule, language),
  );
  effects.records.push(record("command", "opt-in", { event: said.id, rule: command.rule, source: command.source }));
  if (command.source === "keyword" && !standing(fold.ledger).isStoppedHere) fold.confirmed = {};
  const now = standing(fold.ledger);
  // Late, or in the same second as a stop: the stop stands (a tie is an opt-out), and nothing that is not so is promised.
  if (!command.isAnswered || now.isStoppedHere) return;
  const key = now.isStoppedAtMeta ? "opt_in_meta_stop" : "opt_in_done";
  effects.outbox.push(
    compose(facts, {
      content: text(say(ports, facts, key, language)),
      reason: "opt-in",
      dedupeKey: `start:${said.id}`,
      isAlwaysAnswered: true,
    }),
  );
}

/** Told at once; and, where nothing allows it yet, the question whether we may write when the answer is ready. */
export function handOffSentence(ports: Ports, facts: TurnFacts, language: string): Content {
  const told = say(ports, facts, "handoff", language);
  const { utility } = facts.outbound.recipient.standing;
  if (
    utility.hasOptIn ||
    utility.isSuppressed ||
    facts.isAnswerLaterAsked ||
    !facts.merchant.config.fallbackTemplates.answerReady
  )
    return text(told);
  return {
    type: "buttons",
    text: `${told}\n\n${say(ports, facts, "answer_later_ask", language)}`,
    buttons: [
      { id: ANSWER_LATER_YES, title: say(ports, facts, "answer_later_yes", language) },
      { id: ANSWER_LATER_NO, title: say(ports, facts, "answer_later_no", language) },
    ],
  };
}

function addConsent(fold: Fold, line: ConsentLine): void {
  fold.effects.consent.push(line);
  fold.ledger.push({ act: line.act, scope: line.scope, source: line.source, at: line.at });
}

function consent(
  said: Spoken,
  act: ConsentLine["act"],
  scope: ConsentLine["scope"],
  source: ConsentLine["source"],
  rule: string,
  language: string,
): ConsentLine {
  return { act, scope, source, at: said.at, sourceKey: `event:${said.id}:${act}`, rule, language };
}
