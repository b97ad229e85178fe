import { it } from "vitest";
import { receive, takeTurn, deliver } from "../src/pipeline.ts";
import { transaction } from "../src/store/database.ts";
import { knownTemplates, openProcess, textMessage, webhook } from "./stage.ts";
import { apply, demoMerchant, scratchDatabase } from "./world.ts";
it("probe", async () => {
  const scratch = await scratchDatabase();
  const merchantId = await apply(scratch, demoMerchant((c) => { c.burst = { windowMs: 0, capMs: 0 }; }));
  const posts: string[] = [];
  const p = openProcess(scratch, {
    agent: { version: () => "t", draft: async (r) => ({ draft: { type: "answer", text: r.question.includes("long") ? "Re: long. " + "We have many plants. ".repeat(450) : `Re: ${r.question}` }, usage: undefined }) },
    graph: { markRead() {}, send: async (_c, m) => { posts.push((m.content as any).text.slice(0, 80)); return { type: "accepted", wamid: `w${posts.length}` as never }; } },
  });
  await knownTemplates(p.store, merchantId);
  const say = async (id: string, t: string) => { const w = webhook(textMessage({ wa_id: "972540000001" }, id, t, Date.now())); await receive(p.ports, w.body, w.signature); };
  const turn = async () => { const [c] = await p.mailbox.claim(1); return takeTurn(p.ports, c!, new AbortController().signal); };
  const rows = () => transaction(p.store.sql, [merchantId], (tx) => tx`select reason, part, lane_seq, (select lane_seq from mailbox m where m.id = o.conversation_id) as box from outbox o order by id`);
  await say("a", "Do you have roses in stock?"); console.log(await turn());
  await say("b", "Tell me a long story about plants?"); console.log(await turn());
  console.log(JSON.stringify(await rows()));
  const [phone] = await transaction(p.store.sql, [merchantId], (tx) => tx`select id from phone`);
  for (let n = 0; n < 6; n++) for (const row of await p.senders.dueRows(phone!.id, 10)) await deliver(p.ports, row);
  console.log(posts);
  await p.stop(); await scratch.drop();
});
