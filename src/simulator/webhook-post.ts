import http from "node:http";
import https from "node:https";

/** One POST to the business's callback. Resolves to the HTTP status, rejects when no answer came. */
export type PostWebhook = (url: string, body: Buffer, signature: string) => Promise<number>;

/** A poster with kept-alive connections. `close` cuts what is under way. */
export function createPoster(timeoutMs: number): { post: PostWebhook; close(): void } {
  const plain = new http.Agent({ keepAlive: true, maxSockets: 64 });
  const secure = new https.Agent({ keepAlive: true, maxSockets: 64 });
  const post: PostWebhook = (url, body, signature) =>
    new Promise((resolve, reject) => {
      const isSecure = url.startsWith("https:");
      const request = (isSecure ? https : http).request(url, {
        method: "POST",
        agent: isSecure ? secure : plain,
        timeout: timeoutMs,
        headers: {
          "content-type": "application/json",
          "content-length": body.length,
          "x-hub-signature-256": signature,
          "user-agent": "facebookexternalua",
          accept: "*/*",
        },
      });
      request.on("response", (response) => {
        response.resume();
        response.on("end", () => resolve(response.statusCode ?? 0));
        response.on("error", reject);
      });
      request.on("timeout", () => request.destroy(new Error(`No answer from ${url} within ${timeoutMs} ms`)));
      request.on("error", reject);
      request.end(body);
    });
  return {
    post,
    close() {
      plain.destroy();
      secure.destroy();
    },
  };
}

/** The verification handshake (reference 1.1): true when the callback answers 200 with exactly the challenge. */
export async function verifyCallback(url: string, verifyToken: string, challenge: string): Promise<boolean> {
  const target = new URL(url);
  target.searchParams.set("hub.mode", "subscribe");
  target.searchParams.set("hub.challenge", challenge);
  target.searchParams.set("hub.verify_token", verifyToken);
  try {
    const answer = await fetch(target, { redirect: "manual", signal: AbortSignal.timeout(10_000) });
    return answer.status === 200 && (await answer.text()) === challenge;
  } catch {
    return false; // An unreachable callback is an unverified one; that is the whole answer.
  }
}
