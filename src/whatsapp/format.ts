import { marked, type Token, type Tokens } from "marked";

/**
 * Markdown as models write it, in WhatsApp's own marks: *bold*, _italic_, ~strike~, code, quotes and lists; headings
 * become bold lines, links keep their address, tables become lines. Plain text passes unchanged.
 */
export function toWhatsApp(markdown: string): string {
  const lines = marked
    .lexer(protect(markdown), { gfm: true })
    .map(block)
    .filter((part) => part !== "");
  return lines
    .join("\n\n")
    .replace(/\n{3,}/g, "\n\n")
    .trim();
}

/**
 * What models write and Markdown reads otherwise. `10*20*30` is a size, not an emphasis: a single star between letters or
 * digits stays a star. `**Price:**12` is meant to be bold.
 */
function protect(markdown: string): string {
  const spaced = markdown.replace(/(\*\*[^\s*][^*\n]*\p{P}\*\*)(?=[\p{L}\p{N}])/gu, "$1 ");
  return spaced.replace(/(?<=[\p{L}\p{N}])\*(?=[\p{L}\p{N}])/gu, "\\*");
}

function block(token: Token): string {
  switch (token.type) {
    case "heading":
      return `*${strip(inline(token.tokens), "*")}*`;
    case "paragraph":
      return inline(token.tokens);
    case "text":
      return "tokens" in token && token.tokens ? inline(token.tokens) : token.text;
    case "code":
      return `\`\`\`${token.text}\`\`\``;
    case "blockquote":
      return (token.tokens ?? [])
        .map(block)
        .join("\n")
        .split("\n")
        .map((line) => `> ${line}`)
        .join("\n");
    case "list":
      return list(token as Tokens.List, 0);
    case "table":
      return table(token as Tokens.Table);
    case "hr":
    case "space":
    case "def":
      return "";
    case "html":
      return token.text.replace(/<[^>]+>/g, "").trim();
    default:
      return "raw" in token ? token.raw.trim() : "";
  }
}

function list(token: Tokens.List, depth: number): string {
  return token.items
    .map((item, index) => {
      const mark = token.ordered ? `${Number(token.start || 1) + index}.` : "-";
      const parts = item.tokens.map((child) =>
        child.type === "list" ? `\n${list(child as Tokens.List, depth + 1)}` : block(child),
      );
      return `${"  ".repeat(depth)}${mark} ${parts.join(" ").replace(/ \n/g, "\n").trim()}`;
    })
    .join("\n");
}

function table(token: Tokens.Table): string {
  return token.rows
    .map((row) =>
      row.map((cell, column) => `${inline(token.header[column]?.tokens)}: ${inline(cell.tokens)}`).join(", "),
    )
    .join("\n");
}

function inline(tokens: Token[] | undefined): string {
  return (tokens ?? [])
    .map((token) => {
      switch (token.type) {
        case "strong":
          return `*${strip(inline(token.tokens), "*")}*`;
        case "em":
          return `_${strip(inline(token.tokens), "_")}_`;
        case "del":
          return `~${strip(inline(token.tokens), "~")}~`;
        case "codespan":
          return `\`${token.text}\``;
        case "br":
          return "\n";
        case "link":
          return isAutolink(token as Tokens.Link) ? token.text : `${inline(token.tokens)} (${token.href})`;
        case "image":
          return token.text ? `${token.text} (${token.href})` : token.href;
        case "html":
          return /^<br/i.test(token.text) ? "\n" : token.text.replace(/<[^>]+>/g, "");
        case "escape":
        case "text":
          return "tokens" in token && token.tokens ? inline(token.tokens) : decodeEntities(token.text);
        default:
          return "raw" in token ? token.raw : "";
      }
    })
    .join("");
}

/** An address written as it is: what the reader sees is already the address. */
function isAutolink(token: { text: string; href: string }): boolean {
  return [token.text, `http://${token.text}`, `https://${token.text}`, `mailto:${token.text}`].includes(token.href);
}

function strip(text: string, mark: string): string {
  return text.replaceAll(mark, "");
}

function decodeEntities(text: string): string {
  return text.replace(
    /&(amp|lt|gt|quot|#39);/g,
    (_, name: string) => ({ amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" })[name]!,
  );
}
