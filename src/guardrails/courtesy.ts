import { normalise } from "./normalise.ts";

const WORDS =
  "please pls plz kindly thanks thank thx ty hi hello hey ok okay sir madam bitte danke hallo por favor gracias hola obrigado obrigada olá oi merci bonjour svp stp per favore grazie ciao " +
  "пожалуйста спасибо здравствуйте привет будь ласка дякую lütfen teşekkürler merhaba tolong terima kasih mohon proszę dziękuję alstublieft aub bedankt prosím děkuji díky tack snälla tak takk kiitos köszönöm kérem mulțumesc " +
  "בבקשה תודה שלום היי בבקשהה من فضلك لو سمحت شكرا مرحبا رجاء لطفا ممنون कृपया प्लीज धन्यवाद नमस्ते ji bhai xin cảm ơn 请 請 谢谢 謝謝 ください お願いします 부탁드립니다 감사합니다 ครับ ค่ะ";

/** Words that change nothing about a command: it may stand among them and is still the whole message. */
export const COURTESY: ReadonlySet<string> = new Set(WORDS.split(" ").map((word) => normalise(word)));

const NEGATORS: ReadonlySet<string> = new Set(
  "don't dont not never no won't shouldn't didn't doesn't nicht kein keine nie no nunca jamás não nem ne n' pas jamais non mai niet geen не нет ни никогда nie değil olmaz אל לא בלי لا ما مش مو لم لن ليس jangan bukan tidak ei älä inte ikke nem nu đừng không नहीं मत ना nahi mat na nu не не"
    .split(" ")
    .map((word) => normalise(word)),
);

/**
 * "don't stop sending me updates": a negator just before a stop phrase turns it around. Not across a comma or a full stop
 * ("no, stop writing"), and not when the phrase says no itself ("no gracias, no me manden más").
 */
export function isNegated(words: readonly string[], start: number, startsClause: (index: number) => boolean): boolean {
  if (NEGATORS.has(words[start]!)) return false;
  for (let index = start; index > 0 && index > start - 2; index--) {
    if (startsClause(index)) return false;
    if (NEGATORS.has(words[index - 1]!)) return true;
  }
  return false;
}
