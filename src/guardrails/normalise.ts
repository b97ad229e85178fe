const IGNORABLE =
  // biome-ignore lint/suspicious/noMisleadingCharacterClass: single code points are meant, none combines with its neighbour
  /[\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180B-\u180F\u200B-\u200F\u202A-\u202E\u2060-\u206F\u3164\uFE00-\uFE0F\uFEFF\uFFA0]/gu;
/** Hebrew niqqud and cantillation, Arabic tashkeel and tatweel. Other marks carry meaning (Vietnamese tones, Indic vowels) and stay. */
const OPTIONAL_MARKS =
  /[\u0591-\u05BD\u05BF\u05C1\u05C2\u05C4\u05C5\u05C7\u0610-\u061A\u0640\u064B-\u065F\u0670\u06D6-\u06DC\u06DF-\u06E8\u06EA-\u06ED]/gu;

const LETTERS: Record<string, string> = {
  أ: "ا", إ: "ا", آ: "ا", ٱ: "ا", ى: "ي", ی: "ي", ئ: "ي", ؤ: "و", ة: "ه", ک: "ك", "’": "'", "‘": "'", ʼ: "'", "`": "'", "´": "'", "״": '"', "׳": "'", ı: "i",
}; // biome-ignore format: one line reads as one rule
const LETTER = new RegExp(`[${Object.keys(LETTERS).join("")}]`, "gu");

/**
 * The form in which words are compared: NFKC, lower case (Turkish dotted and dotless i alike), invisible and optional
 * marks gone, Arabic letter variants unified, digits of every script as 0-9. Genuine letters of a script are never folded.
 */
export function normalise(text: string): string {
  return text
    .normalize("NFKC")
    .replace(/İ/g, "i")
    .toLowerCase()
    .replace(IGNORABLE, "")
    .replace(OPTIONAL_MARKS, "")
    .replace(LETTER, (letter) => LETTERS[letter]!)
    .replace(/i\u0307/g, "i")
    .replace(/[\u0660-\u0669\u06F0-\u06F9\u0966-\u096F\u09E6-\u09EF]/gu, (digit) =>
      String(digit.codePointAt(0)! - zeroOf(digit)),
    );
}

/** The zero of the script that a digit belongs to. */
function zeroOf(digit: string): number {
  const point = digit.codePointAt(0)!;
  return [0x0660, 0x06f0, 0x0966, 0x09e6].findLast((zero) => zero <= point)!;
}

/** Scripts written without spaces: every character is a token of its own, so that a phrase still matches as a sequence. */
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;
const TOKEN =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}]\p{M}*|[\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}][\p{M}]*|(?:(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}])[\p{L}\p{N}\p{M}])+(?:['"](?:(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}])[\p{L}\p{N}\p{M}])+)*/gu;

/** Words (whole, never parts of words) of a normalised text; apostrophes stay inside a word. */
export function tokens(normalised: string): string[] {
  return normalised.match(TOKEN) ?? [];
}

export function isUnspaced(token: string): boolean {
  return UNSPACED.test(token);
}

/** The indexes of words that begin a clause: something like a comma, a full stop or a line break stands before them. */
export function clauseStarts(normalised: string): Set<number> {
  const starts = new Set<number>();
  let end = 0;
  let index = 0;
  for (const match of normalised.matchAll(TOKEN)) {
    if (/[,.;:!?\n\u060C\u061B\u061F\u3001\u3002\uFF0C\u2014\u2013]/u.test(normalised.slice(end, match.index)))
      starts.add(index);
    end = match.index + match[0].length;
    index++;
  }
  return starts;
}
