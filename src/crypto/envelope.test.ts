import { randomBytes, randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { blind, type Key, keyFingerprint, open, type Place, seal, sealedWith } from "./envelope.ts";

const key: Key = { id: randomUUID(), version: 1, bytes: randomBytes(32) };
const place: Place = { merchantId: randomUUID(), table: "outbox", column: "content_ct", rowId: randomUUID() };
const refused = expect.objectContaining({ code: "crypto/sealed" });

describe("a sealed value", () => {
  it("opens where it was sealed, whatever it holds", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
        expect(open(key, place, seal(key, place, Buffer.from(bytes)))).toEqual(Buffer.from(bytes));
      }),
    );
    for (const text of ["", "שלום 👨‍👩‍👧", "\0"])
      expect(open(key, place, seal(key, place, text)).toString()).toBe(text);
  });

  it("never looks the same twice, and does not show what it holds", () => {
    const sealed = Array.from({ length: 2000 }, () => seal(key, place, "a secret text").toString("hex"));
    expect(new Set(sealed).size).toBe(2000);
    const ivs = sealed.map((hex) => hex.slice(34, 58));
    expect(new Set(ivs).size).toBe(2000);
    expect(Buffer.from(sealed[0]!, "hex").includes("secret")).toBe(false);
  });

  it.each([
    ["merchant", { merchantId: randomUUID() }],
    ["table", { table: "inbox" }],
    ["column", { column: "raw_ct" }],
    ["row", { rowId: randomUUID() }],
  ])("does not open for another %s", (_name, other) => {
    const sealed = seal(key, place, "text");
    expect(() => open(key, { ...place, ...other }, sealed)).toThrow(refused);
  });

  it("does not open with another key, nor with another key of the same name", () => {
    const sealed = seal(key, place, "text");
    expect(() => open({ ...key, bytes: randomBytes(32) }, place, sealed)).toThrow(refused);
  });

  it("does not open when any bit was changed after the key's name", () => {
    const sealed = seal(key, place, "a text to tamper with");
    for (let index = 17; index < sealed.length; index++) {
      const changed = Buffer.from(sealed);
      changed[index]! ^= 1 << (index % 8);
      expect(() => open(key, place, changed), `byte ${index}`).toThrow(refused);
    }
  });

  it("does not open when it was cut or lengthened", () => {
    const sealed = seal(key, place, "a text to cut");
    expect(() => open(key, place, sealed.subarray(0, sealed.length - 1))).toThrow(refused);
    expect(() => open(key, place, Buffer.concat([sealed, Buffer.of(0)]))).toThrow(refused);
  });

  it("says which key sealed it; bytes of another format are refused, not guessed", () => {
    expect(sealedWith(seal(key, place, "text"))).toBe(key.id);
    const format = expect.objectContaining({ code: "crypto/format" });
    expect(() => sealedWith(Buffer.from("plain text, more than forty-five bytes of it in all"))).toThrow(format);
    expect(() => sealedWith(seal(key, place, "").subarray(0, 44))).toThrow(format);
    expect(() => sealedWith(Buffer.alloc(0))).toThrow(format);
  });

  it("names table and column in its refusal, never the row's value", () => {
    const sealed = seal(key, place, "a secret text");
    expect(() => open(key, { ...place, rowId: randomUUID() }, sealed)).toThrow(/outbox\.content_ct/);
  });
});

describe("a blind index", () => {
  it("is the same for the same value and key, and tells nothing else", () => {
    const other: Key = { ...key, bytes: randomBytes(32) };
    expect(blind(key, "wa:972500000001")).toEqual(blind(key, "wa:972500000001"));
    expect(blind(key, "wa:972500000001")).not.toEqual(blind(key, "wa:972500000002"));
    expect(blind(key, "wa:972500000001")).not.toEqual(blind(other, "wa:972500000001"));
    expect(blind(key, "")).toHaveLength(32);
  });
});

describe("a master key's fingerprint", () => {
  it("is short, stable and not made of the key", () => {
    const master = randomBytes(32);
    expect(keyFingerprint(master)).toMatch(/^[0-9a-f]{16}$/);
    expect(keyFingerprint(master)).toBe(keyFingerprint(Buffer.from(master)));
    expect(keyFingerprint(master)).not.toBe(keyFingerprint(randomBytes(32)));
    expect(master.toString("hex")).not.toContain(keyFingerprint(master));
  });
});
