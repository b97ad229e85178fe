import type { TemplateInput } from "./templates.ts";
import type { WorldSeed } from "./world.ts";

export const DEMO_APP_ID = "670843887433847";
export const DEMO_WABA_ID = "102290129340398";
export const DEMO_PHONE_ID = "106540352242922";

type Wording = { body: string; examples: string[]; buttons?: string[] };

const ANSWER_READY: Record<string, Wording> = {
  en: {
    body: "You asked us about {{1}} on {{2}}. Our answer is ready, tap below to read it.",
    examples: ["the delivery of your order", "12 November"],
    buttons: ["Read the answer"],
  },
  he: {
    body: "שאלת אותנו על {{1}} בתאריך {{2}}. התשובה מוכנה, אפשר ללחוץ למטה כדי לקרוא אותה.",
    examples: ["משלוח ההזמנה", "12 בנובמבר"],
    buttons: ["לקריאת התשובה"],
  },
  ar: {
    body: "سألتنا عن {{1}} بتاريخ {{2}}. الجواب جاهز، اضغط أدناه لقراءته.",
    examples: ["توصيل طلبك", "12 نوفمبر"],
    buttons: ["قراءة الجواب"],
  },
};

const ORDER_UPDATE: Record<string, Wording> = {
  en: {
    body: "Your order {{1}} has a new status: {{2}}. Reply here with any question.",
    examples: ["A-1042", "shipped"],
  },
  he: { body: "להזמנה {{1}} יש סטטוס חדש: {{2}}. אפשר להשיב כאן בכל שאלה.", examples: ["A-1042", "נשלחה"] },
  ar: { body: "طلبك {{1}} له حالة جديدة: {{2}}. يمكنك الرد هنا بأي سؤال.", examples: ["A-1042", "تم الشحن"] },
};

const WEEKLY_OFFER: Record<string, Wording> = {
  en: {
    body: "This week at Demo Shop: {{1}}. See you soon!",
    examples: ["20% off all plants"],
    buttons: ["Stop promotions"],
  },
  he: { body: "השבוע ב-Demo Shop: {{1}}. נתראה!", examples: ["20% הנחה על כל הצמחים"], buttons: ["Stop promotions"] },
  ar: {
    body: "هذا الأسبوع في Demo Shop: {{1}}. نراكم قريبا!",
    examples: ["خصم 20% على كل النباتات"],
    buttons: ["Stop promotions"],
  },
};

/** One account, one number and four templates in three languages; nobody has written yet. */
export function defaultWorld(): WorldSeed {
  return {
    wabas: [
      {
        id: DEMO_WABA_ID,
        name: "Demo Shop",
        portfolioId: "506914307656634",
        phones: [{ id: DEMO_PHONE_ID, displayNumber: "+1 555-078-3881", verifiedName: "Demo Shop" }],
        templates: [
          ...each("answer_ready", "UTILITY", ANSWER_READY),
          ...each("order_update", "UTILITY", ORDER_UPDATE),
          ...each("weekly_offer", "MARKETING", WEEKLY_OFFER),
          ...["en", "he", "ar"].map(loginCode),
        ],
      },
    ],
  };
}

function each(name: string, category: "UTILITY" | "MARKETING", wordings: Record<string, Wording>): TemplateInput[] {
  return Object.entries(wordings).map(([language, { body, examples, buttons = [] }]) => ({
    name,
    language,
    category,
    status: "APPROVED",
    components: [
      { type: "BODY", text: body, example: { body_text: [examples] } },
      ...(buttons.length === 0
        ? []
        : [{ type: "BUTTONS", buttons: buttons.map((text) => ({ type: "QUICK_REPLY", text })) }]),
    ],
  }));
}

function loginCode(language: string): TemplateInput {
  const body = {
    en: "*{{1}}* is your verification code. For your security, do not share this code.",
    he: "*{{1}}* הוא קוד האימות שלך. מטעמי אבטחה אין לשתף את הקוד.",
    ar: "*{{1}}* هو رمز التحقق الخاص بك. لحمايتك، لا تشارك هذا الرمز.",
  }[language];
  const copy = { en: "Copy code", he: "העתקת הקוד", ar: "نسخ الرمز" }[language];
  return {
    name: "login_code",
    language,
    category: "AUTHENTICATION",
    status: "APPROVED",
    components: [
      { type: "BODY", text: body, add_security_recommendation: true },
      { type: "FOOTER", code_expiration_minutes: 10 },
      {
        type: "BUTTONS",
        buttons: [
          { type: "URL", text: copy, url: "https://www.whatsapp.com/otp/code/?otp_type=COPY_CODE&code=otp{{1}}" },
        ],
      },
    ],
  };
}
