/** What the chat itself says in each language: the page's own words, never the shop's. */
export type ChatWords = {
  dir: "ltr" | "rtl";
  today: string;
  yesterday: string;
  online: string;
  typing: string;
  write: string;
  send: string;
  attach: string;
  samplePicture: string;
  ownPicture: string;
  location: string;
  invite: string;
  photo: string;
  close: string;
  suggestions: string[];
  burst: string[];
};

export const WORDS: Record<string, ChatWords> = {
  en: {
    dir: "ltr",
    today: "Today",
    yesterday: "Yesterday",
    online: "online",
    typing: "typing…",
    write: "Type a message",
    send: "Send",
    attach: "Attach",
    samplePicture: "Sample picture",
    ownPicture: "Picture from this device",
    location: "Location",
    invite: "Say something, as a customer would",
    photo: "Photo",
    close: "Close",
    suggestions: [
      "When do you deliver?",
      "Can I return a plant?",
      "I want to talk to a person",
      "Are you a bot?",
      "STOP",
    ],
    burst: ["Hi!", "I ordered a fern last week", "When will it come?"],
  },
  he: {
    dir: "rtl",
    today: "היום",
    yesterday: "אתמול",
    online: "מחובר",
    typing: "מקליד/ה…",
    write: "כתיבת הודעה",
    send: "שליחה",
    attach: "צירוף",
    samplePicture: "תמונה לדוגמה",
    ownPicture: "תמונה מהמכשיר",
    location: "מיקום",
    invite: "כתבו משהו, כמו לקוח",
    photo: "תמונה",
    close: "סגירה",
    suggestions: ["מתי אתם שולחים?", "אפשר להחזיר צמח?", "אני רוצה לדבר עם נציג", "אתה בוט?", "הסר"],
    burst: ["היי!", "הזמנתי שרך בשבוע שעבר", "מתי הוא יגיע?"],
  },
  ar: {
    dir: "rtl",
    today: "اليوم",
    yesterday: "أمس",
    online: "متصل الآن",
    typing: "يكتب…",
    write: "اكتب رسالة",
    send: "إرسال",
    attach: "إرفاق",
    samplePicture: "صورة للتجربة",
    ownPicture: "صورة من هذا الجهاز",
    location: "الموقع",
    invite: "اكتب شيئا كما يكتب الزبون",
    photo: "صورة",
    close: "إغلاق",
    suggestions: ["متى توصلون الطلبات؟", "هل يمكنني إرجاع نبتة؟", "أريد التحدث مع موظف", "هل أنت روبوت؟", "إيقاف"],
    burst: ["مرحبا!", "طلبت نبتة الأسبوع الماضي", "متى ستصل؟"],
  },
  de: {
    dir: "ltr",
    today: "Heute",
    yesterday: "Gestern",
    online: "online",
    typing: "schreibt…",
    write: "Nachricht schreiben",
    send: "Senden",
    attach: "Anhängen",
    samplePicture: "Beispielbild",
    ownPicture: "Bild von diesem Gerät",
    location: "Standort",
    invite: "Schreiben Sie etwas, wie ein Kunde",
    photo: "Foto",
    close: "Schließen",
    suggestions: [
      "Wann liefert ihr?",
      "Kann ich eine Pflanze zurückgeben?",
      "Ich möchte mit einem Menschen sprechen",
      "Bist du ein Bot?",
      "STOPP",
    ],
    burst: ["Hallo!", "Ich habe letzte Woche einen Farn bestellt", "Wann kommt er an?"],
  },
};
