import { EsekError } from "../errors.ts";
import { meaningOf } from "./advice.ts";

/** Where Graph is and who asks; an address without a token is for the two calls that need none. */
export type GraphAddress = { url: string; version: string };
export type ManagementOptions = GraphAddress & { token: string };

/** Graph's own no. Everything hangs on the code; Meta's words are not carried, they may quote what was sent. */
export class GraphRefusal extends EsekError {
  readonly graphCode: number;
  readonly subcode: number | undefined;

  constructor(code: number, subcode: number | undefined, status: number) {
    const { said, todo } = meaningOf(code);
    super(`graph/${code}`, `Meta refused: ${said} (code ${code}, HTTP ${status}). ${todo}`);
    this.graphCode = code;
    this.subcode = subcode;
  }
}

export type GraphRequest = {
  method?: "GET" | "POST";
  path: string;
  query?: Record<string, string>;
  json?: unknown;
  form?: Record<string, string>;
};

const TIMEOUT_MS = 20_000;

/**
 * One call of a management endpoint. Throws `GraphRefusal` for an error of Graph's and `EsekError("graph/unreachable")` or
 * `("graph/http-...")` when somebody else answered or nobody did; neither names what was sent.
 */
export async function graphCall(address: GraphAddress & { token?: string }, request: GraphRequest): Promise<unknown> {
  const query = request.query ? `?${new URLSearchParams(request.query)}` : "";
  const body = request.form
    ? new URLSearchParams(request.form)
    : request.json === undefined
      ? undefined
      : JSON.stringify(request.json);
  let response: Response;
  try {
    response = await fetch(`${address.url}/${address.version}/${request.path}${query}`, {
      method: request.method ?? "GET",
      headers: {
        "user-agent": "esek/0.1",
        ...(address.token ? { authorization: `Bearer ${address.token}` } : {}),
        ...(request.json === undefined ? {} : { "content-type": "application/json" }),
      },
      body,
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    // The client's own error may quote the address, and with it a token; that nobody answered is all there is to say.
    throw new EsekError(
      "graph/unreachable",
      "Graph does not answer. Check this machine's way to the internet and GRAPH_API_URL, then try again.",
    );
  }
  const answer = (await response.json().catch(() => undefined)) as
    | { error?: { code?: unknown; error_subcode?: unknown } }
    | undefined;
  const { code, error_subcode: subcode } = answer?.error ?? {};
  if (typeof code === "number")
    throw new GraphRefusal(code, typeof subcode === "number" ? subcode : undefined, response.status);
  if (!response.ok || answer === undefined)
    throw new EsekError(
      `graph/http-${response.status}`,
      `GRAPH_API_URL answered HTTP ${response.status} without Graph's error body. A proxy in between, or a wrong address?`,
    );
  return answer;
}
