import { normalise } from "./normalise.ts";

/** The small words that a sentence cannot do without: in one chat line they tell a language better than n-grams do. */
const WORDS: Record<string, string> = {
  en: "the is are you i my to a and of for it do can when what how where have your with not this that want would please",
  es: "el la los las de que y en un una es mi por para con cuándo cuando dónde donde quiero hola no mi pedido gracias está tiene puedo cómo qué buenos",
  "pt-BR":
    "o os as de que e em um uma é meu minha por para com não quando onde quero olá você está tem posso como bom obrigado pedido",
  fr: "le la les de des et en un une est mon ma pour avec je vous ne pas quand où bonjour voudrais que il elle avez comment merci ma commande",
  de: "der die das ist und ich sie ein eine mein meine für mit nicht wann wo wie guten tag kann bitte haben zu auf möchte bestellung",
  it: "il lo la gli di che e in un una è mio mia per con non quando dove vorrei ciao posso come buongiorno ordine avete sono",
  nl: "de het een is en ik je u mijn voor met niet wanneer waar hoe kan hallo graag bestelling heb van op te dag",
  pl: "i w na z do nie się jest to mam kiedy gdzie jak czy proszę dzień dobry moje zamówienie dla po o chcę",
  tr: "ve bir bu ne mi mı ben siz için ile ne zaman nerede nasıl var yok merhaba sipariş istiyorum siparişim lütfen",
  id: "yang dan di ke dari ini itu saya anda untuk dengan tidak kapan mana bagaimana apa ada bisa mau pesanan sudah",
  ms: "yang dan di ke ini itu saya anda untuk dengan tidak bila mana macam apa ada boleh nak pesanan awak",
  vi: "là và của có không tôi bạn cho với khi nào ở đâu đơn hàng được muốn xin chào cái này",
  ro: "și în de la cu nu este un o pe mea când unde cum bună vreau comanda pentru să am",
  hu: "a az és hogy nem van egy mikor hol szeretném jó napot rendelésem meg kell",
  cs: "a v na je se že to s z kdy kde jak prosím dobrý den mám objednávka chci můj moje",
  sk: "a v na je sa že to s z kedy kde ako prosím dobrý deň mám objednávka chcem môj moja",
  sv: "och är jag det en ett att för med inte när var hur hej min mitt vill beställning kan",
  da: "og er jeg det en et at for med ikke hvornår hvor hvordan hej min mit vil bestilling kan",
  no: "og er jeg det en et å for med ikke når hvor hvordan hei min mitt vil bestilling kan",
  fi: "ja on en minä se että ei milloin missä miten hei tilaukseni haluan voinko onko",
  hr: "i u na je se da ne za s kada gdje kako molim dobar dan moja narudžba želim mogu",
  ca: "el la els les de que i en un una és meu per amb no quan on vull hola puc com comanda gràcies",
  sw: "na ya wa kwa ni si hii hiyo mimi wewe lini wapi vipi habari nataka oda yangu naomba",
  tl: "ang ng sa na at ako ikaw mo ko po kailan saan paano gusto order ba ito hindi may",
  "hi-Latn": "hai kya mera meri mujhe kab kahan kaise aap nahi hai ho ka ki ke ko se chahiye bhai",
};

const INDEX = new Map<string, string[]>();
for (const [language, words] of Object.entries(WORDS))
  for (const word of new Set(words.split(" ").map(normalise))) INDEX.set(word, [...(INDEX.get(word) ?? []), language]);

/** How many words of a text each language counts as its small words, best first. */
export function functionWords(words: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const word of words)
    for (const language of INDEX.get(word) ?? []) counts.set(language, (counts.get(language) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1]);
}
