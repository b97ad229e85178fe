import { createHmac } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { asMerchant } from "../../test/crash.ts";
import { PHONE_ID, SECRETS, startWorld, type TestWorld, WABA_ID } from "../../test/world.ts";
import { SYSTEM_MERCHANT } from "../domain/ids.ts";

describe("the webhook's door", () => {
  let world: TestWorld;
  let url: string;
  beforeAll(async () => {
    world = await startWorld();
    url = `http://127.0.0.1:${world.runtime.port}/webhooks/whatsapp`;
  });
  afterAll(() => world.stop());

  const sign = (body: string, secret = SECRETS.appSecret) =>
    `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
  const post = (body: string, signature: string | undefined) =>
    fetch(url, {
      method: "POST",
      body,
      headers: { "content-type": "application/json", ...(signature ? { "x-hub-signature-256": signature } : {}) },
    });
  const message = (phoneId: string, id: string, wabaId = WABA_ID) =>
    JSON.stringify({
      object: "whatsapp_business_account",
      entry: [
        {
          id: wabaId,
          changes: [
            {
              field: "messages",
              value: {
                metadata: { phone_number_id: phoneId },
                messages: [
                  {
                    from: "972500000099",
                    id,
                    timestamp: String(Math.floor(Date.now() / 1000)),
                    type: "text",
                    text: { body: "hello" },
                  },
                ],
              },
            },
          ],
        },
      ],
    });
  const kept = async () =>
    (
      await asMerchant(
        world.scratch,
        world.merchantId,
        (tx) => tx<{ n: number }[]>`select count(*)::int as n from inbox`,
      )
    )[0]!.n;
  const unrouted = async () =>
    (
      await asMerchant(
        world.scratch,
        SYSTEM_MERCHANT,
        (tx) => tx<{ n: number }[]>`select count(*)::int as n from inbox_unrouted`,
      )
    )[0]!.n;

  it("answers Meta's handshake with the challenge, and nobody else's", async () => {
    const ask = (token: string) =>
      fetch(`${url}?hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=${token}`);
    const right = await ask(SECRETS.verifyToken);
    expect([right.status, await right.text(), right.headers.get("content-type")]).toEqual([
      200,
      "1158201444",
      "text/plain; charset=UTF-8",
    ]);
    expect((await ask("wrong")).status).toBe(403);
    expect((await fetch(url)).status).toBe(403);
  });

  it.each([
    ["missing", () => undefined],
    ["of another secret", (body: string) => sign(body, "another")],
    ["of another body", () => sign("{}")],
    ["cut short", (body: string) => sign(body).slice(0, -2)],
    ["without its prefix", (body: string) => sign(body).slice(7)],
  ])("a signature that is %s is refused and nothing is stored", async (_what, signature) => {
    const before = [await kept(), await unrouted()];
    const body = message(PHONE_ID, "wamid.forged");
    expect((await post(body, signature(body))).status).toBe(401);
    expect([await kept(), await unrouted()]).toEqual(before);
  });

  it("a good signature over something unreadable is kept raw, counted and acknowledged", async () => {
    const before = await unrouted();
    for (const body of ["{not json", "[]", '{"entry": 7}']) expect((await post(body, sign(body))).status).toBe(200);
    expect(await unrouted()).toBe(before + 3);
  });

  it("an unknown number or WABA is kept, counted and acknowledged", async () => {
    const before = [await kept(), await unrouted()];
    const body = message("999999999999", "wamid.unknown-number", "888888888888");
    expect((await post(body, sign(body))).status).toBe(200);
    expect([await kept(), await unrouted()]).toEqual([before[0], before[1]! + 1]);
  });

  it("4 MiB is read, more is refused", async () => {
    const padded = (size: number) => {
      const body = JSON.stringify({ object: "whatsapp_business_account", entry: [], padding: "" });
      return body.replace('"padding":""', `"padding":"${"x".repeat(size - body.length)}"`);
    };
    const limit = 4 * 1024 * 1024;
    const fits = padded(limit);
    expect((await post(fits, sign(fits))).status).toBe(200);
    const over = padded(limit + 1);
    expect((await post(over, sign(over))).status).toBe(413);
  });

  it("says that it lives and that it is ready", async () => {
    const base = `http://127.0.0.1:${world.runtime.port}`;
    expect(await (await fetch(`${base}/healthz`)).json()).toEqual({ ok: true });
    expect(await (await fetch(`${base}/readyz`)).json()).toEqual({ ok: true, checks: { database: "ok" } });
    expect((await fetch(`${base}/nothing`)).status).toBe(404);
  });
});
