import { createGuard } from "../src/guardrails/guard.ts";
import { round } from "./load.ts";

const TEXTS = [
  "When do you deliver to Haifa?",
  "Hi! I ordered a ficus last week and the pot arrived broken, what can I do about it please?",
  "STOP",
  "can I stop by at 5?",
  "מתי תגיע ההזמנה שלי? כבר עברו שלושה ימים",
  "هل عندكم توصيل إلى حيفا اليوم؟ وكم السعر؟",
  "¿Cuánto cuesta el envío a Madrid y cuánto tarda?",
  "ok",
  "מה שעות הפתיחה שלכם ביום שישי?",
  "I would like to return the monstera, it is too big for my room. Order A-10442. Could a courier come on Sunday between 10 and 12?",
];
const CONTEXT = {
  lastMarketingAt: true,
  isOrderOpen: false,
  areOptionsOffered: false,
  country: "IL",
  languages: ["he", "en"],
};

/** Opt-out and lexicon on one core, per message. */
export function guardBench(): { measure: string; value: string; floor: string; aim: string; reached: boolean }[] {
  const guard = createGuard();
  const times: number[] = [];
  for (let n = 0; n < 30_000; n++) {
    const text = TEXTS[n % TEXTS.length]!;
    const begun = performance.now();
    guard.intents(text, CONTEXT);
    guard.checkNow(text, "inbound");
    if (n > 2000) times.push((performance.now() - begun) * 1000);
  }
  times.sort((a, b) => a - b);
  const at = (share: number) => round(times[Math.floor(times.length * share)]!);
  return [
    {
      measure: "guard per message: opt-out + lexicon",
      value: `p50 ${at(0.5)} p99 ${at(0.99)} µs`,
      floor: "regex guards 70 µs",
      aim: "p99 < 150 µs",
      reached: at(0.99) < 150,
    },
  ];
}
