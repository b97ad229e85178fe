import { sectionsOf } from "./documents.ts";
import { languageOfWords, termsOf } from "./terms.ts";

/** A passage of a merchant's document, small enough to be an answer. */
export type Chunk = {
  source: string;
  title: string;
  text: string;
  language: string | undefined;
  /** Terms of title and text, as `termsOf` makes them; the title's own apart, because a heading says what it is about. */
  terms: string[];
  titleTerms: string[];
};

/** Goes up when documents are read differently, so that every index is made anew. */
export const KNOWLEDGE_VERSION = "2";

/** About what a person reads on a phone without scrolling twice. */
const LIMIT = 900;

/** Every document of a merchant as passages. A section that is too long is divided between paragraphs, then sentences. */
export function chunksOf(documents: readonly { file: string; text: string }[]): Chunk[] {
  return documents.flatMap(({ file, text }) =>
    sectionsOf(file, text).flatMap(({ title, text: body }) =>
      pieces(body).map((piece): Chunk => {
        const titleTerms = termsOf(title);
        return {
          source: file,
          title,
          text: piece,
          language: languageOfFile(file) ?? languageOfWords(`${title} ${piece}`),
          terms: [...new Set([...titleTerms, ...termsOf(piece)])],
          titleTerms,
        };
      }),
    ),
  );
}

function languageOfFile(file: string): string | undefined {
  return /\.([a-z]{2})\.\w+$/.exec(file)?.[1];
}

function pieces(text: string): string[] {
  if (text.length <= LIMIT) return [text];
  const found: string[] = [];
  let open = "";
  for (const part of text
    .split(/\n\s*\n/)
    .flatMap((paragraph) => (paragraph.length <= LIMIT ? [paragraph] : sentences(paragraph)))) {
    if (open !== "" && open.length + part.length + 2 > LIMIT) {
      found.push(open);
      open = "";
    }
    open = open === "" ? part : `${open}\n\n${part}`;
  }
  return open === "" ? found : [...found, open];
}

/** Runs of sentences; one sentence that is too long by itself is cut. */
function sentences(paragraph: string): string[] {
  const found: string[] = [];
  let open = "";
  for (const { segment } of new Intl.Segmenter("und", { granularity: "sentence" }).segment(paragraph)) {
    if (open.length + segment.length > LIMIT && open !== "") {
      found.push(open.trim());
      open = "";
    }
    open += segment;
    while (open.length > LIMIT) {
      found.push(open.slice(0, LIMIT));
      open = open.slice(LIMIT);
    }
  }
  return open.trim() === "" ? found : [...found, open.trim()];
}
