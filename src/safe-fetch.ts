import { lookup as dnsLookup, type LookupAddress } from "node:dns";
import { type ClientRequest, request as httpRequest, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { EsekError } from "./errors.ts";

export type SafeRequest = {
  url: string;
  method: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  headers: Record<string, string>;
  body?: string | undefined;
  timeoutMs: number;
  maxBytes: number;
  signal?: AbortSignal | undefined;
};

export type SafeResponse = { status: number; contentType: string; body: string };

export type SafeFetch = (request: SafeRequest) => Promise<SafeResponse>;

/** Addresses that a merchant's URL must never reach: this machine, its network, link-local metadata services, multicast. */
const INWARD = new BlockList();
for (const [net, bits] of [
  ["0.0.0.0", 8], ["10.0.0.0", 8], ["100.64.0.0", 10], ["127.0.0.0", 8], ["169.254.0.0", 16], ["172.16.0.0", 12], ["192.0.0.0", 24], ["192.0.2.0", 24],
  ["192.168.0.0", 16], ["198.18.0.0", 15], ["198.51.100.0", 24], ["203.0.113.0", 24], ["224.0.0.0", 4], ["240.0.0.0", 4],
] as const) // biome-ignore format: a table reads as a table
  INWARD.addSubnet(net, bits, "ipv4");
for (const [net, bits] of [
  ["::", 128], ["::1", 128], ["64:ff9b::", 96], ["100::", 64], ["2001:db8::", 32], ["2002::", 16], ["fc00::", 7], ["fe80::", 10], ["ff00::", 8],
] as const) // biome-ignore format: a table reads as a table
  INWARD.addSubnet(net, bits, "ipv6");

/** Whether an address lies inside. An IPv4 address in IPv6 clothes is read as the IPv4 address. */
export function isInward(address: string): boolean {
  const mapped = /^::ffff:(.+)$/i.exec(address)?.[1];
  const plain = mapped && isIP(mapped) === 4 ? mapped : address;
  if (mapped && plain !== mapped) return true;
  return isIP(plain) === 0 || INWARD.check(plain, isIP(plain) === 4 ? "ipv4" : "ipv6");
}

/**
 * HTTP to an address that somebody else chose. The connection is made to the very address that was checked, so a name that
 * resolves differently a moment later gains nothing; redirects are not followed; time and size are bounded.
 * `openOrigins` (the simulator's, in demo mode and tests) may lie inward. Throws `EsekError("fetch/...")` without the
 * address or body: `not-allowed`, `redirect`, `too-large`, `timeout`, `failed`.
 */
export function createSafeFetch(options: { openOrigins?: readonly string[] } = {}): SafeFetch {
  return (request) => {
    const url = parse(request.url);
    const isOpen = options.openOrigins?.includes(url.origin) ?? false;
    if (!isOpen) refuseInward(url);
    return exchange(url, request, isOpen ? undefined : outwardLookup);
  };
}

function parse(text: string): URL {
  if (!URL.canParse(text)) throw new EsekError("fetch/not-allowed", "The address is not a URL.");
  const url = new URL(text);
  if (url.protocol !== "https:" && url.protocol !== "http:")
    throw new EsekError("fetch/not-allowed", `Only http and https are called, not ${url.protocol}`);
  if (url.username || url.password)
    throw new EsekError("fetch/not-allowed", "An address must not carry a user name; put the secret into a header.");
  return url;
}

function refuseInward(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  if (isIP(host) !== 0 && isInward(host)) throw inward();
}

function inward(): EsekError {
  return new EsekError(
    "fetch/not-allowed",
    "The address leads into this machine's own network, which is never called.",
  );
}

const outwardLookup: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (err, found) => {
    if (err) return callback(err, "", 0);
    const addresses = found as LookupAddress[];
    if (addresses.length === 0 || addresses.some(({ address }) => isInward(address))) return callback(inward(), "", 0);
    if (options.all) return callback(null, addresses);
    callback(null, addresses[0]!.address, addresses[0]!.family);
  });
};

function exchange(url: URL, request: SafeRequest, lookup: LookupFunction | undefined): Promise<SafeResponse> {
  return new Promise((resolve, reject) => {
    const isDone = AbortSignal.timeout(request.timeoutMs);
    const signal = request.signal ? AbortSignal.any([request.signal, isDone]) : isDone;
    const fail = (err: unknown) => reject(isDone.aborted ? timedOut(request.timeoutMs) : asSafe(err));
    const call: ClientRequest = (url.protocol === "https:" ? httpsRequest : httpRequest)(
      url,
      { method: request.method, headers: request.headers, signal, ...(lookup ? { lookup } : {}) },
      (response) => void read(response, request.maxBytes).then(resolve, fail),
    );
    call.on("error", fail);
    call.end(request.body);
  });
}

async function read(response: IncomingMessage, maxBytes: number): Promise<SafeResponse> {
  const status = response.statusCode ?? 0;
  if (status >= 300 && status < 400) {
    response.destroy();
    throw new EsekError("fetch/redirect", "The address answered with a redirect, which is not followed.");
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBytes) {
      response.destroy();
      throw new EsekError("fetch/too-large", `The answer is larger than ${maxBytes} bytes.`);
    }
    chunks.push(chunk);
  }
  const contentType = response.headers["content-type"] ?? "";
  return { status, contentType, body: Buffer.concat(chunks).toString("utf8") };
}

function timedOut(ms: number): EsekError {
  return new EsekError("fetch/timeout", `No answer within ${ms} ms.`);
}

function asSafe(err: unknown): EsekError {
  if (err instanceof EsekError) return err;
  return new EsekError("fetch/failed", `The call failed (${(err as { code?: string }).code ?? "unknown"}).`);
}
