/** Something the merchant is told; the same `dedupeKey` counts up instead of telling twice. Never holds a customer's words or ids. */
export type NoticeLine = { kind: string; dedupeKey: string; detail: Record<string, string | number | boolean> };
