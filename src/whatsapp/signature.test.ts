import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAuthentic } from "./signature.ts";

const body = Buffer.from('{"object":"whatsapp_business_account","entry":[{"text":"שלום \\u00e9"}]}');
const sign = (secret: string, bytes: Uint8Array = body) =>
  `sha256=${createHmac("sha256", secret).update(bytes).digest("hex")}`;
const SECRETS = ["new-secret", "old-secret"];

describe("a webhook's signature", () => {
  const cases: [string, string | undefined, boolean][] = [
    ["under the first secret", sign("new-secret"), true],
    ["under the second secret, during a rotation", sign("old-secret"), true],
    ["under a secret we do not have", sign("another"), false],
    ["of another body", sign("new-secret", Buffer.from("{}")), false],
    ["missing", undefined, false],
    ["empty", "", false],
    ["without its scheme", sign("new-secret").slice("sha256=".length), false],
    ["of the old scheme", sign("new-secret").replace("sha256", "sha1"), false],
    ["cut by one digit", sign("new-secret").slice(0, -1), false],
    ["cut to nothing", "sha256=", false],
    ["with a digit too many", `${sign("new-secret")}0`, false],
    ["in upper case", sign("new-secret").toUpperCase(), false],
    ["in upper-case digits", `sha256=${sign("new-secret").slice(7).toUpperCase()}`, false],
    ["with a space", ` ${sign("new-secret")}`, false],
    ["with a line break", `${sign("new-secret")}\n`, false],
    ["that is no hex", `sha256=${"z".repeat(64)}`, false],
    ["twice", `${sign("new-secret")}, ${sign("new-secret")}`, false],
  ];
  it.each(cases)("%s", (_name, header, expected) => {
    expect(isAuthentic(SECRETS, body, header)).toBe(expected);
  });

  it("is over the raw bytes: JSON that means the same does not pass", () => {
    const same = Buffer.from(JSON.stringify(JSON.parse(body.toString())));
    expect(isAuthentic(SECRETS, same, sign("new-secret"))).toBe(same.equals(body));
    expect(isAuthentic(SECRETS, Buffer.concat([body, Buffer.from(" ")]), sign("new-secret"))).toBe(false);
  });

  it("without any secret is never right, not even under an empty one", () => {
    expect(isAuthentic([], body, sign("new-secret"))).toBe(false);
    expect(isAuthentic([], body, sign(""))).toBe(false);
  });

  it("holds for any bytes and breaks with any changed one", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), (bytes, at) => {
        const header = sign("new-secret", bytes);
        const changed = Uint8Array.from(bytes);
        changed[at % bytes.length]! ^= 1;
        return isAuthentic(SECRETS, bytes, header) && !isAuthentic(SECRETS, changed, header);
      }),
    );
  });
});
