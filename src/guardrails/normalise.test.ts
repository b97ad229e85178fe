import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isUnspaced, normalise, tokens } from "./normalise.ts";

describe("normalise", () => {
  it.each([
    ["digits of Arabic", "٠١٢٣٤٥٦٧٨٩", "0123456789"],
    ["digits of Persian", "۰۱۲۳۴۵۶۷۸۹", "0123456789"],
    ["full-width digits", "０１２", "012"],
    ["Hebrew with niqqud", "הָסֵר אוֹתִי", "הסר אותי"],
    ["Hebrew with cantillation", "בְּרֵאשִׁ֖ית", "בראשית"],
    ["Hebrew punctuation signs", "ארה״ב צ׳אט", "ארה\"ב צ'אט"],
    ["Arabic with tashkeel", "أَلْغِ", "الغ"],
    ["Arabic with tatweel", "الـــغاء", "الغاء"],
    ["Arabic alef, ya, ta marbuta and hamza variants", "إلغاء أى آية ؤ", "الغاء اي ايه و"],
    ["Persian letters", "یک کتاب", "يك كتاب"],
    ["Turkish dotted capital", "İPTAL", "iptal"],
    ["Turkish dotless capital", "IPTAL", "iptal"],
    ["Turkish dotless small", "ıptal", "iptal"],
    ["full-width letters", "ＳＴＯＰ", "stop"],
    ["ligatures", "ﬁn", "fin"],
    ["a typographic apostrophe", "don’t", "don't"],
    ["a zero-width space and a bidi mark inside a word", "S\u200BT\u200FOP", "stop"],
    ["a soft hyphen", "un\u00ADsubscribe", "unsubscribe"],
  ])("%s", (_name, text, expected) => {
    expect(normalise(text)).toBe(expected);
  });

  it.each([
    ["Vietnamese tones", "HỦY", "hủy"],
    ["Hindi vowels and virama", "हिन्दी", "हिन्दी"],
    ["German sharp s", "groß", "groß"],
    ["Spanish enye", "MAÑANA", "mañana"],
    ["Russian yo", "ЁЛКА", "ёлка"],
    ["Greek accents", "ΣΤΌΠ", "στόπ"],
  ])("%s are letters of their own and stay", (_name, text, expected) => {
    expect(normalise(text)).toBe(expected);
  });

  it("twice is as once", () => {
    fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => normalise(normalise(text)) === normalise(text)));
  });
});

describe("tokens", () => {
  it.each([
    ["don't stop", ["don't", "stop"]],
    ["a-b c_d 1,000", ["a", "b", "c", "d", "1", "000"]],
    ['ארה"ב', ['ארה"ב']],
    ["停止", ["停", "止"]],
    ["หยุด", ["ห", "ยุ", "ด"]],
    ["👍 🙏🏽", []],
    ["", []],
  ])("of %s", (text, expected) => {
    expect(tokens(text)).toEqual(expected);
  });

  it("of unspaced scripts are characters, of the others words", () => {
    expect(["停", "ส", "ひ"].map(isUnspaced)).toEqual([true, true, true]);
    expect(["stop", "停止".normalize("NFD"), "הסר", "멈춤"].map(isUnspaced)).toEqual([false, true, false, false]);
  });
});
