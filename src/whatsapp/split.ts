const segmenter = new Intl.Segmenter("und", { granularity: "grapheme" });

/** WhatsApp's limit for a text body, in UTF-16 units as Meta counts at worst. */
export const TEXT_LIMIT = 4096;

/**
 * Parts of at most `limit`, cut at a paragraph, else a line, else a sentence, else a space, and never inside a grapheme
 * (an emoji family, a letter with its marks).
 */
export function splitText(text: string, limit = TEXT_LIMIT): string[] {
  const parts: string[] = [];
  let rest = text;
  while (rest.length > limit) {
    const cut = cutAt(rest, limit);
    parts.push(rest.slice(0, cut).trimEnd());
    rest = rest.slice(cut).trimStart();
  }
  if (rest.length > 0) parts.push(rest);
  return parts;
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
  return end > 0 ? end : limit;
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
