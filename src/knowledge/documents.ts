/** A piece of a document as its author divided it. */
export type Section = { title: string; text: string };

/** Divides a document by its kind (from its name): Markdown, HTML, CSV with a header row, anything else as paragraphs. */
export function sectionsOf(file: string, text: string): Section[] {
  const kind = /\.(\w+)$/.exec(file)?.[1]?.toLowerCase();
  if (kind === "md" || kind === "markdown") return markdownSections(text);
  if (kind === "html" || kind === "htm") return markdownSections(htmlAsMarkdown(text));
  if (kind === "csv") return csvSections(text);
  return markdownSections(text);
}

/** Headings divide; a section carries the headings above it in its title. */
function markdownSections(text: string): Section[] {
  const sections: Section[] = [];
  const path: string[] = [];
  let lines: string[] = [];
  const close = () => {
    const body = lines.join("\n").trim();
    if (body !== "") sections.push({ title: path.filter(Boolean).join(" – "), text: body });
    lines = [];
  };
  for (const line of text.replace(/\r\n?/g, "\n").split("\n")) {
    const heading = /^(#{1,6})\s+(.+?)\s*#*$/.exec(line);
    if (!heading) {
      lines.push(line);
      continue;
    }
    close();
    path.length = heading[1]!.length - 1;
    path[heading[1]!.length - 1] = heading[2]!;
  }
  close();
  return withoutTheName(sections, text);
}

/** A heading that stands over the whole document names it and says nothing about any of its parts. */
function withoutTheName(sections: Section[], text: string): Section[] {
  const top = text.match(/^#\s+.+$/gm) ?? [];
  if (top.length !== 1) return sections;
  const name = top[0]!.replace(/^#\s+|\s*#*$/g, "");
  return sections.map((section) => ({
    ...section,
    title: section.title === name ? section.title : section.title.replace(`${name} – `, ""),
  }));
}

/** Only what carries meaning for a reader: headings, paragraphs, list items, table cells. */
function htmlAsMarkdown(html: string): string {
  return html
    .replace(/<!--[\s\S]*?-->/g, "")
    .replace(/<(script|style|head|template|noscript)\b[\s\S]*?<\/\1\s*>/gi, "")
    .replace(/\s+/g, " ")
    .replace(
      /<h([1-6])\b[^>]*>([\s\S]*?)<\/h\1\s*>/gi,
      (_, level, words) => `\n\n${"#".repeat(Number(level))} ${words}\n\n`,
    )
    .replace(/<li\b[^>]*>/gi, "\n- ")
    .replace(/<\/(td|th)\s*>/gi, " | ")
    .replace(/<(br|\/tr|\/p|\/div|\/ul|\/ol|p|div|section|table)\b[^>]*>/gi, "\n")
    .replace(/<[^>]+>/g, "")
    .replace(/&(amp|lt|gt|quot|nbsp|#\d+|#x[0-9a-f]+);/gi, (_, name: string) => entity(name.toLowerCase()))
    .replace(/[ \t]+/g, " ")
    .replace(/^ /gm, "")
    .replace(/\n{3,}/g, "\n\n");
}

function entity(name: string): string {
  const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', nbsp: " " };
  if (!name.startsWith("#")) return named[name]!;
  const point = name.startsWith("#x") ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  return point > 0 && point <= 0x10ffff ? String.fromCodePoint(point) : "";
}

/**
 * A row is a section. Columns named `x_en`, `x_he` give a section a language of their own beside the columns that have none,
 * so that a customer reads a row in their language.
 */
function csvSections(text: string): Section[] {
  const [header, ...rows] = readCsv(text);
  if (!header) return [];
  const languages = [...new Set(header.flatMap((name) => /_([a-z]{2})$/.exec(name)?.[1] ?? []))];
  return rows.flatMap((row) =>
    (languages.length > 0 ? languages : [undefined]).flatMap((language) => {
      const cells = header.flatMap((name, column) => {
        const own = /^(.*)_([a-z]{2})$/.exec(name);
        const value = row[column]?.trim() ?? "";
        if (value === "" || (own && own[2] !== language)) return [];
        return [{ name: (own?.[1] ?? name).replace(/_/g, " "), value }];
      });
      const title = cells.find(({ name }) => /^(name|title|product|question)$/i.test(name)) ?? cells[0];
      if (!title) return [];
      const rest = cells.filter((cell) => cell !== title).map(({ name, value }) => `${name}: ${value}`);
      return [{ title: title.value, text: `${title.value}\n${rest.join("\n")}` }];
    }),
  );
}

/** RFC 4180: quotes, doubled quotes, line breaks inside quotes. */
function readCsv(text: string): string[][] {
  const rows: string[][] = [];
  const row: string[] = [];
  let cell = "";
  let isQuoted = false;
  const source = `${text
    .replace(/\r\n?/g, "\n")
    .replace(/^\uFEFF/, "")
    .trimEnd()}\n`;
  for (let at = 0; at < source.length; at++) {
    const letter = source[at]!;
    if (isQuoted) {
      if (letter !== '"') cell += letter;
      else if (source[at + 1] === '"') cell += source[++at];
      else isQuoted = false;
    } else if (letter === '"' && cell === "") isQuoted = true;
    else if (letter === "," || letter === "\n") {
      row.push(cell);
      cell = "";
      if (letter === "\n") rows.push(row.splice(0));
    } else cell += letter;
  }
  return rows.filter((cells) => cells.some((value) => value.trim() !== ""));
}
