import type { Content } from "../domain/draft.ts";
import type { RenderPort } from "../ports.ts";
import { toWhatsApp } from "./format.ts";
import { shorten, splitText, TEXT_LIMIT } from "./split.ts";

const LIMITS = {
  buttonsBody: 1024,
  listBody: 4096,
  buttonTitle: 20,
  buttonId: 256,
  rowTitle: 24,
  rowDescription: 72,
  rowId: 200,
  listButton: 20,
};

/**
 * A draft as WhatsApp messages within Meta's lengths: one message per turn unless the text must split; buttons or a list
 * stand under the last part. More than three buttons become a list, more than ten rows are cut to ten.
 */
export const renderer: RenderPort = {
  messages(draft) {
    const body = toWhatsApp(draft.text) || "…";
    const buttons = unique(draft.buttons ?? [], LIMITS.rowTitle, LIMITS.buttonId);
    const list = draft.list ?? (buttons.length > 3 ? { button: "…", rows: buttons } : undefined);
    if (list && list.rows.length > 0) {
      const [last, ...before] = splitText(body, LIMITS.listBody).reverse();
      const all: { id: string; title: string; description?: string }[] = list.rows.slice(0, 10);
      const rows = unique(all, LIMITS.rowTitle, LIMITS.rowId).map((row) =>
        row.description ? { ...row, description: shorten(row.description, LIMITS.rowDescription) } : row,
      );
      return [
        ...before.reverse().map((part) => text(part)),
        { type: "list", text: last!, button: shorten(list.button, LIMITS.listButton), rows },
      ];
    }
    if (buttons.length === 0) return splitText(body, TEXT_LIMIT).map(text);
    const parts = body.length <= LIMITS.buttonsBody ? [body] : tailOf(body);
    return [
      ...parts
        .slice(0, -1)
        .flatMap((part) => splitText(part, TEXT_LIMIT))
        .map(text),
      { type: "buttons", text: parts.at(-1)!, buttons: unique(buttons, LIMITS.buttonTitle, LIMITS.buttonId) },
    ];
  },
};

/** The last piece that fits above buttons, and everything before it. */
function tailOf(body: string): string[] {
  const pieces = splitText(body, LIMITS.buttonsBody);
  return [pieces.slice(0, -1).join("\n\n"), pieces.at(-1)!];
}

function text(words: string): Content {
  return { type: "text", text: words };
}

/** Titles must differ (Meta 131009), also after they were shortened. */
function unique<Item extends { id: string; title: string }>(
  items: readonly Item[],
  titleLimit: number,
  idLimit: number,
): Item[] {
  const seen = new Set<string>();
  return items.flatMap((item) => {
    const title = shorten(item.title.trim(), titleLimit);
    const id = item.id.slice(0, idLimit) || title;
    if (title === "" || seen.has(`title:${title}`) || seen.has(`id:${id}`)) return [];
    seen.add(`title:${title}`).add(`id:${id}`);
    return [{ ...item, id, title }];
  });
}
