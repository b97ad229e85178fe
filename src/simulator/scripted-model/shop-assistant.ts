import { type ChatRequest, lastUserText } from "./chat-request.ts";
import { type Answer, demoAnswer, languageOf } from "./demo-assistant.ts";

type Words = {
  hello: string;
  choices: string[];
  unknown: string;
  order: (status: string, day: string) => string;
  noOrder: string;
  thanks: string;
};

const WORDS: Readonly<Record<string, Words>> = {
  en: {
    hello:
      "Hello! I can tell you about our plants, deliveries and returns, or look up an order. What would you like to know?",
    choices: ["Delivery", "Opening hours", "Easy plants"],
    unknown: "I do not know that, I am afraid. Write “person” and a colleague will help you.",
    order: (status, day) => `Your order is **${status}** and should arrive on ${day}.`,
    noOrder: "I cannot find that order. Please check the number; it looks like A-1042.",
    thanks: "You are welcome! 🌿",
  },
  he: {
    hello: "שלום! אפשר לשאול אותי על הצמחים, על משלוחים והחזרות, או לבדוק הזמנה. במה אפשר לעזור?",
    choices: ["משלוחים", "שעות פתיחה", "צמחים קלים לגידול"],
    unknown: "את זה אני לא יודע, לצערי. כתבו “נציג” ועמית יעזור לכם.",
    order: (status, day) => `ההזמנה שלך במצב **${status === "shipped" ? "נשלחה" : "בהכנה"}** וצפויה להגיע ב-${day}.`,
    noOrder: "לא מצאתי את ההזמנה הזאת. כדאי לבדוק את המספר; הוא נראה כך: A-1042.",
    thanks: "בשמחה! 🌿",
  },
  ar: {
    hello: "مرحبا! يمكنك أن تسألني عن نباتاتنا والتوصيل والإرجاع، أو عن طلب معيّن. كيف أساعدك؟",
    choices: ["التوصيل", "ساعات العمل", "نباتات سهلة"],
    unknown: "للأسف لا أعرف ذلك. اكتب “موظف” وسيساعدك أحد زملائنا.",
    order: (status, day) =>
      `طلبك **${status === "shipped" ? "في الطريق" : "قيد التحضير"}** ومن المتوقع أن يصل في ${day}.`,
    noOrder: "لم أجد هذا الطلب. يرجى التحقق من الرقم؛ شكله A-1042.",
    thanks: "على الرحب والسعة! 🌿",
  },
};

const ORDER = /\b([A-Z])-?(\d{3,6})\b/i;
const HELLO = /^(hi|hey|hello|good (morning|evening)|שלום|היי|הי|בוקר טוב|مرحبا|اهلا|أهلا|السلام عليكم)[\s!.,👋]*$/iu;
const THANKS = /^(thanks?( you)?|thx|תודה( רבה)?|شكرا|شكراً)[\s!.,🙏]*$/iu;

/** A shop's assistant that uses the tools it is given: what the demo talks to in place of a model. The same for the same request. */
export function shopAnswer(request: ChatRequest): Answer {
  const tools = new Set((request.tools ?? []).flatMap((tool) => tool.function?.name ?? []));
  const asked = lastUserText(request).trim();
  const words = WORDS[languageOf(asked)] ?? WORDS.en!;
  if (!tools.has("search_knowledge")) return demoAnswer(request);
  const last = request.messages.at(-1)!;
  if (last.role === "tool") return { text: fromTool(last.text, words) };
  if (THANKS.test(asked)) return { text: words.thanks };
  if (HELLO.test(asked)) {
    const options = words.choices.map((title) => ({ title }));
    return { toolCalls: [{ name: "offer_choices", arguments: { text: words.hello, options } }] };
  }
  const order = ORDER.exec(asked);
  if (order && tools.has("order_status"))
    return { toolCalls: [{ name: "order_status", arguments: { order: `${order[1]!.toUpperCase()}-${order[2]}` } }] };
  return { toolCalls: [{ name: "search_knowledge", arguments: { query: asked.slice(0, 300) } }] };
}

function fromTool(text: string, words: Words): string {
  if (text.startsWith("HTTP 404")) return words.noOrder;
  const order = readOrder(text);
  if (order) return words.order(order.status, order.expected);
  // Passages stand as `[title]` and text; the first is the best.
  const [, passage] = /^\[[^\]]*\]\n([\s\S]*?)(?=\n\n\[|$)/.exec(text) ?? [];
  return passage ? passage.slice(0, 900).trim() : words.unknown;
}

function readOrder(text: string): { status: string; expected: string } | undefined {
  try {
    const value = JSON.parse(text) as { status?: string; expected?: string };
    return value.status && value.expected ? { status: value.status, expected: value.expected } : undefined;
  } catch {
    return undefined;
  }
}
