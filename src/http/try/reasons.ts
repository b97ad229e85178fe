import type { TurnRecord } from "../../ports.ts";

type Reason = TurnRecord["reason"];

/** What each reason word means, for somebody who reads it for the first time. A new word without a sentence does not compile. */
const SENTENCES: Record<Reason, string> = {
  // the gate
  "budget-spent": "The shop's own budget for WhatsApp is used up today. It goes on tomorrow.",
  "restored-unconfirmed":
    "The database was restored from a backup. Nothing leaves until an operator confirms the opt-outs since then.",
  restored: "It was queued when the backup was made. What the shop starts is not sent again after a restore.",
  erased: "The person was erased, and what was waiting for them with them.",
  "knowledge-answered": "No model could answer, so the shop's own documents did, in their own words.",
  loop: "The other side answers like a machine, so the agent stopped and a person was told.",
  "unanswered-after-stop": "It was asked beside a stop of everything: nobody answers, and the shop is told.",
  "merchant-suspended": "The shop is suspended, so nothing but a stop confirmation may leave.",
  "token-broken": "Meta refused the shop's access token. Nothing leaves until an operator puts a good one in.",
  "number-paused": "Meta has paused this number. Sending goes on when the pause is over.",
  "templates-restricted": "Meta does not let this account start conversations at the moment.",
  "number-spam-limited": "Too many people blocked or reported this number, so the shop starts nothing for a while.",
  "replies-restricted": "Meta does not let this account answer at the moment.",
  "human-has-chat": "A person of the shop has this chat, so the agent stays silent.",
  "suppressed-marketing": "The customer said stop to promotions. Only they can lift that.",
  "suppressed-all": "The customer said stop to everything the shop starts. Only they can lift that.",
  "confirmation-repeated": "The stop was confirmed already within 24 hours; it is confirmed once.",
  "recipient-unreachable": "Meta could not reach this person several times, so nothing more is started.",
  "content-flagged": "A guard found something in the text that WhatsApp or the shop does not allow.",
  "content-undetermined": "A guard could not tell whether the text is allowed. That never counts as allowed.",
  "promotion-after-stop": "The answer promotes something to a person who stopped promotions.",
  "no-opt-in": "The shop has no opt-in of this person on record, and it may not write first without one.",
  "window-closed": "More than 24 hours have passed since the customer last wrote; free text is no longer allowed.",
  "template-unknown": "The account has no template of this name.",
  "template-language-missing": "The template has no approved text in this language, and none is guessed.",
  "template-not-approved": "Meta has not approved this template (or has paused it).",
  "template-category-not-permitted": "The template's category does not fit what the message is for.",
  "template-variables-missing": "The values do not fit the template's variables.",
  "us-marketing": "Meta delivers no marketing templates to numbers in the United States.",
  "country-not-served": "Meta does not let this account write to people in this country.",
  "messaging-limit": "The account has reached the number of people it may start conversations with in 24 hours.",
  "zone-unknown": "The person's time zone is not known, so it is not known whether it is night there. It waits.",
  "quiet-hours": "It is a quiet hour where the customer is. It waits until the morning.",
  "frequency-cap": "The customer had as many promotions as the shop allows itself. It waits.",
  "unread-sunset":
    "Several promotions in a row were neither read nor answered, so no more are sent until the person writes.",
  // the outbox and the sender
  allowed: "Every check passed.",
  "pair-limit": "Meta takes one message every six seconds to the same person. It waits its turn.",
  throughput: "The number is at its messages per second. It waits its turn.",
  "earlier-part-failed": "An earlier part of the same answer failed; half an answer is no answer.",
  "held-answer": "The window closed before the answer could leave. It is held until the customer taps the template.",
  superseded: "Something newer took its place.",
  "opted-out": "The customer stopped while this was waiting.",
  "human-took-over": "A person of the shop took the chat while this was waiting.",
  expired: "Its time ran out before it could leave.",
  retry: "Meta refused it for now; it is tried again after a pause.",
  "resent-after-unknown": "Nobody knows whether the first try arrived, so a free-form reply went once more.",
  "outcome-unknown": "Meta never said what became of the try. It is settled by a receipt or by time, never by a guess.",
  "never-send-again": "Meta refused it for good.",
  "attempts-exhausted": "It was tried as often as it may be. The shop is told.",
  "setup-broken": "Something in the shop's set-up is wrong. The shop is told; it is not tried again by itself.",
  accepted: "Meta took it.",
  // the turn
  "opt-out": "The customer said stop. It is committed first, by local rules, with no model to veto it.",
  "opt-out-repeated": "A stop that was in force already. It is on the ledger and changes nothing else.",
  "opt-out-unclear": "It may have meant stop. The customer is asked, and promotions wait for the answer.",
  "opt-in": "The customer asked to hear from the shop again.",
  "nothing-to-lift": "START without a stop in force: an ordinary message.",
  "kept-by-customer": "Asked whether to stop, the customer said no.",
  crisis: "Words of somebody in danger: a fixed answer with help, and a person is told. No model is asked.",
  help: "The customer asked for help: a fixed answer that works with no model at all.",
  "hand-off": "The chat was given to a person, and the shop told.",
  "bot-query": "Asked whether it is a machine, it says so. Fixed words, no model.",
  "data-request": "A request about personal data: noted with its deadline, and the shop told.",
  prohibited: "The customer's words ask for something that may not be sold or said on WhatsApp.",
  "guard-undetermined": "A guard could not tell what to make of the customer's words; a fixed sentence goes out.",
  "cannot-read": "A kind of message the agent cannot read; the customer is told so.",
  "agent-answered": "The agent wrote an answer, and the guards found nothing in it.",
  "agent-ended": "The agent had nothing to add.",
  "agent-failed": "The model failed twice. A fixed sentence goes out instead of silence, and the shop is told.",
  "draft-flagged": "A guard stopped the agent's draft. A fixed sentence goes out instead.",
  "draft-undetermined": "A guard could not tell whether the draft is allowed, so a fixed sentence goes out.",
  "held-answer-released": "The customer tapped, the window is open again, and the held answer leaves as it was.",
  "answer-later": "The customer was asked whether the shop may write when the answer is ready.",
  "nothing-to-say": "Nothing in it wanted an answer.",
  "too-old": "The message came too late to be answered.",
  "dead-letter": "It failed too often and left the queue; the customer and the shop were told.",
};

/** The page's own words, for what is no reason of Esek's. */
const OWN: Record<string, string> = {
  "in-line": "It waits for the message before it: answers leave in the order they were written.",
  "business-message": "The shop sent this by itself, through the API.",
};

/** The plain sentence of a reason word; a word of a newer build is shown as it is. */
export function sentenceOf(reason: string): string {
  return (SENTENCES as Record<string, string>)[reason] ?? OWN[reason] ?? reason;
}

/** Meta's error codes that the page can turn on, and a few that it meets. */
const CODES: Record<number, string> = {
  190: "the access token is not valid",
  130429: "too many messages a second",
  130472: "the person is part of an experiment of Meta's",
  131000: "something went wrong at Meta",
  131026: "undeliverable",
  131047: "more than 24 hours since the customer wrote",
  131048: "too many people blocked or reported the number",
  131049: "held back by Meta to keep people from too much marketing",
  131050: "the person stopped marketing at Meta",
  131056: "too many messages to the same person",
};

export function codeSentence(code: number): string {
  return CODES[code] ?? "see Meta's list of error codes";
}
