import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Context } from "hono";
import type { Sim } from "../context.ts";
import { GraphError, invalidParam } from "../graph-error.ts";
import type { JsonObject } from "../json.ts";
import type { LedgerEntry } from "../ledger.ts";
import type { SendFault } from "../send-faults.ts";
import { acceptSend, requireActive } from "./accept-send.ts";
import { answerError, requireToken } from "./access.ts";
import type { GraphEnv } from "./env.ts";
import { addressOf, parseSend, requireProduct } from "./message-shape.ts";
import { phoneOf } from "./nodes.ts";
import { readReceipt } from "./read-receipt.ts";
import { scheduleReceipts } from "./receipts.ts";

type Draft = Omit<LedgerEntry, "n" | "outcome">;

/** `POST /<phone>/messages` and `/marketing_messages`: the fault in force, then Meta's decision, the ledger, the answer. */
export async function postMessage(sim: Sim, c: Context<GraphEnv>, viaMarketingApi: boolean): Promise<Response> {
  const draft: Draft = {
    at: sim.clock.now(),
    kind: "message",
    phoneId: c.req.param("id"),
    type: "unknown",
    body: null,
  };
  let body: JsonObject;
  let phoneId: string;
  let fault: SendFault | undefined;
  try {
    requireToken(sim, c);
    const phone = phoneOf(sim, c.req.param("id") ?? "");
    phoneId = phone.id;
    draft.body = parseJson(await c.req.text());
    body = requireProduct(draft.body);
    const isReceipt = body.status !== undefined;
    Object.assign(draft, describe(body, isReceipt));
    if (isReceipt) {
      requireActive(phone);
      const { isTyping } = readReceipt(sim, phone, body);
      sim.ledger.append({ ...draft, type: isTyping ? "typing" : "read", outcome: "accepted" });
      return c.json({ success: true });
    }
    fault = sim.sendFaults.take({ phoneId, user: draft.to ?? draft.recipient, type: draft.type });
    draft.fault = fault?.kind;
  } catch (error) {
    return refuse(sim, c, draft, error);
  }

  const early = await beforeDecision(sim, c, draft, fault);
  if (early !== undefined) return early;

  let answer: JsonObject;
  try {
    const phone = phoneOf(sim, phoneId);
    const send = parseSend(body, (id) => sim.media.find(id, sim.clock.now()) !== undefined);
    const acceptance = acceptSend(sim, phone, send, viaMarketingApi);
    const { accepted } = acceptance;
    answer = acceptance.answer;
    if (fault?.kind === "fail") accepted.failure = new GraphError(fault.code ?? 131000, fault.details);
    sim.ledger.append({ ...draft, at: sim.clock.now(), outcome: "accepted", wamid: accepted.item.wamid });
    scheduleReceipts(sim, accepted);
  } catch (error) {
    return refuse(sim, c, draft, error);
  }
  if (fault?.kind === "accept-drop") return hangUp(c);
  if (fault?.kind === "accept-stall" && !(await callerWaits(c, fault.ms ?? 30_000))) return hangUp(c);
  return c.json(answer);
}

/** What a fault does before Meta would decide; undefined when the send goes on to be decided. */
async function beforeDecision(
  sim: Sim,
  c: Context<GraphEnv>,
  draft: Draft,
  fault: SendFault | undefined,
): Promise<Response | undefined> {
  switch (fault?.kind) {
    case "error":
      return refuse(sim, c, draft, new GraphError(fault.code ?? 131000, fault.details));
    case "html":
      sim.ledger.append({ ...draft, outcome: "rejected", errorCode: 1 });
      return c.html("<!DOCTYPE html><html><body><h1>Sorry, something went wrong.</h1></body></html>", 500);
    case "drop":
      sim.ledger.append({ ...draft, outcome: "rejected", errorCode: 2 });
      return hangUp(c);
    case "slow":
      sim.ledger.append({ ...draft, outcome: "stalled" });
      await callerWaits(c, fault.ms ?? 1000, true);
      return undefined;
    case "stall":
      sim.ledger.append({ ...draft, outcome: "stalled" });
      return (await callerWaits(c, fault.ms ?? 30_000)) ? undefined : hangUp(c);
    default:
      return undefined;
  }
}

function refuse(sim: Sim, c: Context<GraphEnv>, draft: Draft, error: unknown): Response {
  if (!(error instanceof GraphError)) throw error;
  sim.ledger.append({ ...draft, at: sim.clock.now(), outcome: "rejected", errorCode: error.code });
  return answerError(sim, c, error);
}

function describe(body: JsonObject, isReceipt: boolean): Partial<Draft> {
  const { to, recipient } = addressOf(body);
  const attemptId = body.biz_opaque_callback_data;
  return {
    kind: isReceipt ? "receipt" : "message",
    type: isReceipt ? "read" : typeof body.type === "string" ? body.type.toLowerCase() : "text",
    to,
    recipient,
    attemptId: typeof attemptId === "string" ? attemptId : undefined,
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw invalidParam("The request body is not valid JSON.");
  }
}

/** Cuts the connection without a byte of answer. */
function hangUp(c: Context<GraphEnv>): Response {
  c.env.outgoing.socket?.destroy();
  return RESPONSE_ALREADY_SENT;
}

/** Waits; false as soon as the caller has gone, unless it is to be waited out `anyway`. */
function callerWaits(c: Context<GraphEnv>, ms: number, anyway = false): Promise<boolean> {
  return new Promise((resolve) => {
    const { outgoing } = c.env;
    const timer = setTimeout(() => done(true), ms);
    const gone = () => {
      if (!anyway) done(false);
    };
    const done = (stillThere: boolean) => {
      clearTimeout(timer);
      outgoing.off("close", gone);
      resolve(stillThere);
    };
    outgoing.on("close", gone);
  });
}
