import { describe, expect, it } from "vitest";
import { ProhibitedLexicon } from "./prohibited.ts";

const lexicon = new ProhibitedLexicon();

type Group = { trade: [string, string][]; harmless: string[] };

/** Plain sentences of a customer: what must be refused, and its harmless neighbours. */
const GROUPS: Record<string, Group> = {
  English: {
    trade: [
      ["drugs", "I want to buy cocaine"],
      ["drugs", "Do you sell weed? I need 10 grams"],
      ["drugs", "Can I order tramadol without a prescription?"],
      ["weapons", "Looking to buy a Glock pistol"],
      ["weapons", "How much for 50 rounds of 9mm ammo?"],
      ["weapons", "Do you sell brass knuckles?"],
      ["tobacco", "I want to order two cartons of Marlboro cigarettes"],
      ["alcohol", "Can you deliver a bottle of vodka tonight?"],
      ["gambling", "Where can I place a bet on your online casino?"],
      ["adult", "I want to buy porn videos"],
      ["counterfeit", "Do you sell fake Rolex watches?"],
      ["drugs", "selling c o c a i n e, best price"],
    ],
    harmless: [
      "Do you sell kitchen knives?",
      "How much is the glue gun?",
      "I'd like to order hash browns and a coke zero",
      "Do you have weed killer for my garden?",
      "What time does the pharmacy open?",
      "Is the rum cake fresh?",
      "A water gun for my son's birthday, please",
      "Do you have wine glasses in stock?",
      "Is this a non smoking room?",
      "I want to buy a ficus and a pot",
      "Is there a root beer on the menu?",
      "When will my order arrive?",
    ],
  },
  "Hebrew and Arabic": {
    trade: [
      ["drugs", "אני רוצה לקנות קוקאין"],
      ["drugs", "יש לכם גראס למכירה?"],
      ["weapons", "כמה עולה אקדח גלוק?"],
      ["weapons", "אפשר להזמין גז פלפל?"],
      ["tobacco", "אני רוצה להזמין פאקט סיגריות"],
      ["alcohol", "אפשר להזמין בקבוק וודקה?"],
      ["drugs", "بدي اشتري حشيش"],
      ["drugs", "أريد شراء ترامادول بدون وصفة"],
      ["weapons", "أريد شراء مسدس"],
      ["tobacco", "بكم كرتونة السجائر؟ أريد شراء"],
      ["alcohol", "أريد شراء زجاجة فودكا"],
      ["weapons", "هل تبيعون رصاص وذخيرة؟"],
    ],
    harmless: [
      "יש לכם אקדח מים לילדים?",
      "כמה עולה אקדח דבק חם?",
      "אני רוצה לקנות סכין מטבח",
      "מתי אתם פותחים מחר?",
      "יש לכם כוסות יין?",
      "אני רוצה להזמין עציץ",
      "بكم مسدس مياه للأطفال؟",
      "أريد شراء سكين مطبخ",
      "متى تفتحون غدا؟",
      "هل عندكم توصيل إلى حيفا؟",
      "أريد طلب قهوة وحليب",
      "هل عندكم نباتات داخلية؟",
    ],
  },
  "Spanish, French, Portuguese": {
    trade: [
      ["drugs", "Quiero comprar cocaína"],
      ["weapons", "¿Venden pistolas? Quiero comprar una"],
      ["tobacco", "Quiero comprar un cartón de cigarrillos"],
      ["alcohol", "¿Me pueden enviar una botella de whisky?"],
      ["drugs", "Je veux acheter de la cocaïne"],
      ["weapons", "Je cherche à acheter un pistolet"],
      ["tobacco", "Je voudrais commander une cartouche de cigarettes"],
      ["alcohol", "Vous livrez une bouteille de vodka ?"],
      ["drugs", "Quero comprar maconha"],
      ["weapons", "Quero comprar uma pistola"],
      ["tobacco", "Vocês vendem cigarro eletrônico?"],
      ["alcohol", "Quero comprar cerveja"],
    ],
    harmless: [
      "¿Tienen pistola de silicona?",
      "Quiero comprar un cuchillo de cocina",
      "¿A qué hora abren mañana?",
      "¿Cuánto cuesta el envío?",
      "Je cherche un pistolet à eau pour mon fils",
      "Je voudrais commander un gâteau",
      "À quelle heure ouvrez-vous ?",
      "Où est ma commande ?",
      "Vocês têm pistola de cola quente?",
      "Quero comprar um vaso de planta",
      "Que horas vocês abrem?",
      "Qual é o prazo de entrega?",
    ],
  },
  "German and Russian": {
    trade: [
      ["drugs", "Ich möchte Kokain kaufen"],
      ["drugs", "Verkauft ihr Gras? Ich will 5 Gramm kaufen"],
      ["weapons", "Ich will eine Pistole kaufen"],
      ["weapons", "Haben Sie einen Schlagring im Angebot?"],
      ["tobacco", "Ich möchte eine Stange Zigaretten bestellen"],
      ["alcohol", "Kann ich eine Flasche Wodka bestellen?"],
      ["drugs", "Хочу купить кокаин"],
      ["drugs", "Продаёте гашиш?"],
      ["weapons", "Хочу купить пистолет"],
      ["weapons", "Сколько стоит выкидной нож?"],
      ["tobacco", "Хочу заказать блок сигарет"],
      ["alcohol", "Можно заказать бутылку водки?"],
    ],
    harmless: [
      "Haben Sie eine Heißklebepistole?",
      "Ich möchte ein Küchenmesser kaufen",
      "Wann öffnen Sie morgen?",
      "Ich möchte Blumenerde bestellen",
      "Wo ist meine Bestellung?",
      "Haben Sie Weingläser?",
      "Сколько стоит водяной пистолет?",
      "Хочу купить кухонный нож",
      "Когда вы открываетесь?",
      "Хочу заказать цветы",
      "Где мой заказ?",
      "Есть ли доставка в Хайфу?",
    ],
  },
  "Turkish, Hindi, Indonesian": {
    trade: [
      ["drugs", "Kokain satın almak istiyorum"],
      ["weapons", "Tabanca satın almak istiyorum"],
      ["tobacco", "Bir karton sigara sipariş etmek istiyorum"],
      ["alcohol", "Bir şişe votka sipariş etmek istiyorum"],
      ["drugs", "मुझे गांजा खरीदना है"],
      ["weapons", "मुझे पिस्तौल खरीदनी है"],
      ["tobacco", "सिगरेट का पैकेट ऑर्डर करना है"],
      ["alcohol", "शराब की बोतल मंगवानी है"],
      ["drugs", "Saya mau beli ganja"],
      ["weapons", "Saya mau beli pistol"],
      ["tobacco", "Saya mau pesan rokok satu slop"],
      ["alcohol", "Saya mau beli vodka"],
    ],
    harmless: [
      "Su tabancası var mı?",
      "Mutfak bıçağı almak istiyorum",
      "Yarın saat kaçta açılıyorsunuz?",
      "Siparişim nerede?",
      "पानी की बंदूक है क्या?",
      "मेरा ऑर्डर कहाँ है?",
      "दुकान कब खुलती है?",
      "मुझे एक पौधा खरीदना है",
      "Ada pistol mainan untuk anak?",
      "Saya mau beli pot bunga",
      "Jam berapa buka besok?",
      "Pesanan saya di mana?",
    ],
  },
};

describe.each(Object.entries(GROUPS))("%s", (_name, { trade, harmless }) => {
  it.each(trade)("%s is refused: %s", (category, text) => {
    expect(lexicon.check(text, "inbound")).toMatchObject({ check: "content", verdict: "flagged", category });
  });
  it.each(harmless)("is served: %s", (text) => {
    expect(lexicon.check(text, "inbound")).toEqual({ check: "content", verdict: "clear", score: 0 });
  });
});

describe("the lexicon", () => {
  it("knows eleven languages, names its size, and says nothing of nothing", () => {
    expect(lexicon.languages).toEqual(["ar", "de", "en", "es", "fr", "he", "hi", "id", "pt", "ru", "tr"]);
    expect(lexicon.version).toMatch(/^lexicon-\d{5}$/);
    for (const text of ["", " ", "👍", "12345"])
      expect(lexicon.check(text, "inbound")).toEqual({ check: "content", verdict: "clear", score: 0 });
  });

  it("is not fooled by case, invisible characters, width or spacing", () => {
    for (const text of [
      "BUY COCAINE",
      "buy co\u200Bcaine",
      "ｂｕｙ ｃｏｃａｉｎｅ",
      "buy\n\ncocaine",
      "buy c o c a i n e",
    ])
      expect(lexicon.check(text, "inbound").verdict, text).toBe("flagged");
  });
});
