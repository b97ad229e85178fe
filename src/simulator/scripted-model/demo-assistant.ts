import { isObject, type JsonObject } from "../json.ts";
import { type ChatRequest, lastUserText } from "./chat-request.ts";
import { instanceOf } from "./schema-instance.ts";

export type Answer = { text?: string; toolCalls?: { name: string; arguments: unknown }[] };

const SHOP: Readonly<Record<string, (asked: string) => string>> = {
  en: (asked) =>
    `You wrote: “${asked}”. Here is what our shop can do: tell you about products and prices, check an order, arrange delivery or a return, and pass you to a person.`,
  he: (asked) =>
    `כתבת: “${asked}”. הנה מה שהחנות שלנו יכולה לעשות: מידע על מוצרים ומחירים, בדיקת הזמנה, תיאום משלוח או החזרה, והעברה לנציג אנושי.`,
  ar: (asked) =>
    `كتبت: “${asked}”. هذا ما يمكن لمتجرنا القيام به: معلومات عن المنتجات والأسعار، متابعة طلب، ترتيب التوصيل أو الإرجاع، وتحويلك إلى موظف.`,
  es: (asked) =>
    `Escribiste: “${asked}”. Esto es lo que puede hacer nuestra tienda: informarte sobre productos y precios, revisar un pedido, organizar una entrega o devolución y pasarte con una persona.`,
  ru: (asked) =>
    `Вы написали: “${asked}”. Вот что умеет наш магазин: рассказать о товарах и ценах, проверить заказ, оформить доставку или возврат и позвать сотрудника.`,
  fr: (asked) =>
    `Vous avez écrit : “${asked}”. Voici ce que notre boutique peut faire : renseigner sur les produits et les prix, suivre une commande, organiser une livraison ou un retour et vous passer une personne.`,
  pt: (asked) =>
    `Você escreveu: “${asked}”. Veja o que nossa loja pode fazer: informar sobre produtos e preços, consultar um pedido, combinar entrega ou devolução e passar você para uma pessoa.`,
  de: (asked) =>
    `Du hast geschrieben: “${asked}”. Das kann unser Geschäft: über Produkte und Preise informieren, eine Bestellung prüfen, Lieferung oder Rückgabe regeln und an einen Menschen übergeben.`,
};

/** Words that give a Latin-script language away; the language with most of them wins, English when none has any. */
const WORDS: Readonly<Record<string, RegExp>> = {
  es: /[¿¡ñ]|\b(?:hola|gracias|cu[aá]nto|d[oó]nde|quiero|pedido|tienen|est[aá]|por favor|para|necesito|buenos|buenas|mi|el|los|las|una)\b/giu,
  fr: /\b(?:bonjour|merci|combien|o[uù]|je|vous|commande|livraison|est|le|les|une|pour|avez)\b/giu,
  pt: /[ãõ]|\b(?:ol[aá]|obrigad[oa]|quanto|onde|quero|pedido|voc[eê]s?|est[aá]|uma|para|meu|minha|n[aã]o)\b/giu,
  de: /[äöüß]|\b(?:hallo|danke|wie|wo|ich|bestellung|lieferung|ist|der|die|das|eine|f[uü]r|haben)\b/giu,
};

/** The answer when no rule applies: the same for the same request, in the language of the last user message. */
export function demoAnswer(request: ChatRequest): Answer {
  const asked = lastUserText(request).trim().replace(/\s+/g, " ").slice(0, 160);
  const forced = forcedTool(request);
  const text = (SHOP[languageOf(asked)] ?? SHOP.en!)(asked);
  if (forced !== undefined) {
    return { toolCalls: [{ name: forced.name, arguments: instanceOf(forced.parameters, text) }] };
  }
  const format = request.response_format;
  if (format?.type === "json_schema") return { text: JSON.stringify(instanceOf(format.json_schema?.schema, text)) };
  if (format?.type === "json_object") return { text: JSON.stringify({ reply: text }) };
  return { text };
}

/** The language of a text by its script, then by telling words. */
export function languageOf(text: string): string {
  if (/\p{Script=Hebrew}/u.test(text)) return "he";
  if (/\p{Script=Arabic}/u.test(text)) return "ar";
  if (/\p{Script=Cyrillic}/u.test(text)) return "ru";
  let best = { language: "en", hits: 0 };
  for (const [language, words] of Object.entries(WORDS)) {
    const hits = text.match(words)?.length ?? 0;
    if (hits > best.hits) best = { language, hits };
  }
  return best.language;
}

/** The tool that the caller insists on: by name, or the first when any is required. */
function forcedTool(request: ChatRequest): { name: string; parameters: unknown } | undefined {
  if (request.messages.at(-1)?.role === "tool") return undefined;
  const tools = (request.tools ?? []).flatMap((tool) => (tool.function === undefined ? [] : [tool.function]));
  const choice = request.tool_choice;
  const wanted = isObject(choice) && isObject(choice.function) ? (choice.function as JsonObject).name : undefined;
  const tool = tools.find(({ name }) => name === wanted) ?? (choice === "required" ? tools[0] : undefined);
  return tool === undefined ? undefined : { name: tool.name, parameters: tool.parameters };
}
