import { describe, expect, it } from "vitest";
import { detectLanguage } from "./language.ts";

describe("the language of a message", () => {
  it.each([
    ["en", "When do you deliver to Haifa?"],
    ["he", "מתי אתם פותחים?"],
    ["he", "הָסֵר אוֹתִי"],
    ["he", "אני רוצה iPhone 15"],
    ["ar", "متى تفتحون المحل؟"],
    ["fa", "چه ساعتی باز می‌کنید؟ گلدان دارید"],
    ["ur", "کب کھلتے ہیں آپ؟ یہ بتائیں"],
    ["es", "¿Cuándo abren la tienda mañana por favor?"],
    ["pt-BR", "Quando vocês abrem amanhã? Obrigado"],
    ["fr", "Quand ouvrez-vous demain matin, s'il vous plaît ?"],
    ["de", "Wann öffnen Sie morgen, bitte?"],
    ["tr", "Ne zaman açılıyorsunuz, teşekkürler"],
    ["ru", "Когда вы открываетесь? Хочу купить цветы, мы рядом были"],
    ["uk", "Коли ви відкриваєтесь?"],
    ["el", "Πότε ανοίγετε;"],
    ["ja", "何時に開きますか"],
    ["ko", "몇 시에 열어요?"],
    ["zh-Hans", "你们几点开门"],
    ["zh-Hant", "你們幾點開門，謝謝"],
    ["th", "เปิดกี่โมง"],
    ["hi", "आप कब खोलते हैं?"],
    ["bn", "আপনারা কখন খোলেন?"],
    ["am", "መቼ ትከፍታላችሁ?"],
  ])("is %s: %s", (expected, text) => {
    expect(detectLanguage(text, [])).toBe(expected);
  });

  it.each(["", " ", "ok", "12345", "👍", "Hola", "?!"])("of %j alone cannot be told, and is not guessed", (text) => {
    expect(detectLanguage(text, [])).toBeUndefined();
  });

  it("of a short text is the person's own where it may be", () => {
    expect(detectLanguage("Hola", ["es"])).toBe("es");
    expect(detectLanguage("سلام", ["fa"])).toBe("fa");
    expect(detectLanguage("Спасибо", ["bg"])).toBe("bg");
  });

  it("is not overruled by a hint in another script", () => {
    expect(detectLanguage("מתי אתם פותחים?", ["en", "ar"])).toBe("he");
    expect(detectLanguage("When do you open your shop tomorrow?", ["he", "ar"])).toBe("en");
  });

  it("of a text with a foreign word is that of the rest", () => {
    expect(detectLanguage("I want שווארמה please and also some more things", [])).toBe("en");
  });
});
