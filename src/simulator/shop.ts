import { Hono } from "hono";
import type { SimClock } from "./clock.ts";

/** The demo shop's own order system, which the agent's HTTP tool asks: `GET /shop/orders/A-1042`. */
export function shopRoutes(clock: SimClock): Hono {
  const app = new Hono();
  app.get("/orders/:order", (c) => {
    const number = /^[A-Z]-(\d{4})$/.exec(c.req.param("order"))?.[1];
    if (number === undefined || number.startsWith("9")) return c.json({ error: "no such order" }, 404);
    const days = 1 + (Number(number) % 3);
    return c.json({
      order: c.req.param("order"),
      status: Number(number) % 2 === 0 ? "shipped" : "in preparation",
      expected: new Date(clock.now() + days * 86_400_000).toISOString().slice(0, 10),
    });
  });
  return app;
}
