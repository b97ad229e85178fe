import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import { z } from "zod";
import type { Sim } from "../context.ts";
import { asObject, objectsOf } from "../json.ts";
import { controlPerson, controlPhone, readBody } from "./input.ts";
import { receiveMessage } from "./receive-message.ts";

const Tap = z.strictObject({
  phoneId: z.string().optional(),
  from: z.string(),
  /** The message with the button; the latest that has it when absent. */
  wamid: z.string().optional(),
  /** The title or the id (payload) of the button or list row. */
  button: z.string(),
});

/** `POST /_sim/tap`: the person taps a button of a template, or a reply button or list row (reference 1.6). */
export function tapRoutes(sim: Sim): Hono {
  const app = new Hono();
  app.post("/tap", async (c) => {
    const input = await readBody(c, Tap);
    const phone = controlPhone(sim, input.phoneId);
    const person = controlPerson(sim, phone, input.from);
    const { items } = sim.world.chats.of(phone.id, person);
    const isIt = (choice: { id: string; title: string }) => choice.id === input.button || choice.title === input.button;
    const item = items.findLast(
      (candidate) =>
        candidate.direction === "out" &&
        (input.wamid === undefined || candidate.wamid === input.wamid) &&
        candidate.buttons?.some(isIt),
    );
    const choice = item?.buttons?.find(isIt);
    if (item === undefined || choice === undefined) {
      throw new HTTPException(404, { message: `No message to this person has a button ${input.button}` });
    }
    const message =
      item.type === "template"
        ? { type: "button", button: { payload: choice.id, text: choice.title } }
        : { type: "interactive", interactive: interactiveReply(item.body, choice) };
    const received = receiveMessage(sim, phone, person, { from: input.from, message, context: { id: item.wamid } });
    return c.json(received);
  });
  return app;
}

function interactiveReply(body: unknown, choice: { id: string; title: string }) {
  const { type, action } = asObject(body);
  if (type !== "list") return { type: "button_reply", button_reply: choice };
  const rows = objectsOf(asObject(action).sections).flatMap((section) => objectsOf(section.rows));
  const description = rows.find((row) => row.id === choice.id)?.description;
  return { type: "list_reply", list_reply: { ...choice, ...(description === undefined ? {} : { description }) } };
}
