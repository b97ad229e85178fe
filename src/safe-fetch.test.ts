import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createSafeFetch, isInward, type SafeRequest } from "./safe-fetch.ts";

let server: Server;
let origin: string;
let reached = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    reached++;
    if (request.url === "/redirect") return void response.writeHead(302, { location: "http://127.0.0.1:1/" }).end();
    if (request.url === "/large") return void response.end("x".repeat(100_000));
    if (request.url === "/slow") return void setTimeout(() => response.end("late"), 2000);
    response.writeHead(201, { "content-type": "text/plain" }).end(`${request.method} ${request.headers["x-key"]}`);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

const ask = (url: string, more: Partial<SafeRequest> = {}): SafeRequest => ({
  url,
  method: "GET",
  headers: { "x-key": "k" },
  timeoutMs: 1000,
  maxBytes: 50_000,
  ...more,
});

describe("calls to an address that somebody else chose", () => {
  it.each([
    "127.0.0.1", "10.1.2.3", "172.31.255.255", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "::", "fe80::1", "fd00::1",
    "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "not an address",
  ])("%s lies inward", (address) => expect(isInward(address)).toBe(true)); // biome-ignore format: a table reads as a table

  it.each(["8.8.8.8", "172.32.0.1", "2606:4700::1111", "::ffff:8.8.8.8"])("%s does not", (address) =>
    expect(isInward(address)).toBe(false),
  );

  it.each([
    "http://127.0.0.1:PORT/",
    "http://localhost:PORT/",
    "http://[::1]:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f.1:PORT/",
    "http://127.1:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "file:///etc/passwd",
    "ftp://example.com/",
    "http://user:pass@example.com/",
    "nonsense",
  ])("%s is refused before anything is sent", async (pattern) => {
    // biome-ignore format: a table reads as a table
    const before = reached;
    const port = new URL(origin).port;
    await expect((async () => createSafeFetch()(ask(pattern.replace("PORT", port))))()).rejects.toMatchObject({
      code: "fetch/not-allowed",
    });
    expect(reached).toBe(before);
  });

  it("an origin that was opened is called, with its method and headers", async () => {
    const answer = await createSafeFetch({ openOrigins: [origin] })(ask(`${origin}/`, { method: "POST", body: "{}" }));
    expect(answer).toEqual({ status: 201, contentType: "text/plain", body: "POST k" });
  });

  it.each([
    ["/redirect", "fetch/redirect"],
    ["/large", "fetch/too-large"],
    ["/slow", "fetch/timeout"],
  ])("%s ends as %s", async (path, code) => {
    const call = createSafeFetch({ openOrigins: [origin] })(ask(`${origin}${path}`));
    await expect(call).rejects.toMatchObject({ code });
  });

  it("is given up when its caller gives up", async () => {
    const abort = new AbortController();
    const call = createSafeFetch({ openOrigins: [origin] })(ask(`${origin}/slow`, { signal: abort.signal }));
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: "fetch/failed" });
  });
});
