import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MerchantId } from "../src/domain/ids.ts";
import { languagesIn, readTsv } from "../src/guardrails/rows.ts";
import { loadSentences } from "../src/guardrails/sentences.ts";
import { importConsent, showConsent } from "../src/store/consent-admin.ts";
import {
  type Api,
  businessApi,
  clockFrom,
  DAY,
  HOUR,
  known,
  notices,
  offer,
  optIn,
  orderUpdate,
  outboxRow,
  posted,
  sent,
  sqlOf,
  until,
  words,
} from "./scene.ts";
import { PHONE_ID, startWorld, type TestWorld } from "./world.ts";

const MONDAY_NOON = "2026-11-23T10:00:00Z";
const START_OF = /^\p{L}+: |^.*?: /u;

/** One phone a language, in a country where people write it; never the US, where a STOP ends everything. */
const PEOPLE: Record<string, { phone: string; country: string }> = {
  am: { phone: "251911000001", country: "ET" },
  ar: { phone: "201000000001", country: "EG" },
  bg: { phone: "359888000001", country: "BG" },
  bn: { phone: "8801711000001", country: "BD" },
  ca: { phone: "34600000001", country: "ES" },
  cs: { phone: "420601000001", country: "CZ" },
  da: { phone: "4520000001", country: "DK" },
  de: { phone: "4915100000001", country: "DE" },
  el: { phone: "306900000001", country: "GR" },
  en: { phone: "447700900001", country: "GB" },
  es: { phone: "34600000002", country: "ES" },
  fa: { phone: "989120000001", country: "IR" },
  fi: { phone: "358400000001", country: "FI" },
  fr: { phone: "33600000001", country: "FR" },
  he: { phone: "972540000001", country: "IL" },
  "hi-Latn": { phone: "919800000001", country: "IN" },
  hi: { phone: "919800000002", country: "IN" },
  hr: { phone: "385910000001", country: "HR" },
  hu: { phone: "36200000001", country: "HU" },
  id: { phone: "6281100000001", country: "ID" },
  it: { phone: "393200000001", country: "IT" },
  ja: { phone: "819000000001", country: "JP" },
  ko: { phone: "821000000001", country: "KR" },
  ms: { phone: "60120000001", country: "MY" },
  nl: { phone: "31600000001", country: "NL" },
  no: { phone: "4790000001", country: "NO" },
  pl: { phone: "48500000001", country: "PL" },
  "pt-BR": { phone: "5511900000001", country: "BR" },
  "pt-PT": { phone: "351910000001", country: "PT" },
  ro: { phone: "40700000001", country: "RO" },
  ru: { phone: "79160000001", country: "RU" },
  sk: { phone: "421900000001", country: "SK" },
  sr: { phone: "381600000001", country: "RS" },
  sv: { phone: "46700000001", country: "SE" },
  sw: { phone: "254700000001", country: "KE" },
  th: { phone: "66800000001", country: "TH" },
  tl: { phone: "639170000001", country: "PH" },
  tr: { phone: "905300000001", country: "TR" },
  uk: { phone: "380500000001", country: "UA" },
  ur: { phone: "923000000001", country: "PK" },
  vi: { phone: "84900000001", country: "VN" },
  "zh-Hans": { phone: "8613800000001", country: "CN" },
  "zh-Hant": { phone: "886900000001", country: "TW" },
};

/** The strong keyword of a file that says most about its language: the longest one that is not the shared STOP. */
function strongKeyword(language: string): string {
  const strong = readTsv(`opt-out/${language}.tsv`).filter(
    (row) => row.kind === "keyword" && /^strong/.test(row.note!) && !/[\p{Emoji_Presentation}]/u.test(row.text!),
  );
  const own = strong.filter((row) => !/^stop+( ?all)?$/i.test(row.text!));
  return (own[0] ?? strong[0]!).text!;
}

describe("a stop word in any language", () => {
  let world: TestWorld;
  let api: Api;
  const languages = languagesIn("opt-out").filter((language) => PEOPLE[language]);
  const phoneOf = (language: string) => PEOPLE[language]!.phone;
  const sentences = loadSentences();
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    api = await businessApi(world);
    for (const language of languages) {
      await world.control("customers", PEOPLE[language]);
      await optIn(world, phoneOf(language));
    }
    for (const language of languages) await world.say(phoneOf(language), strongKeyword(language));
    await world.settle(30_000);
  });
  afterAll(() => world.stop());

  const end = (key: string, tag: string) => sentences.say(key, tag).replace(START_OF, "").slice(-40);

  it("is known in at least 40 languages, and no model was asked", async () => {
    expect(languages.length).toBeGreaterThanOrEqual(40);
    expect((await world.control<{ count: number }>("model/calls")).count).toBe(0);
  });

  it("is a stop of marketing at the WABA, unless the word says more", async () => {
    const lines = await sqlOf(world)(
      (tx) => tx<{ scope: string; source: string; count: number }[]>`
        select scope, source, count(*)::int from consent_event where act = 'opt-out' group by 1, 2`,
    );
    expect(lines).toEqual([{ scope: "marketing", source: "keyword", count: languages.length }]);
  });

  it.each(languages)(
    "%s: confirmed once, in the language of the word, and no promotion goes out any more",
    async (language) => {
      const user = phoneOf(language);
      const [confirmation, ...more] = await words(world, user);
      expect(more).toEqual([]);
      // STOP belongs to everybody: it says nothing about its writer. Of two ways to write Chinese the words do not tell.
      const isTelling = /[^ -~]/.test(strongKeyword(language)) && language !== "zh-Hant";
      const ends = (isTelling ? [language] : sentences.languages).map((tag) => end("opt_out_marketing", tag));
      expect(
        ends.some((tail) => confirmation!.endsWith(tail)),
        confirmation,
      ).toBe(true);
      expect((await api(offer(user))).body).toMatchObject({ state: "blocked", reason: "suppressed-marketing" });
      expect(await posted(world, user)).toHaveLength(1);
    },
  );
});

describe("the other ways to stop", () => {
  let world: TestWorld;
  let api: Api;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    api = await businessApi(world);
  });
  afterAll(() => world.stop());

  const opted = async (user: string) => {
    await known(world, user);
    await optIn(world, user, "all");
  };
  const outgoing = async (user: string) => (await words(world, user)).filter((text) => !text.startsWith("["));
  const isStopped = async (user: string) =>
    expect((await api(offer(user))).body).toMatchObject({ state: "blocked", reason: "suppressed-marketing" });

  it.each([
    ["en", "972540000010"],
    ["he", "972540000011"],
    ["ar", "972540000012"],
  ])("the button under the marketing template (%s) is confirmed once", async (language, user) => {
    await opted(user);
    expect((await api(offer(user, "plants", language))).body.state).toBe("queued");
    await world.settle();
    await world.control("tap", { from: user, button: "Stop promotions" });
    await world.settle();
    expect(await outgoing(user)).toHaveLength(1);
    await isStopped(user);
    const rows = await sqlOf(world)(
      (tx) => tx`select source, scope from consent_event where act = 'opt-out' order by recorded_at desc limit 1`,
    );
    expect(rows).toEqual([{ source: "button", scope: "marketing" }]);
    await world.control("tap", { from: user, button: "Stop promotions" });
    await world.settle();
    expect(await outgoing(user)).toHaveLength(1);
  });

  it("the button is also known by a payload of the merchant's own", async () => {
    const user = "972540000013";
    await opted(user);
    const { template, to } = offer(user);
    const buttons = [{ type: "quick-reply", index: 0, payload: "STOP_PROMOTIONS" }];
    expect((await api({ to, template: { ...template, buttons } })).body.state).toBe("queued");
    await world.settle();
    await world.control("tap", { from: user, button: "STOP_PROMOTIONS" });
    await world.settle();
    expect(await outgoing(user)).toHaveLength(1);
    await isStopped(user);
  });

  it("Meta's own preference is honoured and not confirmed by us", async () => {
    const user = "972540000014";
    await opted(user);
    await world.control("preferences", { from: user, value: "stop" });
    await world.settle();
    await isStopped(user);
    expect(await posted(world, user)).toEqual([]);
  });

  it("a failure 131050 is Meta's word for it: stopped, not confirmed", async () => {
    const user = "972540000015";
    await opted(user);
    await world.advance(5000); // Meta's timestamps are whole seconds
    await world.control("faults", { kind: "fail", code: 131050, user, next: 1 });
    await api(offer(user));
    await until(async () =>
      (await notices(world, "opt-out")).some((notice) => notice.detail.source === "error-131050"),
    );
    await world.settle();
    await isStopped(user);
    expect(await outgoing(user)).toEqual([]);
    expect((await api(orderUpdate(user))).body.state).toBe("queued");
  });

  it("a 131050 that comes as the answer to the POST is one too", async () => {
    const user = "972540000016";
    await opted(user);
    await world.control("faults", { kind: "error", code: 131050, user, next: 1 });
    await api(offer(user));
    await world.settle();
    await isStopped(user);
    expect(await sent(world, user)).toEqual([]);
  });

  it("after a utility message STOP ends everything that the business starts, and says so", async () => {
    const user = "972540000017";
    await opted(user);
    await api(orderUpdate(user));
    await world.settle();
    await world.say(user, "STOP");
    const all = await world.replies(user, 2);
    expect(all.at(-1)!.text).toContain("no longer message you");
    expect((await api(orderUpdate(user))).body).toMatchObject({ state: "blocked", reason: "suppressed-all" });
    await isStopped(user);
  });

  it("CANCEL is a stop in the US, unless it is said of an order from the catalogue", async () => {
    const [stops, orders] = ["12125550188", "12125550189"];
    const product = { product_retailer_id: "fern", quantity: 1, item_price: 12, currency: "USD" };
    await world.control("inbound", {
      from: orders,
      phoneId: PHONE_ID,
      message: { type: "order", order: { catalog_id: "1", product_items: [product] } },
    });
    await world.settle();
    for (const user of [stops, orders]) await world.say(user, "CANCEL");
    await world.settle();
    const stopped = async (waId: string) =>
      (await showConsent(world.runtime.store, world.merchantId as MerchantId, { waId }))[0]!.standing.marketing;
    expect(await stopped(stops)).toMatchObject({ isSuppressed: true });
    expect(await stopped(orders)).toMatchObject({ isSuppressed: false });
  });

  it("in the US STOP ends everything", async () => {
    const user = "12125550177";
    await optIn(world, user, "all");
    await world.say(user, "STOP");
    expect((await world.replies(user, 1))[0]!.text).toContain("no longer message you");
    expect((await api(orderUpdate(user))).body).toMatchObject({ state: "blocked", reason: "suppressed-all" });
  });

  it("STOP ALL after STOP is a wider stop and confirmed again; the third is silent", async () => {
    const user = "972540000018";
    await opted(user);
    for (const text of ["STOP", "STOP ALL", "STOP", "stop all"]) {
      await world.say(user, text);
      await world.settle();
    }
    expect(await outgoing(user)).toHaveLength(2);
    expect((await api(orderUpdate(user))).body).toMatchObject({ state: "blocked", reason: "suppressed-all" });
  });

  it("three STOPs at once are confirmed once", async () => {
    const user = "972540000019";
    await opted(user);
    await Promise.all(["STOP", "stop", "Stop!"].map((text) => world.say(user, text)));
    await world.settle();
    expect(await outgoing(user)).toHaveLength(1);
  });

  it("a question beside a stop is answered after the confirmation", async () => {
    const user = "972540000020";
    await opted(user);
    await world.say(user, "Where is my order? And please stop sending me promotions");
    await world.settle();
    const all = await outgoing(user);
    expect(all[0]).toContain("STOP ALL");
    expect(all).toHaveLength(2);
    await isStopped(user);
  });

  it.each([
    ["How do I stop the leak in my pot?", "972540000030"],
    ["Does it stop all leaks?", "972540000031"],
    ["Which bus stop is near the shop?", "972540000032"],
    ["Where is the end of the queue?", "972540000033"],
  ])("%s is a question, not a stop", async (text, user) => {
    await opted(user);
    await world.say(user, text);
    await world.replies(user, 1);
    expect((await api(offer(user))).body.state).toBe("queued");
  });
});

describe("what lifts a stop", () => {
  let world: TestWorld;
  let api: Api;
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    api = await businessApi(world);
  });
  afterAll(() => world.stop());

  const stopped = async (user: string) => {
    await optIn(world, user, "all");
    await world.say(user, "STOP");
    await world.replies(user, 1);
    await world.advance(5000);
  };
  const isStopped = async (user: string, isIt = true) => {
    const { body } = await api(offer(user));
    if (isIt) expect(body).toMatchObject({ state: "blocked", reason: "suppressed-marketing" });
    else expect(body.reason).not.toBe("suppressed-marketing");
    return body;
  };
  const now = async () => new Date((await world.control<{ now: number }>("clock")).now);

  it("not an import, however new, and it says that the line is pending", async () => {
    const user = "972540000040";
    await stopped(user);
    const rows = [{ person: { waId: user }, scope: "all" as const, at: await now(), proof: "web form of today" }];
    expect(await importConsent(world.runtime.store, world.merchantId as never, rows)).toEqual({
      imported: 0,
      pending: 1,
    });
    await isStopped(user);
  });

  it("not an opt-in that staff or the API records", async () => {
    const user = "972540000041";
    await stopped(user);
    const standing = await optIn(world, user, "all");
    expect(standing.marketing).toEqual({ isSuppressed: true, hasOptIn: false });
    expect(standing.hasPendingOptIn).toBe(true);
    await isStopped(user);
  });

  it("not a merge with another identity that never stopped", async () => {
    const user = "972540000042";
    const bsuid = "IL.10000000000000000042";
    // The number and the id are two people to us, until Meta says that they are one.
    await optIn(world, { bsuid }, "all");
    await world.control("customers", { phone: user });
    await stopped(user);
    await world.control("customers", { phone: user, bsuid });
    await world.say(user, "Hello again");
    await world.settle();
    await isStopped(user);
    const { to: _to, ...rest } = offer(user);
    expect((await api({ ...rest, recipient: bsuid })).body).toMatchObject({ reason: "suppressed-marketing" });
  });

  it("not a change of number", async () => {
    const user = "972540000043";
    await stopped(user);
    await world.control("change-number", { from: user, newPhone: "972540000143" });
    await world.settle();
    await isStopped("972540000143");
  });

  it("not writing again, and not thanks", async () => {
    const user = "972540000044";
    await stopped(user);
    for (const text of ["Do you have cacti?", "yes", "thank you, I like your offers"]) {
      await world.say(user, text);
      await world.settle();
    }
    await isStopped(user);
  });

  it.each(["START", "start", "التحق بنا START"].slice(0, 2))("%s lifts it, and is answered once", async (word) => {
    const user = word === "START" ? "972540000045" : "972540000046";
    await stopped(user);
    await world.say(user, word);
    const all = await world.replies(user, 2);
    expect(all).toHaveLength(2);
    expect(all[1]!.text).toContain("receive our messages again");
    expect((await isStopped(user, false)).state).toBe("queued");
  });

  it("START after an import that was pending lifts it too", async () => {
    const user = "972540000047";
    await stopped(user);
    await optIn(world, user, "all");
    await world.say(user, "START");
    await world.replies(user, 2);
    expect((await isStopped(user, false)).state).toBe("queued");
  });

  it("a START delivered late, from before the STOP, lifts nothing", async () => {
    const user = "972540000048";
    const before = Math.floor((await now()).getTime() / 1000) - 60;
    await stopped(user);
    await world.say(user, "START", { timestamp: before });
    await world.settle();
    await isStopped(user);
  });

  it("START does not lift Meta's own stop, and says where to end it; Meta's resume does", async () => {
    const user = "972540000049";
    await optIn(world, user, "all");
    await world.control("preferences", { from: user, value: "stop" });
    await world.settle();
    await world.advance(5000);
    await world.say(user, "START");
    expect((await world.replies(user, 1))[0]!.text).toContain("WhatsApp");
    await isStopped(user);
    await world.advance(5000);
    await world.control("preferences", { from: user, value: "resume" });
    await world.settle();
    await isStopped(user, false);
  });

  it("Meta's resume does not lift the person's own STOP", async () => {
    const user = "972540000050";
    await stopped(user);
    await world.control("preferences", { from: user, value: "resume" });
    await world.settle();
    await isStopped(user);
  });
});

describe("a STOP against a promotion on its way", () => {
  it("takes what quiet hours hold back out of the queue", async () => {
    const world = await startWorld({ now: clockFrom("2026-11-23T20:00:00Z").now });
    try {
      const api = await businessApi(world);
      const [stops, taps, keeps] = ["972540000060", "972540000061", "972540000062"];
      for (const user of [stops, taps, keeps]) {
        await known(world, user);
        await optIn(world, user, "all");
      }
      const rows = new Map<string, string>();
      for (const user of [stops, taps, keeps]) {
        const { body } = await api(offer(user));
        expect(body).toMatchObject({ state: "deferred", reason: "quiet-hours" });
        rows.set(user, body.id);
      }
      await world.say(stops, "STOP");
      await world.control("preferences", { from: taps, value: "stop" });
      await world.replies(stops, 1);
      await world.settle();
      expect(await outboxRow(world, rows.get(stops)!)).toEqual({ state: "canceled", reason: "opted-out" });
      expect(await outboxRow(world, rows.get(taps)!)).toEqual({ state: "canceled", reason: "opted-out" });
      await world.advance(11 * HOUR);
      await world.settle();
      await world.advance(DAY);
      await world.settle();
      const templates = (await sent(world)).filter((entry) => entry.type === "template");
      expect(templates.map((entry) => entry.to?.replace("+", ""))).toEqual([keeps]);
    } finally {
      await world.stop();
    }
  });

  it("raced 1,000 times, no promotion leaves after the STOP is committed", { timeout: 180_000 }, async () => {
    const ROUNDS = 1000;
    const clock = clockFrom("2026-11-24T03:30:00Z");
    const world = await startWorld({ now: clock.now });
    try {
      const api = await businessApi(world);
      const users = Array.from({ length: ROUNDS }, (_, round) => `97254100${String(round).padStart(4, "0")}`);
      await world.control("settings", { receipts: [] });
      await world.control("settings", { unknownUsers: "create" });
      for (let at = 0; at < ROUNDS; at += 20)
        await Promise.all(users.slice(at, at + 20).map((user) => optIn(world, user)));
      // A third waits for the morning (05:30 in Jerusalem) and is let go while its STOP comes in.
      const waiting = users.filter((_, round) => round % 3 === 0);
      await Promise.all(waiting.map((user) => api(offer(user))));
      await world.advance(3 * HOUR - 1000);
      await world.control("clock", { advanceMs: 1000 });
      const dice = dieOf(20261124);
      const release = world.advance(0);
      for (let at = 0; at < ROUNDS; at += 20)
        await Promise.all(
          users.slice(at, at + 20).flatMap((user) => {
            const stop = later(dice() * 25).then(() => world.say(user, "STOP"));
            return waiting.includes(user) ? [stop] : [stop, later(dice() * 25).then(() => api(offer(user)))];
          }),
        );
      await release;
      await world.settle(30_000);
      const stops = await sqlOf(world)(
        (tx) => tx<{ attempt: string; startedAt: Date; stoppedAt: Date }[]>`
          select a.id as attempt, a.started_at as "startedAt", e.recorded_at as "stoppedAt" from send_attempt a
          join outbox o on o.id = a.outbox_id and o.purpose = 'marketing'
          join consent_event e on e.contact_id = o.contact_id and e.act = 'opt-out'`,
      );
      const stopOf = new Map(stops.map((row) => [row.attempt, row]));
      const promotions = (await sent(world)).filter((entry) => entry.type === "template");
      const { shiftMs } = shiftOf(world, clock.shiftMs);
      for (const promotion of promotions) {
        const { startedAt, stoppedAt } = stopOf.get(promotion.attemptId!)!;
        const lateMs = promotion.at - shiftMs - stoppedAt.getTime();
        // Only what was marked `sending` before the STOP can arrive after it, and it is on the wire by then.
        expect(startedAt.getTime(), `${promotion.to} marked after its STOP`).toBeLessThanOrEqual(stoppedAt.getTime());
        expect(lateMs, `${promotion.to} left ${lateMs} ms after its STOP`).toBeLessThan(1000);
      }
      const stopped = await sqlOf(world)(
        (tx) => tx<{ count: number }[]>`select count(*)::int from consent_event where act = 'opt-out'`,
      );
      expect(stopped[0]!.count).toBe(ROUNDS);
      const confirmations = (await sent(world)).filter((entry) => entry.type === "text");
      expect(confirmations).toHaveLength(ROUNDS);
      // The race is one: both sides won sometimes.
      expect(promotions.length).toBeGreaterThan(0);
      expect(promotions.length).toBeLessThan(ROUNDS);
      const open = await sqlOf(world)(
        (tx) => tx`select state from outbox where state in ('queued', 'deferred', 'sending', 'unknown')`,
      );
      expect(open).toEqual([]);
      if (process.env.SHOW) console.log(`${promotions.length} promotions of ${ROUNDS} were ahead of their STOP`);
    } finally {
      await world.stop();
    }
  });
});

/** Business time of the ledger over the real time of the database. */
function shiftOf(world: TestWorld, shiftMs: number): { shiftMs: number } {
  return { shiftMs: shiftMs + world.sim.clock.offsetMs };
}

const later = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

/** Mulberry32: the same race plan in every run. */
function dieOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
