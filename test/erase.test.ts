import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ContactId } from "../src/domain/ids.ts";
import { type Erased, eraseContact, findContact } from "../src/store/erase.ts";
import { listErasures } from "../src/store/erasures.ts";
import { asMerchant } from "./crash.ts";
import { businessApi, heard, known, offer, optIn, orderUpdate, outboxRow, sqlOf, until, words } from "./scene.ts";
import { apply, demoMerchant, startWorld, type TestWorld } from "./world.ts";

const PHONE = "972547318246";
const OTHER = "972547318299";
const NAME = "Canarynamira Featherstone";
const TEXT = "canaryquokka seven lemons";
const REPLY = "canarymodel answers";
const PROOF = `canaryproof: ${NAME} signed, +${PHONE}`;
const OFFER = "canaryoffer for you";

let world: TestWorld;
let bsuid: string;
let who: ContactId;
const merchantId = () => world.merchantId as never;
const erase = (options: { isDryRun?: boolean } = {}) =>
  eraseContact(world.runtime.store, merchantId(), who, { actor: "tests", cause: "request", ...options });

/** Every value of every table that can be read by whoever has the keys: plain ones as they are, sealed ones opened. */
async function everything(): Promise<string[]> {
  const keys = await world.runtime.store.keyring.of(world.merchantId);
  const tables = await world.scratch.owner<
    { name: string }[]
  >`select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'`;
  const found: string[] = [];
  for (const { name } of tables) {
    const rows = await asMerchant(world.scratch, world.merchantId, (tx) =>
      tx.unsafe<Record<string, unknown>[]>(`select * from ${name}`),
    );
    for (const row of rows)
      for (const [column, value] of Object.entries(row)) {
        const isSealed = value instanceof Uint8Array && column.endsWith("_ct") && value.length > 0;
        const text = isSealed ? keys.open(name, column, String(row.id), value) : readable(value);
        found.push(`${name}.${column}: ${text}`);
      }
  }
  return found;
}

function readable(value: unknown): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : JSON.stringify(value ?? null);
}

/** Where anything of the person can be read: words, name, number, user id, and the number inside a wamid. */
async function canaries(): Promise<string[]> {
  const inWamid = (text: string) =>
    [...text.matchAll(/wamid\.([A-Za-z0-9+/=]+)/g)].some((match) =>
      Buffer.from(match[1]!, "base64").toString("latin1").includes(PHONE),
    );
  return (await everything()).filter(
    (line) =>
      [PHONE, bsuid, "Canarynamira", "canaryquokka", "canarymodel", "canaryproof", "canaryoffer"].some((canary) =>
        line.includes(canary),
      ) || inWamid(line),
  );
}

beforeAll(async () => {
  world = await startWorld();
  await apply(
    world.scratch,
    demoMerchant((config) => {
      config.slug = "other";
      config.wabas = [
        { id: "202290129340398", numbers: [{ id: "206540352242922", display: "+972550783881", coexistence: false }] },
      ];
    }),
  );
  ({ bsuid } = await world.control<{ bsuid: string }>("customers", { phone: PHONE, name: NAME }));
  await world.control("model", { rules: [{ when: "canaryquokka", reply: REPLY }] });
  await world.say(OTHER, "canary-free words of somebody else");
  await world.say(PHONE, TEXT);
  await world.replies(PHONE, 1);
  await world.say(PHONE, "STOP");
  await world.replies(PHONE, 2);
  await recordProof();
  who = await findContact(world.runtime.store, merchantId(), { waId: PHONE });
});
afterAll(() => world.stop());

async function recordProof(): Promise<void> {
  const { recordConsent } = await import("../src/store/consent-admin.ts");
  const line = { act: "opt-in", scope: "utility", source: "human", proof: PROOF, actor: "tests" } as const;
  await recordConsent(world.runtime.store, merchantId(), { person: { waId: PHONE }, ...line });
}

describe("an erasure", () => {
  let dry: Erased;
  let done: Erased;

  it("has something to do: the canaries are found before it, sealed, in every kind of table", async () => {
    // A template that waits, a receipt that matches nothing, a sync that names the person, a request, a key.
    const api = await businessApi(world);
    await optIn(world, OTHER, "marketing");
    await sqlOf(world)((tx) => tx`update phone set paused_until = now() + interval '1 day'`);
    expect((await api(orderUpdate(PHONE, OFFER))).body).toMatchObject({ state: "deferred" });
    const keys = await world.runtime.store.keyring.of(world.merchantId);
    await sqlOf(world)(async (tx) => {
      const [parked, sync] = [crypto.randomUUID(), crypto.randomUUID()];
      await tx`insert into status_parked (id, merchant_id, body_ct, next_try_at) values (${parked}, ${world.merchantId}, ${keys.seal("status_parked", "body_ct", parked, `{"recipient":{"waId":"${PHONE}"}}`)}, 'infinity')`;
      await tx`insert into inbox (id, merchant_id, kind, type, event_at, body_ct, raw_ct) values (${sync}, ${world.merchantId}, 'contact-sync', 'contact-sync', now(), ${keys.seal("inbox", "body_ct", sync, "{}")}, ${keys.seal("inbox", "raw_ct", sync, `{"name":"${NAME}","phone":"${PHONE}"}`)})`;
      await tx`insert into data_request (id, merchant_id, contact_id, source_key, kind, received_at, due_at) values (gen_random_uuid(), ${world.merchantId}, ${who}, 'x', 'unspecified', now(), now())`;
    });
    const places = new Set((await canaries()).map((line) => line.split(":")[0]));
    for (const place of [
      "contact.phone_ct",
      "contact.name_ct",
      "inbox.body_ct",
      "inbox.raw_ct",
      "outbox.content_ct",
      "send_attempt.wamid_ct",
      "consent_event.evidence_ct",
      "status_parked.body_ct",
    ])
      expect(places, place).toContain(place);
  });

  it("a dry run says what it would do and changes nothing", async () => {
    // The sender's lease is extended meanwhile; and what is rewritten lies elsewhere in its table.
    const state = async () => (await everything()).filter((line) => !/^mailbox\.(token|lease_until)/.test(line)).sort();
    const before = await state();
    dry = await erase({ isDryRun: true });
    expect(await state()).toEqual(before);
    expect(dry.proof.erased).toMatchObject({
      contacts: 1,
      identities: 2,
      messagesReceived: 2,
      messagesSent: 3,
      messagesCancelled: 1,
      attempts: 2,
      parkedStatuses: 1,
      otherEvents: 1,
      consentProofs: 1,
      idempotencyKeys: 1,
      dataRequestsDone: 1,
    });
  });

  it("waits for nothing that is being posted: it is refused, and undoes nothing of itself", async () => {
    const [row] = await sqlOf(world)(
      (tx) =>
        tx<
          { id: string }[]
        >`update send_attempt set state = 'sending', deadline_at = clock_timestamp() + interval '9 s' where id = (select id from send_attempt where contact_id = ${who} limit 1) returning id`,
    );
    await expect(erase()).rejects.toMatchObject({
      code: "erase/sending",
      message: expect.stringMatching(/ (8|9) s\.$/),
    });
    await sqlOf(world)((tx) => tx`update send_attempt set state = 'accepted' where id = ${row!.id}`);
    expect((await canaries()).length).toBeGreaterThan(5);
  });

  it("does what the dry run said, and afterwards neither a word nor a number is left in any table", async () => {
    done = await erase();
    expect(done.proof.erased).toEqual(dry.proof.erased);
    expect(await canaries()).toEqual([]);
    expect((await everything()).some((line) => line.includes("canary-free words of somebody else"))).toBe(true);
  });

  it("gives a proof that names nobody, can be checked, and hangs in a chain", async () => {
    const text = JSON.stringify(done.proof);
    expect(createHash("sha256").update(text).digest("hex")).toBe(done.sha256);
    for (const secret of [PHONE, bsuid, "Canarynamira", "canary"]) expect(text).not.toContain(secret);
    expect(done.proof).toMatchObject({ contact: who, by: "tests", cause: "request", previous: null });
    expect(done.proof.kept.map((entry) => entry.what)).toContain("consent ledger");
    const again = await erase();
    expect(again.proof.previous).toBe(done.sha256);
    expect(again.proof.erased).toMatchObject({ identities: 0, messagesReceived: 0, messagesSent: 0, decisions: 0 });
    const store = world.runtime.store;
    expect((await listErasures(store, merchantId())).map((line) => line.check)).toEqual(["ok", "ok"]);
    await sqlOf(world)(
      (tx) => tx`update erasure set proof = replace(proof, 'tests', 'nobody') where id = ${done.proof.id}`,
    );
    expect((await listErasures(store, merchantId())).map((line) => line.check)).toEqual(["changed", "ok"]);
    await sqlOf(world)((tx) => tx`delete from erasure where id = ${done.proof.id}`);
    expect((await listErasures(store, merchantId())).map((line) => line.check)).toEqual(["gap before it"]);
  });

  it("canceled what waited; it does not leave when the number is free again", async () => {
    const before = (await words(world, PHONE)).length;
    await sqlOf(world)((tx) => tx`update phone set paused_until = null`);
    await world.advance(0);
    await world.settle();
    expect(await words(world, PHONE)).toHaveLength(before);
    const [row] = await sqlOf(world)((tx) => tx<{ id: string }[]>`select id from outbox where state_reason = 'erased'`);
    expect(await outboxRow(world, row!.id)).toEqual({ state: "canceled", reason: "erased" });
  });

  it("a receipt that comes after it is taken, and brings nothing back", async () => {
    const [attempt] = await sqlOf(world)(
      (tx) =>
        tx<{ id: string }[]>`select id from send_attempt where contact_id = ${who} order by started_at desc limit 1`,
    );
    const { keep } = world.runtime.ports.inbox;
    const wamid = "wamid.HBgMbGF0ZXI=";
    const { recordStatus } = await import("../src/pipeline.ts");
    const route = { phoneNumberId: "106540352242922", wabaId: "102290129340398" };
    const status = {
      kind: "status",
      key: "late",
      at: new Date(),
      route,
      wamid,
      status: "failed",
      errorCodes: [131050],
      callbackData: attempt!.id,
      isGroup: false,
      raw: {},
    };
    const kept = await keep(
      [
        {
          event: status as never,
          behaviour: { seq: false, window: false, fence: false, due: "never" } as never,
          isCommand: false,
        },
      ],
      new Date(),
      recordStatus,
    );
    expect(kept.kept).toBe(1);
  });

  it("who writes again is a new contact, answered, with the stop still in force", async () => {
    const before = (await heard(world, PHONE)).length;
    await world.say(PHONE, "Hello again");
    await until(async () => (await heard(world, PHONE)).length > before);
    const fresh = await findContact(world.runtime.store, merchantId(), { waId: PHONE });
    expect(fresh).not.toBe(who);
    const api = await businessApi(world);
    expect((await api(offer(PHONE), "after-1")).body).toMatchObject({
      state: "blocked",
      reason: "suppressed-marketing",
    });
    // The opt-in went with its proof.
    expect((await api(orderUpdate(PHONE), "after-2")).body).toMatchObject({
      state: "blocked",
      reason: "suppressed-all",
    });
    // A declared opt-in lifts nothing, whatever it says.
    await optIn(world, PHONE, "all");
    expect((await api(offer(PHONE), "after-3")).body).toMatchObject({
      state: "blocked",
      reason: "suppressed-marketing",
    });
    // Known by the other id alone, too.
    await optIn(world, { bsuid }, "all");
    expect((await api({ recipient: bsuid, template: offer(PHONE).template }, "after-4")).body).toMatchObject({
      state: "blocked",
      reason: "suppressed-marketing",
    });
  });

  it("an id learnt after the STOP meets it too", async () => {
    const later = "972547318250";
    await known(world, later);
    const { bsuid: id } = await world.control<{ bsuid: string }>("customers", { phone: later });
    const store = world.runtime.store;
    const { recordConsent } = await import("../src/store/consent-admin.ts");
    const { Identities } = await import("../src/store/identities.ts");
    const stop = { act: "opt-out", scope: "marketing", source: "human", proof: "said so", actor: "tests" } as const;
    await recordConsent(store, merchantId(), { person: { waId: later }, ...stop });
    const { config } = await store.merchants.get(merchantId());
    const [contact] = await new Identities(store).resolve([
      { merchantId: merchantId(), portfolioId: config.portfolio, person: { waId: later, bsuid: id } },
    ]);
    await eraseContact(store, merchantId(), contact!, { actor: "tests", cause: "request" });
    const api = await businessApi(world);
    await optIn(world, { bsuid: id }, "all");
    expect((await api({ recipient: id, template: offer(later).template }, "later-1")).body).toMatchObject({
      state: "blocked",
      reason: "suppressed-marketing",
    });
  });

  it("nobody by that number is said, and nobody is made", async () => {
    const count = async () => (await sqlOf(world)((tx) => tx`select 1 from contact`)).length;
    const before = await count();
    await expect(findContact(world.runtime.store, merchantId(), { waId: "972547000000" })).rejects.toMatchObject({
      code: "contact/unknown",
    });
    expect(await count()).toBe(before);
  });

  it("while a turn is thinking: the turn's answer is not written, and nobody is brought back", async () => {
    const user = "972547318261";
    await world.control("model", { rules: [{ when: "slow", delayMs: 600, reply: "canaryslow" }] });
    await world.say(user, "a slow question");
    const contact = await until(() =>
      findContact(world.runtime.store, merchantId(), { waId: user }).catch(() => undefined),
    );
    await until(
      async () =>
        (await sqlOf(world)((tx) => tx`select 1 from mailbox where contact_id = ${contact} and token is not null`))
          .length > 0,
    );
    await eraseContact(world.runtime.store, merchantId(), contact, { actor: "tests", cause: "request" });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect((await heard(world, user)).length).toBe(0);
    expect((await everything()).filter((line) => line.includes(user) || line.includes("canaryslow"))).toEqual([]);
  });
});
