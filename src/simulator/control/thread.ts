import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { type ChatEvent, isWindowOpen } from "../chats.ts";
import type { Sim } from "../context.ts";
import { controlPerson, controlPhone } from "./input.ts";

const KEEP_ALIVE_MS = 15_000;

/** The chat as the person sees it: once as a list, or as it happens. */
export function threadRoutes(sim: Sim): Hono {
  const app = new Hono();

  app.get("/thread", (c) => {
    const phone = controlPhone(sim, c.req.query("phoneId"));
    const person = controlPerson(sim, phone, c.req.query("user") ?? "");
    const chat = sim.world.chats.of(phone.id, person);
    return c.json({
      phoneId: phone.id,
      user: {
        phone: person.phone,
        bsuid: sim.world.people.bsuidOf(person, phone.waba.portfolioId),
        username: person.username,
        name: person.name,
      },
      windowOpen: isWindowOpen(chat, sim.clock.now()),
      lastInboundAt: chat.lastInboundAt,
      items: chat.items,
    });
  });

  app.get("/events", (c) => {
    const phone = controlPhone(sim, c.req.query("phoneId"));
    const person = controlPerson(sim, phone, c.req.query("user") ?? "");
    const chat = sim.world.chats.of(phone.id, person);
    return streamSSE(c, async (stream) => {
      const backlog: ChatEvent[] = [];
      let wake = () => {};
      const listen = (event: ChatEvent) => {
        backlog.push(event);
        wake();
      };
      chat.listeners.add(listen);
      stream.onAbort(() => {
        chat.listeners.delete(listen);
        wake();
      });
      await stream.writeSSE({ event: "ready", data: "{}" });
      while (!stream.aborted) {
        const event = backlog.shift();
        if (event !== undefined) {
          await stream.writeSSE({ event: event.type, data: JSON.stringify(event) });
          continue;
        }
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, KEEP_ALIVE_MS);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        if (backlog.length === 0 && !stream.aborted) await stream.write(": still here\n\n");
      }
    });
  });
  return app;
}
