import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { languagesIn, readTsv } from "../src/guardrails/rows.ts";
import { loadSentences } from "../src/guardrails/sentences.ts";
import { importConsent } from "../src/store/consent-admin.ts";
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
import { startWorld, type TestWorld } from "./world.ts";

const MONDAY_NOON = "2026-11-23T10:00:00Z";
const START_OF = /^\p{L}+: |^.*?: /u;

/** One phone a language, in a country where people write it; the area code keeps English out of the US. */
const PHONES: Record<string, string> = {
  am: "251911000001",
  ar: "201000000001",
  bg: "359888000001",
  bn: "8801711000001",
  ca: "34600000001",
  cs: "420601000001",
  da: "4520000001",
  de: "4915100000001",
  el: "306900000001",
  en: "447700900001",
  es: "34600000002",
  fa: "989120000001",
  fi: "358400000001",
  fr: "33600000001",
  he: "972540000001",
  "hi-Latn": "919800000001",
  hi: "919800000002",
  hr: "385910000001",
  hu: "36200000001",
  id: "6281100000001",
  it: "393200000001",
  ja: "819000000001",
  ko: "821000000001",
  ms: "60120000001",
  nl: "31600000001",
  no: "4790000001",
  pl: "48500000001",
  "pt-BR": "5511900000001",
  "pt-PT": "351910000001",
  ro: "40700000001",
  ru: "79160000001",
  sk: "421900000001",
  sr: "381600000001",
  sv: "46700000001",
  sw: "254700000001",
  th: "66800000001",
  tl: "639170000001",
  tr: "905300000001",
  uk: "380500000001",
  ur: "923000000001",
  vi: "84900000001",
  "zh-Hans": "8613800000001",
  "zh-Hant": "886900000001",
};

/** The strong keyword of a file that says most about its language: the longest one that is not the shared STOP. */
function strongKeyword(language: string): string {
  const strong = readTsv(`opt-out/${language}.tsv`).filter(
    (row) => row.kind === "keyword" && /^strong/.test(row.note!) && !/[\p{Emoji_Presentation}]/u.test(row.text!),
  );
  const own = strong.filter((row) => !/^stop+$/i.test(row.text!));
  return (own[0] ?? strong[0]!).text!;
}

describe("a stop word in any language", () => {
  let world: TestWorld;
  let api: Api;
  const languages = languagesIn("opt-out").filter((language) => PHONES[language]);
  const sentences = loadSentences();
  beforeAll(async () => {
    world = await startWorld({ now: clockFrom(MONDAY_NOON).now });
    api = await businessApi(world);
    for (const language of languages) await optIn(world, PHONES[language]!, "marketing");
  });
  afterAll(() => world.stop());

  it("is known in at least 40 languages", () => {
    expect(languages.length).toBeGreaterThanOrEqual(40);
  });

  it.each(languages)("%s: stops marketing at the WABA, confirmed once", async (language) => {
    const user = PHONES[language]!;
    const before = (await world.control<{ count: number }>("model/calls")).count;
    await world.say(user, strongKeyword(language));
    const [confirmation, ...more] = await world.replies(user, 1);
    expect(more).toEqual([]);
    const possible = ["opt_out_marketing", "opt_out_all"].flatMap((key) =>
      sentences.languages.map((tag) => sentences.say(key, tag).replace("{business}", "").slice(-40)),
    );
    expect(possible.some((end) => confirmation!.text!.endsWith(end))).toBe(true);
    expect((await api(offer(user))).body).toMatchObject({ state: "blocked", reason: "suppressed-marketing" });
    await world.settle();
    expect(await posted(world, user)).toHaveLength(1);
    expect((await world.control<{ count: number }>("model/calls")).count).toBe(before);
  });

  it.each(languages.filter((language) => /[^ -~]/.test(strongKeyword(language)) && language !== "hi-Latn"))(
    "%s: is confirmed in its own language",
    async (language) => {
      const [text] = await words(world, PHONES[language]!);
      const end = (key: string) => sentences.say(key, language).replace(START_OF, "").slice(-40);
      expect(
        [end("opt_out_marketing"), end("opt_out_all")].some((tail) => text!.endsWith(tail)),
        text,
      ).toBe(true);
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

  it.each(["How do I stop the leak in my pot?", "Does it stop all leaks?", "Which bus stop is near the shop?"])(
    "%s is a question, not a stop",
    async (text) => {
      const user = `97254000003${text.length % 10}`;
      await opted(user);
      await world.say(user, text);
      await world.replies(user, 1);
      expect((await api(offer(user))).body.state).toBe("queued");
    },
  );
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

  it("raced 240 times, no promotion leaves after the STOP is committed", { timeout: 60_000 }, async () => {
    const ROUNDS = 240;
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
      for (let at = 0; at < ROUNDS; at += 24)
        await Promise.all(
          users.slice(at, at + 24).flatMap((user) => {
            const stop = after(dice() * 25).then(() => world.say(user, "STOP"));
            return waiting.includes(user) ? [stop] : [stop, after(dice() * 25).then(() => api(offer(user)))];
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

const after = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

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
