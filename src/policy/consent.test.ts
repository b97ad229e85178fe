import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConsentAct, ConsentEvent, ConsentSource, SuppressionScope } from "../domain/consent.ts";
import { isAskOpen, type Standing, standing } from "./consent.ts";

const START = new Date("2026-11-01T00:00:00Z").getTime();
const HOUR = 3_600_000;
/** `line(hour, what the person or the merchant did)`. */
const line = (hour: number, act: ConsentAct, scope: SuppressionScope, source: ConsentSource): ConsentEvent => ({
  act,
  scope,
  source,
  at: new Date(START + hour * HOUR),
});

const NOTHING: Standing = {
  marketing: { isSuppressed: false, hasOptIn: false },
  utility: { isSuppressed: false, hasOptIn: false },
  isStoppedAtMeta: false,
  isStoppedHere: false,
  hasPendingOptIn: false,
};
const allowed = { isSuppressed: false, hasOptIn: true };
const stopped = { isSuppressed: true, hasOptIn: false };
const BOTH: Standing = { ...NOTHING, marketing: allowed, utility: allowed };
const STOPPED: Standing = { ...NOTHING, marketing: stopped, isStoppedHere: true };
const STOPPED_ALL: Standing = { ...NOTHING, marketing: stopped, utility: stopped, isStoppedHere: true };
const STOPPED_AT_META: Standing = { ...NOTHING, marketing: stopped, isStoppedAtMeta: true };

describe("what a person allows", () => {
  const rows: [when: string, ledger: ConsentEvent[], then: Standing][] = [
    ["nothing on record allows nothing, and stops nothing", [], NOTHING],
    [
      "an imported opt-in counts for who never stopped",
      [line(1, "opt-in", "marketing", "import")],
      { ...NOTHING, marketing: allowed },
    ],
    ["an opt-in to everything counts for both", [line(1, "opt-in", "all", "api")], BOTH],
    [
      "a tap on 'may we write when it is ready?' allows utility only",
      [line(1, "opt-in", "utility", "answer-later")],
      { ...NOTHING, utility: allowed },
    ],
    [
      "an opt-in that the merchant calls pending is pending",
      [line(1, "pending-opt-in", "all", "api")],
      { ...NOTHING, hasPendingOptIn: true },
    ],
    ["STOP ends marketing", [line(1, "opt-out", "marketing", "keyword")], STOPPED],
    [
      "STOP leaves an opt-in to utility in force",
      [line(1, "opt-in", "all", "double-opt-in"), line(2, "opt-out", "marketing", "keyword")],
      { ...STOPPED, utility: allowed },
    ],
    [
      "STOP ALL ends utility too",
      [line(1, "opt-in", "all", "double-opt-in"), line(2, "opt-out", "all", "keyword")],
      STOPPED_ALL,
    ],
    [
      "STOP after STOP ALL narrows nothing",
      [line(1, "opt-out", "all", "keyword"), line(2, "opt-out", "marketing", "button")],
      STOPPED_ALL,
    ],
    [
      "STOP ALL after STOP widens",
      [line(1, "opt-out", "marketing", "keyword"), line(2, "opt-out", "all", "keyword")],
      STOPPED_ALL,
    ],
    [
      "staff, a system and an objection stop as the person does",
      [line(1, "opt-in", "all", "keyword"), line(2, "opt-out", "all", "objection")],
      STOPPED_ALL,
    ],
    [
      "START lifts STOP and is an opt-in",
      [line(1, "opt-out", "marketing", "keyword"), line(2, "opt-in", "all", "keyword")],
      BOTH,
    ],
    ["START lifts STOP ALL", [line(1, "opt-out", "all", "keyword"), line(2, "opt-in", "all", "keyword")], BOTH],
    [
      "START lifts a stop that staff recorded",
      [line(1, "opt-out", "all", "human"), line(2, "opt-in", "all", "keyword")],
      BOTH,
    ],
    [
      "a confirmed double opt-in lifts STOP",
      [line(1, "opt-out", "marketing", "keyword"), line(2, "opt-in", "all", "double-opt-in")],
      BOTH,
    ],
    [
      "STOP after START stops again",
      [
        line(1, "opt-out", "marketing", "keyword"),
        line(2, "opt-in", "all", "keyword"),
        line(3, "opt-out", "marketing", "keyword"),
      ],
      { ...STOPPED, utility: allowed },
    ],
    [
      "an import after STOP stays pending",
      [line(1, "opt-out", "marketing", "keyword"), line(2, "opt-in", "marketing", "import")],
      { ...STOPPED, hasPendingOptIn: true },
    ],
    [
      "an opt-in by the API after STOP stays pending for marketing, however new; for orders, which STOP leaves alone, it counts",
      [line(1, "opt-out", "marketing", "keyword"), line(9000, "opt-in", "all", "api")],
      { ...STOPPED, utility: { isSuppressed: false, hasOptIn: true }, hasPendingOptIn: true },
    ],
    [
      "staff cannot lift STOP",
      [line(1, "opt-out", "marketing", "keyword"), line(2, "opt-in", "marketing", "human")],
      { ...STOPPED, hasPendingOptIn: true },
    ],
    [
      "a sign-up at Meta does not lift STOP",
      [line(1, "opt-out", "marketing", "keyword"), line(2, "opt-in", "marketing", "signup")],
      { ...STOPPED, hasPendingOptIn: true },
    ],
    [
      "a tap on 'may we write?' after STOP allows utility and lifts nothing",
      [line(1, "opt-out", "marketing", "keyword"), line(2, "opt-in", "utility", "answer-later")],
      { ...STOPPED, utility: allowed },
    ],
    [
      "the same tap after STOP ALL lifts nothing either",
      [line(1, "opt-out", "all", "keyword"), line(2, "opt-in", "utility", "answer-later")],
      { ...STOPPED_ALL, hasPendingOptIn: true },
    ],
    [
      "START turns a pending opt-in into a real one",
      [
        line(1, "opt-out", "marketing", "keyword"),
        line(2, "opt-in", "marketing", "import"),
        line(3, "opt-in", "all", "keyword"),
      ],
      BOTH,
    ],
    ["Meta's stop ends marketing", [line(1, "opt-out", "marketing", "meta-preference")], STOPPED_AT_META],
    ["error 131050 is Meta's stop", [line(1, "opt-out", "marketing", "error-131050")], STOPPED_AT_META],
    [
      "Meta's resume lifts Meta's stop and brings back what was allowed before",
      [
        line(1, "opt-in", "all", "double-opt-in"),
        line(2, "opt-out", "marketing", "error-131050"),
        line(3, "opt-in", "marketing", "meta-preference"),
      ],
      BOTH,
    ],
    [
      "Meta's resume is not an opt-in of its own",
      [line(1, "opt-out", "marketing", "meta-preference"), line(2, "opt-in", "marketing", "meta-preference")],
      NOTHING,
    ],
    [
      "Meta's resume does not lift the person's own STOP",
      [
        line(1, "opt-out", "marketing", "keyword"),
        line(2, "opt-out", "marketing", "meta-preference"),
        line(3, "opt-in", "marketing", "meta-preference"),
      ],
      STOPPED,
    ],
    [
      "START does not lift Meta's stop",
      [line(1, "opt-out", "marketing", "meta-preference"), line(2, "opt-in", "all", "keyword")],
      { ...STOPPED_AT_META, utility: allowed },
    ],
    [
      "START, then Meta's resume: both stops are gone",
      [
        line(1, "opt-out", "marketing", "keyword"),
        line(2, "opt-out", "marketing", "meta-preference"),
        line(3, "opt-in", "all", "keyword"),
        line(4, "opt-in", "marketing", "meta-preference"),
      ],
      BOTH,
    ],
    [
      "an import under Meta's stop stays pending, also after the resume",
      [
        line(1, "opt-out", "marketing", "meta-preference"),
        line(2, "opt-in", "marketing", "import"),
        line(3, "opt-in", "marketing", "meta-preference"),
      ],
      { ...NOTHING, hasPendingOptIn: true },
    ],
    [
      "at the same instant the opt-out counts last",
      [line(1, "opt-out", "marketing", "keyword"), line(1, "opt-in", "all", "keyword")],
      { ...STOPPED, utility: allowed },
    ],
    [
      "events count in their own order, not in that of their arrival",
      [line(3, "opt-in", "all", "keyword"), line(1, "opt-out", "all", "keyword")],
      BOTH,
    ],
    [
      "a STOP that arrives after a newer import still stops",
      [line(5, "opt-in", "marketing", "import"), line(9, "opt-out", "marketing", "keyword")],
      STOPPED,
    ],
    [
      "an opt-in dated after STOP but declared by the merchant lifts nothing when STOP arrives late",
      [line(5, "opt-in", "marketing", "import"), line(1, "opt-out", "marketing", "keyword")],
      { ...STOPPED, hasPendingOptIn: true },
    ],
    [
      "asking and answering change nothing by themselves",
      [line(1, "ask", "marketing", "keyword"), line(2, "ask-answered", "marketing", "button")],
      NOTHING,
    ],
  ];
  it.each(rows)("%s", (_when, ledger, then) => {
    expect(standing(ledger)).toEqual(then);
  });
});

it("what STOP ALL ended does not come back with an opt-in to marketing", () => {
  const ledger = [
    line(1, "opt-in", "all", "keyword"),
    line(2, "opt-out", "all", "keyword"),
    line(3, "opt-in", "marketing", "double-opt-in"),
  ];
  expect(standing(ledger).utility.hasOptIn).toBe(false);
});

describe("promises over any history", () => {
  const scope = fc.constantFrom<SuppressionScope>("marketing", "utility", "all");
  const hour = (min: number, max: number) => fc.integer({ min, max });
  const OWN_STOPS: ConsentSource[] = ["keyword", "button", "human", "api", "import", "objection"];
  const event = (min: number, max: number, sources: ConsentSource[]) =>
    fc
      .tuple(
        hour(min, max),
        fc.constantFrom<ConsentAct>("opt-in", "opt-out", "pending-opt-in", "ask", "ask-answered"),
        scope,
        fc.constantFrom(...sources),
      )
      .map(([at, act, where, source]) => line(at, act, where, source));
  const ANY: ConsentSource[] = [
    ...OWN_STOPS,
    "meta-preference",
    "error-131050",
    "double-opt-in",
    "answer-later",
    "signup",
  ];
  /** What merchants, imports and Meta may add after a stop of the person's own: none of it is the person's act. */
  const NO_LIFT: ConsentSource[] = [
    "human",
    "api",
    "import",
    "objection",
    "signup",
    "answer-later",
    "meta-preference",
    "error-131050",
  ];

  it("after a stop, nothing that the merchant, an import, a merge or Meta adds ever allows marketing again", () => {
    fc.assert(
      fc.property(
        fc.array(event(0, 99, ANY)),
        fc.constantFrom(...OWN_STOPS),
        scope,
        fc.array(event(100, 200, NO_LIFT)),
        fc.func(fc.integer()),
        (before, source, stop, after, shuffle) => {
          const history = [...before, line(100, "opt-out", stop, source), ...after];
          const shuffled = [...history].sort((a, b) => shuffle(a) - shuffle(b));
          for (const ledger of [history, shuffled]) {
            expect(standing(ledger)).toMatchObject({ marketing: stopped, isStoppedHere: true });
            if (stop !== "marketing") expect(standing(ledger)).toMatchObject({ utility: stopped });
          }
        },
      ),
    );
  });

  it("after Meta's stop, only Meta's resume allows marketing again", () => {
    const others = ANY.filter((source) => source !== "meta-preference" && source !== "error-131050");
    fc.assert(
      fc.property(fc.array(event(0, 99, ANY)), fc.array(event(100, 200, others)), (before, after) => {
        const ledger = [...before, line(100, "opt-out", "marketing", "meta-preference"), ...after];
        expect(standing(ledger)).toMatchObject({ marketing: stopped, isStoppedAtMeta: true });
      }),
    );
  });

  it("suppression and opt-in never hold at once, and a ledger read twice says the same", () => {
    fc.assert(
      fc.property(fc.array(event(0, 200, ANY)), (ledger) => {
        const one = standing(ledger);
        expect(one.marketing.isSuppressed && one.marketing.hasOptIn).toBe(false);
        expect(one.utility.isSuppressed && one.utility.hasOptIn).toBe(false);
        expect(one.utility.isSuppressed && !one.marketing.isSuppressed).toBe(false);
        expect(standing(ledger)).toEqual(one);
      }),
    );
  });

  it("two ledgers merged are at least as strict as the one with the last stop", () => {
    fc.assert(
      fc.property(fc.array(event(0, 99, NO_LIFT)), fc.array(event(0, 99, NO_LIFT)), (one, other) => {
        const isStopped = standing(one).isStoppedHere || standing(other).isStoppedHere;
        if (isStopped) expect(standing([...one, ...other]).isStoppedHere).toBe(true);
        expect(standing([...one, ...other]).marketing.isSuppressed).toBe(
          standing([...other, ...one]).marketing.isSuppressed,
        );
      }),
    );
  });
});

describe("the question whether to stop", () => {
  const asked = line(0, "ask", "marketing", "keyword");
  const at = (hours: number) => new Date(START + hours * HOUR);
  const rows: [when: string, ledger: ConsentEvent[], now: Date, then: boolean][] = [
    ["was never asked", [], at(0), false],
    ["was just asked", [asked], at(0), true],
    ["was asked 24 h ago less a millisecond", [asked], new Date(at(24).getTime() - 1), true],
    ["was asked 24 h ago", [asked], at(24), false],
    ["was answered with 'keep'", [asked, line(1, "ask-answered", "marketing", "button")], at(2), false],
    ["was answered with STOP", [asked, line(1, "opt-out", "marketing", "button")], at(2), false],
    ["was overtaken by START", [asked, line(1, "opt-in", "all", "keyword")], at(2), false],
    ["is not closed by an import", [asked, line(1, "opt-in", "marketing", "import")], at(2), true],
    ["is not closed by an opt-in to utility", [asked, line(1, "opt-in", "utility", "answer-later")], at(2), true],
    [
      "was asked again",
      [asked, line(1, "ask-answered", "marketing", "button"), line(2, "ask", "marketing", "keyword")],
      at(3),
      true,
    ],
  ];
  it.each(rows)("%s", (_when, ledger, now, then) => {
    expect(isAskOpen(ledger, now)).toBe(then);
  });
});
