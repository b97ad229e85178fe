/**
 * The raw floors that every figure is read against: node:http, HMAC, one row in Postgres, then 200. `FLOOR=row` commits
 * each row by itself, `FLOOR=group` shares a commit among everything that came meanwhile. Nothing else is done.
 */
import { createHmac, randomUUID, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { connect } from "../src/store/database.ts";
import { SECRET } from "./payload.ts";

const isGroup = process.env.FLOOR === "group";
const sql = connect({ socketDir: process.env.SOCKET_DIR, database: process.env.DATABASE, max: isGroup ? 2 : 16 });
await sql`create table if not exists floor_row (id uuid primary key, body text not null)`;

let waiting: { body: string; done: () => void }[] = [];
let isWriting = false;

async function flush(): Promise<void> {
  if (isWriting) return;
  isWriting = true;
  while (waiting.length > 0) {
    const batch = waiting;
    waiting = [];
    await sql`insert into floor_row select * from unnest(${batch.map(() => randomUUID())}::uuid[], ${batch.map((item) => item.body)}::text[])`;
    for (const item of batch) item.done();
  }
  isWriting = false;
}

const server = createServer((req, res) => {
  const chunks: Buffer[] = [];
  req.on("data", (chunk: Buffer) => chunks.push(chunk));
  req.on("end", () => {
    const body = Buffer.concat(chunks);
    const expected = createHmac("sha256", SECRET).update(body).digest();
    const given = Buffer.from(String(req.headers["x-hub-signature-256"]).slice(7), "hex");
    if (given.length !== 32 || !timingSafeEqual(expected, given)) return void res.writeHead(401).end();
    const done = () => res.writeHead(200).end("OK");
    if (!isGroup) return void sql`insert into floor_row values (${randomUUID()}, ${body.toString()})`.then(done);
    waiting.push({ body: body.toString(), done });
    setImmediate(() => void flush());
  });
});
server.listen(0, "127.0.0.1", () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as { port: number }).port })}\n`),
);
