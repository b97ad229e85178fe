import { tell } from "../chats.ts";
import type { Sim } from "../context.ts";
import { GraphError } from "../graph-error.ts";
import { asObject, type JsonObject } from "../json.ts";
import type { PhoneNumber } from "../world.ts";
import { requireObject, requireText } from "./checks.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

/** `{status:"read", message_id}` marks an inbound message read, optionally showing "typing" (reference 3.3). */
export function readReceipt(sim: Sim, phone: PhoneNumber, body: JsonObject): { isTyping: boolean } {
  if (body.status !== "read")
    throw new GraphError(100, undefined, { message: "(#100) Param status must be one of {READ}" });
  const wamid = requireText(body, "message_id");
  const isTyping = body.typing_indicator !== undefined;
  if (isTyping && asObject(requireObject(body, "typing_indicator")).type !== "text") {
    throw new GraphError(100, undefined, { message: "(#100) Param typing_indicator['type'] must be one of {TEXT}" });
  }
  const found = sim.world.chats.find(wamid);
  const isOurs = found?.item.direction === "in" && found.chat.phoneId === phone.id;
  if (!isOurs || sim.clock.now() - found.item.at > 30 * DAY_MS) {
    throw new GraphError(131009, "The message_id is not that of a message received in the last 30 days.");
  }
  found.item.status = "read";
  found.item.statusAt = { read: Date.now() };
  tell(found.chat, { type: "read", wamid });
  if (isTyping) tell(found.chat, { type: "typing", wamid });
  return { isTyping };
}
