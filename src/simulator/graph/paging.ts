import { GraphError } from "../graph-error.ts";
import type { JsonObject } from "../json.ts";

/** One page of a Graph list, with opaque cursors. A cursor that is none of ours answers 131059 (reference 3.6). */
export function pageOf(
  items: readonly JsonObject[],
  query: { limit?: string; after?: string; before?: string },
  selfUrl: string,
): JsonObject {
  const limit = Math.min(Math.max(Number(query.limit ?? 25) || 25, 1), 1000);
  const before = query.before === undefined ? undefined : positionOf(query.before, items.length);
  const start =
    before !== undefined ? Math.max(before - limit, 0) : query.after ? positionOf(query.after, items.length) + 1 : 0;
  const end = before !== undefined ? before : Math.min(start + limit, items.length);
  const data = items.slice(start, end);
  if (data.length === 0) return { data };
  const paging: Record<string, unknown> = { cursors: { before: cursorOf(start), after: cursorOf(end - 1) } };
  const address = (cursor: string, value: string) => {
    const url = new URL(selfUrl);
    url.searchParams.delete("after");
    url.searchParams.delete("before");
    url.searchParams.set(cursor, value);
    return url.href;
  };
  if (end < items.length) paging.next = address("after", cursorOf(end - 1));
  if (start > 0) paging.previous = address("before", cursorOf(start));
  return { data, paging };
}

/** Only the fields asked for, `id` always among them; all defaults when nothing was asked. */
export function pickFields(object: JsonObject, fields: string | undefined, defaults: readonly string[]): JsonObject {
  const names =
    fields === undefined || fields === "" ? defaults : ["id", ...fields.split(",").map((name) => name.trim())];
  return Object.fromEntries(
    names.flatMap((name) => (object[name] === undefined ? [] : [[name, object[name]] as const])),
  );
}

function cursorOf(position: number): string {
  return `${Buffer.from(`p${position}`).toString("base64url")}ZD`;
}

function positionOf(cursor: string, size: number): number {
  const match = Buffer.from(cursor.replace(/ZD$/, ""), "base64url")
    .toString("latin1")
    .match(/^p(\d+)$/);
  const position = match === null ? Number.NaN : Number(match[1]);
  if (!(position <= size)) throw new GraphError(131059, "The cursor is not valid. Restart the listing without one.");
  return position;
}
