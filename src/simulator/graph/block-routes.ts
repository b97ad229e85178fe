import { Hono } from "hono";
import { isWindowOpen } from "../chats.ts";
import type { Sim } from "../context.ts";
import { GraphError, invalidParam } from "../graph-error.ts";
import { asObject, asText, type JsonObject, objectsOf } from "../json.ts";
import type { Person } from "../people.ts";
import type { PhoneNumber } from "../world.ts";
import type { GraphEnv } from "./env.ts";
import { phoneOf } from "./nodes.ts";

type Outcome = { done: JsonObject[]; failed: JsonObject[] };

/** `/<phone>/block_users`: only people who wrote in the last 24 h can be blocked (reference 3.7). */
export function blockRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();

  app.post("/:id/block_users", async (c) => {
    const phone = phoneOf(sim, c.req.param("id"));
    const { done, failed } = apply(sim, phone, await c.req.json().catch(() => undefined), (person) => {
      if (!isWindowOpen(sim.world.chats.of(phone.id, person), sim.clock.now())) {
        return new GraphError(131047, "The user has not messaged the business in the last 24 hours.");
      }
      phone.blockedPeople.add(person.key);
      return undefined;
    });
    return c.json(answer("added_users", done, failed), failed.length > 0 ? 400 : 200);
  });

  app.delete("/:id/block_users", async (c) => {
    const phone = phoneOf(sim, c.req.param("id"), "delete");
    const { done, failed } = apply(sim, phone, await c.req.json().catch(() => undefined), (person) => {
      phone.blockedPeople.delete(person.key);
      return undefined;
    });
    return c.json(answer("removed_users", done, failed), failed.length > 0 ? 400 : 200);
  });

  app.get("/:id/block_users", (c) => {
    const phone = phoneOf(sim, c.req.param("id"), "get");
    const people = sim.world.people.all().filter((person) => phone.blockedPeople.has(person.key));
    const data = people.map((person) => ({
      messaging_product: "whatsapp",
      ...(person.phone === undefined ? {} : { wa_id: person.phone }),
      user_id: sim.world.people.bsuidOf(person, phone.waba.portfolioId),
    }));
    return c.json({ data });
  });
  return app;
}

function apply(sim: Sim, phone: PhoneNumber, raw: unknown, act: (person: Person) => GraphError | undefined): Outcome {
  const body = asObject(raw);
  if (body.messaging_product !== "whatsapp") throw invalidParam("The parameter messaging_product is required.");
  const users = objectsOf(body.block_users);
  if (users.length === 0) throw invalidParam("The parameter block_users is required.");
  const outcome: Outcome = { done: [], failed: [] };
  for (const user of users) {
    const input = asText(user.user) ?? asText(user.user_id) ?? "";
    const person = sim.world.people.find(input);
    const error = person === undefined ? new GraphError(139100, "The user is not known.") : act(person);
    const id = {
      input,
      ...(person?.phone === undefined || user.user === undefined ? {} : { wa_id: person.phone }),
      ...(person === undefined || user.user_id === undefined
        ? {}
        : { user_id: sim.world.people.bsuidOf(person, phone.waba.portfolioId) }),
    };
    if (error === undefined) outcome.done.push(id);
    else outcome.failed.push({ ...id, errors: [error.toStatusError()] });
  }
  return outcome;
}

function answer(key: string, done: readonly JsonObject[], failed: readonly JsonObject[]): JsonObject {
  return {
    messaging_product: "whatsapp",
    block_users: {
      ...(done.length > 0 ? { [key]: done } : {}),
      ...(failed.length > 0 ? { failed_users: failed } : {}),
    },
    ...(failed.length > 0
      ? {
          error: {
            message: "(#139100) Failed to block/unblock some users",
            type: "OAuthException",
            code: 139100,
            error_data: { details: "Failed to block or unblock some users, see the block_users response" },
          },
        }
      : {}),
  };
}
