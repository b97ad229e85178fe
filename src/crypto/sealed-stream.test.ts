import { randomBytes } from "node:crypto";
import { describe, expect, it } from "vitest";
import { openStream, sealStream } from "./sealed-stream.ts";

const key = randomBytes(32);
const header = Buffer.from("whose it is");
const PIECE = 1 << 20;
const damaged = expect.objectContaining({ code: "backup/damaged" });

async function* of(...parts: Buffer[]): AsyncGenerator<Buffer> {
  yield* parts;
}

async function all(source: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of source) parts.push(part);
  return Buffer.concat(parts);
}

async function pieces(plain: Buffer): Promise<Buffer[]> {
  const found: Buffer[] = [];
  for await (const piece of sealStream(key, header, of(plain))) found.push(piece);
  return found;
}

const opened = (parts: Buffer[], head = header) => all(openStream(key, head, of(...parts)));

describe("a sealed stream", () => {
  it.each([0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])(
    "of %i bytes opens as it was, however it is cut",
    async (size) => {
      const plain = randomBytes(size);
      const sealed = Buffer.concat(await pieces(plain));
      expect((await opened([sealed])).equals(plain)).toBe(true);
      const cut = [sealed.subarray(0, 3), sealed.subarray(3, 30), sealed.subarray(30)];
      expect((await opened(cut)).equals(plain)).toBe(true);
    },
  );

  it("does not open with a piece moved, left out, doubled, added or cut off, nor under another header", async () => {
    const [a, b, c, d] = (await pieces(randomBytes(3 * PIECE + 10))) as [Buffer, Buffer, Buffer, Buffer];
    for (const parts of [
      [b, a, c, d],
      [a, c, d],
      [a, b, b, c, d],
      [a, b, c, d, d],
      [a, b, c],
      [a, b, c, d.subarray(0, -1)],
      [],
    ])
      await expect(opened(parts)).rejects.toEqual(damaged);
    await expect(opened([a, b, c, d], Buffer.from("another's"))).rejects.toEqual(damaged);
  });
});
