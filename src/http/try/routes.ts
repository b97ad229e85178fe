import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Context, Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { etag } from "hono/etag";
import { z } from "zod";
import { EsekError, errorCode } from "../../errors.ts";
import type { Logger } from "../../logger.ts";
import { keyOf } from "./bubbles.ts";
import { control, controlSchema, textMessage } from "./controls.ts";
import type { TryDoors, TryWorld } from "./doors.ts";
import { page } from "./page.ts";
import { refused, Session } from "./session.ts";
import { footing, tellStory } from "./story.ts";
import { chatStream } from "./stream.ts";

export type { TryDoors } from "./doors.ts";

/** Meta's limit for a picture is 5 MB; base64 makes it a third more. */
const BODY_LIMIT = 7 * 1024 * 1024;

const PAGE_HEADERS = {
  "content-security-policy":
    "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

const who = { person: z.string().max(40), shop: z.string().max(40).optional() };
const saySchema = z
  .strictObject({
    ...who,
    text: z.string().max(4096).optional(),
    image: z.strictObject({ data: z.base64(), type: z.enum(["image/jpeg", "image/png"]) }).optional(),
    location: z.strictObject({ name: z.string().max(100), latitude: z.number(), longitude: z.number() }).optional(),
  })
  .refine((said) => said.image || said.location || said.text?.trim(), { message: "give text, image or location" });
const tapSchema = z.strictObject({ ...who, message: z.string().max(40), button: z.string().max(256) });

/**
 * "Try it": a chat with the shop as a customer, on the simulator, with the record of every decision beside it. Open in
 * demo mode; in live mode everything but the page's own shell wants an operator's API key. Nothing here can reach a
 * real number: the world behind the doors has a simulator for its Graph API.
 */
export function createTry(doors: TryDoors, logger: Logger): Hono {
  const app = new Hono();
  const sessions = new WeakMap<TryWorld, Session>();
  const session = async () => {
    const world = await doors.world();
    const known = sessions.get(world) ?? new Session(world);
    sessions.set(world, known);
    return known;
  };

  app.use(async (c, next) => {
    await next();
    for (const [name, value] of Object.entries(PAGE_HEADERS)) c.header(name, value);
  });
  app.get("/", (c) => c.html(page(doors.mode)));
  app.get("/app.js", etag(), asset("app.js", "text/javascript; charset=utf-8"));
  app.get("/style.css", etag(), asset("style.css", "text/css; charset=utf-8"));
  app.get("/icon.svg", etag(), asset("icon.svg", "image/svg+xml"));

  app.use(async (c, next) => {
    c.header("cache-control", "no-store");
    const caller = await doors.authorise(c.req.header("authorization"));
    if (caller === "welcome" && isOwnPage(c)) return next();
    if (caller === "welcome") return c.json(problem(403, "origin", "This came from another site's page."), 403);
    return caller === "no-scope"
      ? c.json(problem(403, "scope", "This key has no scope operator."), 403)
      : c.json(
          problem(
            401,
            "unauthorized",
            "That is no active operator's key. Send one as `Authorization: Bearer esek_...`.",
          ),
          401,
        );
  });

  app.get("/state", async (c) => c.json({ mode: doors.mode, ...(await (await session()).state(c.req.query("shop"))) }));

  app.get("/events", async (c) => {
    const here = await session();
    const { person, shop } = await here.chat(c.req.query("person") ?? "", c.req.query("shop"));
    return chatStream(c, here, shop, person, doors.asleep(), logger);
  });

  app.get("/why/:id", async (c) => c.json(await why(await session(), c)));

  app.get("/media/:id", async (c) => {
    const found = await (await session()).world.media(c.req.param("id"));
    if (!found || !/^image\/(?:jpeg|png|webp)$/.test(found.type)) return c.json(problem(404, "media"), 404);
    return c.body(found.bytes, 200, { "content-type": found.type });
  });

  app.use(
    bodyLimit({ maxSize: BODY_LIMIT, onError: (c) => c.json(problem(413, "body-too-large", "Too large."), 413) }),
  );

  app.post("/say", async (c) => {
    const said = await read(c, saySchema);
    const here = await session();
    const { person, shop } = await here.chat(said.person, said.shop);
    await here.world.simulator("customers", { phone: person.phone, name: person.name });
    const message = said.image
      ? {
          type: "image",
          image: { data: said.image.data, mime_type: said.image.type, ...(said.text ? { caption: said.text } : {}) },
        }
      : said.location
        ? { type: "location", location: said.location }
        : textMessage(said.text!);
    const { wamid } = await here.world.simulator<{ wamid: string }>("inbound", {
      phoneId: shop.id,
      from: person.phone,
      message,
    });
    return c.json({ key: keyOf(wamid) });
  });

  app.post("/tap", async (c) => {
    const { button, message, ...rest } = await read(c, tapSchema);
    const here = await session();
    const { person, shop } = await here.chat(rest.person, rest.shop);
    const item = (await here.items(shop, person)).find((one) => keyOf(one.wamid) === message);
    if (!item) throw refused("try/message", "That message is gone; load the page again.");
    await here.world.simulator("tap", { phoneId: shop.id, from: person.phone, wamid: item.wamid, button });
    return c.json({});
  });

  app.post("/control", async (c) => c.json(await control(await session(), await read(c, controlSchema))));

  app.onError((err, c) => {
    if (err instanceof EsekError && err.publicMessage) return c.json(problem(422, err.code, err.publicMessage), 422);
    if (err instanceof EsekError && err.code.startsWith("embedded/"))
      return c.json(problem(503, err.code, `There is no sandbox here. ${err.message}`), 503);
    logger.error({ err }, "try it failed");
    return c.json(problem(500, errorCode(err), "Something went wrong; the log says where."), 500);
  });
  return app;
}

/** The story of a bubble, or of a row that never became one. */
async function why(session: Session, c: Context): Promise<Record<string, unknown>> {
  const { person, shop } = await session.chat(c.req.query("person") ?? "", c.req.query("shop"));
  const id = c.req.param("id") ?? "";
  const [items, bubbles, chat] = await Promise.all([
    session.items(shop, person),
    session.bubbles(shop, person),
    session.world.chat(shop.id, person.phone),
  ]);
  const item = items.find((one) => keyOf(one.wamid) === id);
  const row = chat.rows.find((one) => one.id === id || (item && one.wamids.includes(item.wamid)));
  const bubble = bubbles.find((one) => one.key === id);
  const record = await session.world.record(shop.id, item?.wamid ?? id);
  const words = bubble?.from === "customer" ? bubble.text : "";
  const weighed = words ? await session.world.weigh(shop.id, words) : undefined;
  if (!record) return { steps: [], footing: [], raw: null };
  return {
    steps: tellStory(record, { bubble, weighed, rowId: row?.id, zone: c.req.query("zone") }),
    footing: footing(record),
    raw: record,
  };
}

/** A page of another site can make a browser call us; it cannot make it lie about where from. */
function isOwnPage(c: Context): boolean {
  const origin = c.req.header("origin");
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === c.req.header("host"));
}

async function read<T extends z.ZodType>(c: Context, schema: T): Promise<z.output<T>> {
  const parsed = schema.safeParse(await c.req.json().catch(() => undefined));
  if (parsed.success) return parsed.data;
  const paths = parsed.error.issues.map((issue) => `${issue.path.join(".") || "body"}: ${issue.message}`);
  throw refused("try/body", `The request is not one that this page makes. ${paths.join("; ")}`);
}

function asset(name: string, type: string): (c: Context) => Response {
  const bytes = readFileSync(new URL(`./assets/${name}`, import.meta.url));
  const tag = `"${createHash("sha256").update(bytes).digest("hex").slice(0, 20)}"`;
  return (c) => c.body(bytes, 200, { "content-type": type, "cache-control": "no-cache", etag: tag });
}

function problem(status: number, code: string, detail?: string) {
  return { type: "about:blank", title: "Try it", status, code, ...(detail ? { detail } : {}) };
}
