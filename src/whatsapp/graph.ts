import { createHash } from "node:crypto";
import { Agent, request as httpRequest } from "node:http";
import { request as httpsRequest, Agent as TlsAgent } from "node:https";
import { performance } from "node:perf_hooks";
import type { Content } from "../domain/draft.ts";
import type { MerchantId, PhoneId, Wamid } from "../domain/ids.ts";
import type { Cleared, GraphPort, Marked, SendOutcome } from "../ports.ts";
import { sendBody } from "./payload.ts";

export type GraphOptions = {
  url: string;
  version: string;
  token: (merchantId: MerchantId) => Promise<string | undefined>;
  phoneNumberId: (merchantId: MerchantId, phoneId: PhoneId) => Promise<string | undefined>;
  timeoutMs: number;
  onCall?: (call: { outcome: string; code: number; latencyMs: number }) => void;
};

type Answer = { status: number; body: string };

/** Meta's Graph API over a kept-alive connection. */
export function createGraph(options: GraphOptions): GraphPort & { close: () => void } {
  const isTls = options.url.startsWith("https:");
  const agent = isTls
    ? new TlsAgent({ keepAlive: true, maxSockets: 128, timeout: 60_000 })
    : new Agent({ keepAlive: true, maxSockets: 128, timeout: 60_000 });
  const post = (path: string, token: string, body: unknown) =>
    call(`${options.url}/${options.version}/${path}`, isTls, agent, token, JSON.stringify(body), options.timeoutMs);

  return {
    async send(cleared, message) {
      const started = performance.now();
      const outcome = await trySend(options, post, cleared, message);
      options.onCall?.({
        outcome: outcome.type,
        code: outcome.type === "refused" ? outcome.code : 0,
        latencyMs: performance.now() - started,
      });
      return outcome;
    },
    markRead(merchantId, phoneId, wamid) {
      void readReceipt(options, post, merchantId, phoneId, wamid);
    },
    close: () => agent.destroy(),
  };
}

type Post = (path: string, token: string, body: unknown) => Promise<Answer>;

async function trySend(
  options: GraphOptions,
  post: Post,
  cleared: Cleared,
  message: Extract<Marked, { type: "sending" }>,
): Promise<SendOutcome> {
  // What was cleared is what is posted: another content or a decision gone stale is a bug, and bugs do not send.
  if (cleared.contentHash !== contentHashOf(message.content)) return { type: "refused", code: 100, isTransient: false };
  try {
    const token = await options.token(message.merchantId);
    if (!token) return { type: "not-sent", code: "no-token" };
    const answer = await post(
      `${message.phoneNumberId}/messages`,
      token,
      sendBody(message.recipient, message.content, message.attemptId),
    );
    return readAnswer(answer);
  } catch (err) {
    const { code = "unknown", isSent = false } = err as { code?: string; isSent?: boolean };
    return isSent ? { type: "unknown", code } : { type: "not-sent", code };
  }
}

/** 200 with a wamid: accepted. A Graph error body: refused with its code. Anything else was answered by nobody we know. */
function readAnswer({ status, body }: Answer): SendOutcome {
  try {
    const json = JSON.parse(body) as {
      messages?: { id?: string }[];
      error?: { code?: number; is_transient?: boolean };
    };
    const wamid = json.messages?.[0]?.id;
    if (status === 200 && wamid) return { type: "accepted", wamid: wamid as Wamid };
    if (typeof json.error?.code === "number")
      return { type: "refused", code: json.error.code, isTransient: json.error.is_transient === true };
  } catch {
    // Not JSON: a proxy or a broken answer; falls through to unknown.
  }
  return { type: "unknown", code: `http-${status}` };
}

/** Marks the thread read and shows typing; an answer follows. Best effort: a failure changes nothing that matters. */
async function readReceipt(
  options: GraphOptions,
  post: Post,
  merchantId: MerchantId,
  phoneId: PhoneId,
  wamid: Wamid,
): Promise<void> {
  try {
    const [token, phoneNumberId] = await Promise.all([
      options.token(merchantId),
      options.phoneNumberId(merchantId, phoneId),
    ]);
    if (token && phoneNumberId)
      await post(`${phoneNumberId}/messages`, token, {
        messaging_product: "whatsapp",
        status: "read",
        message_id: wamid,
        typing_indicator: { type: "text" },
      });
  } catch {
    // The answer itself is what counts.
  }
}

/** Rejects with `isSent`: whether a byte of the request may have reached the other side. Before the connection stands, none has. */
function call(
  url: string,
  isTls: boolean,
  agent: Agent | TlsAgent,
  token: string,
  body: string,
  timeoutMs: number,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let isSent = false;
    const make = isTls ? httpsRequest : httpRequest;
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "user-agent": "esek/0.1",
    };
    const request = make(url, { method: "POST", agent, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString("utf8") }),
      );
      response.on("error", (err) => reject(Object.assign(err, { isSent: true })));
    });
    request.on("socket", (socket) => {
      if (request.reusedSocket) isSent = true;
      else
        socket.once(isTls ? "secureConnect" : "connect", () => {
          isSent = true;
        });
    });
    const timer = setTimeout(
      () => request.destroy(Object.assign(new Error("timeout"), { code: "timeout" })),
      timeoutMs,
    );
    request.on("error", (err) => reject(Object.assign(err, { isSent })));
    request.on("close", () => clearTimeout(timer));
    request.end(body);
  });
}

function contentHashOf(content: Content): string {
  return createHash("sha256").update(JSON.stringify(content)).digest("hex");
}
