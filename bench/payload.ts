import { createHmac } from "node:crypto";

export const SECRET = "bench-app-secret";
export const TOKEN = "bench-access-token";
export const PHONE_ID = "106540352242922";
export const WABA_ID = "102290129340398";

let counter = 0;

export type Signed = { body: string; signature: string };

export function message(customer: number, text: string, at = Math.floor(Date.now() / 1000)): Record<string, unknown> {
  const from = `97250${String(customer).padStart(7, "0")}`;
  return {
    from,
    id: `wamid.bench${process.pid}-${counter++}`,
    timestamp: String(at),
    type: "text",
    text: { body: text },
  };
}

export function status(n: number, kind = "delivered"): Record<string, unknown> {
  return {
    id: `wamid.unknown${process.pid}-${n}`,
    status: kind,
    timestamp: String(Math.floor(Date.now() / 1000)),
    recipient_id: "972500000001",
  };
}

/** A signed webhook POST with the given messages and statuses. */
export function post(messages: Record<string, unknown>[], statuses: Record<string, unknown>[] = []): Signed {
  const contacts = messages.map((item) => ({ profile: { name: "Bench" }, wa_id: item.from }));
  const value = {
    messaging_product: "whatsapp",
    metadata: { display_phone_number: "15550783881", phone_number_id: PHONE_ID },
    ...(messages.length > 0 ? { contacts, messages } : {}),
    ...(statuses.length > 0 ? { statuses } : {}),
  };
  const body = JSON.stringify({
    object: "whatsapp_business_account",
    entry: [{ id: WABA_ID, changes: [{ field: "messages", value }] }],
  });
  return { body, signature: `sha256=${createHmac("sha256", SECRET).update(body).digest("hex")}` };
}
