const segmenter = new Intl.Segmenter("und", { granularity: "grapheme" });

/** WhatsApp's limit for a text body, in UTF-16 units as Meta counts at worst. */
export const TEXT_LIMIT = 4096;

/**
 * Parts of at most `limit`, cut at a paragraph, else a line, else a sentence, else a space, and never inside a grapheme
 * (an emoji family, a letter with its marks). A code block that must be cut is closed and opened again.
 */
export function splitText(text: string, limit = TEXT_LIMIT): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest.length > limit) {
    const part = rest.slice(0, cutAt(rest, limit));
    if (!isInCode(part)) {
      parts.push(part.trimEnd());
      rest = rest.slice(part.length).trimStart();
      continue;
    }
    // A mark cut in two is no mark: room is left for the closing one, and the next part begins with its own.
    const code = rest.slice(0, cutAt(rest, limit - FENCE.length)).replace(/`{1,2}$/, "");
    const isStillInCode = isInCode(code) && code.length > FENCE.length;
    parts.push(isStillInCode ? code.trimEnd() + FENCE : code.trimEnd());
    rest = (isStillInCode ? FENCE : "") + rest.slice(code.length).replace(/^\n+/, "");
  }
  if (rest.length > 0) parts.push(rest);
  return parts;
}

const FENCE = "```";

function isInCode(text: string): boolean {
  return text.split(FENCE).length % 2 === 0;
}

function cutAt(text: string, limit: number): number {
  const head = text.slice(0, limit);
  for (const separator of [/\n\n(?!.*\n\n)/s, /\n(?!.*\n)/s, /[.!?。！？؟]\s(?!.*[.!?。！？؟]\s)/s, /\s(?!.*\s)/s]) {
    const index = head.search(separator);
    if (index > limit / 2) return index + 1;
  }
  let end = 0;
  for (const { index, segment } of segmenter.segment(text.slice(0, limit + 64))) {
    if (index + segment.length > limit) break;
    end = index + segment.length;
  }
  if (end > 0) return end;
  // One grapheme longer than a message: between its characters, at least.
  return /[\uD800-\uDBFF]/.test(text[limit - 1]!) ? limit - 1 : limit;
}

/** At most `limit` units, whole graphemes, an ellipsis where something was cut. */
export function shorten(text: string, limit: number): string {
  if (text.length <= limit) return text;
  let end = 0;
  for (const { index, segment } of segmenter.segment(text)) {
    if (index + segment.length > limit - 1) break;
    end = index + segment.length;
  }
  return `${text.slice(0, end).trimEnd()}…`;
}
