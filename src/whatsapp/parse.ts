import { createHash } from "node:crypto";
import { z } from "zod";
import type { WebhookEvent } from "../domain/event.ts";
import { readChange } from "./parse/change.ts";
import { seconds, valueSchema } from "./parse/shared.ts";

const envelope = z.looseObject({
  entry: z.array(
    z.looseObject({
      id: z.string().optional().catch(undefined),
      time: z.unknown().optional(),
      changes: z
        .array(
          z
            .looseObject({
              field: z.string().catch("unknown"),
              value: valueSchema.catch((broken) => ({ broken: broken.value }) as never),
            })
            .catch({ field: "unknown", value: {} }),
        )
        .catch([]),
    }),
  ),
});

export type Parsed = { type: "events"; events: WebhookEvent[] } | { type: "unparsable"; expected: string };

/**
 * Every event of a webhook POST: all entries, changes, messages and statuses, in our own types. Nothing is dropped: what
 * we do not know becomes `unsupported` with its raw part. A body that is no webhook envelope at all is `unparsable`.
 */
export function parseWebhook(body: Uint8Array, receivedAt: Date): Parsed {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8"));
  } catch {
    return { type: "unparsable", expected: "JSON" };
  }
  const parsed = envelope.safeParse(json);
  if (!parsed.success) return { type: "unparsable", expected: "an object with entry[]" };
  const events = parsed.data.entry.flatMap((entry) =>
    entry.changes.flatMap((change) => {
      const at = seconds(entry.time) ?? receivedAt;
      return readChange({ field: change.field, value: change.value, wabaId: entry.id, at, receivedAt, hash });
    }),
  );
  return { type: "events", events };
}

function hash(value: unknown): string {
  return createHash("sha256")
    .update(JSON.stringify(value) ?? "")
    .digest("base64url");
}
