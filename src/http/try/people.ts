import { randomInt } from "node:crypto";
import type { Customer } from "./doors.ts";

type Kind = { key: string; name: string; language: string; country: string; prefix: string; digits: number };

/** Four people of four languages. Their numbers are made up anew at each start, so that nobody is remembered from before. */
const KINDS: readonly Kind[] = [
  // 07700 900xxx is kept free for fiction by Ofcom; the others only ever exist inside the simulator.
  { key: "emma", name: "Emma", language: "en", country: "GB", prefix: "447700900", digits: 3 },
  { key: "noa", name: "נועה", language: "he", country: "IL", prefix: "97255500", digits: 4 },
  { key: "layla", name: "ليلى", language: "ar", country: "EG", prefix: "2010000", digits: 5 },
  { key: "jonas", name: "Jonas", language: "de", country: "DE", prefix: "491520000", digits: 4 },
];

/** Who can be: the samples, and as many new people as are asked for. */
export class People {
  readonly #all: Customer[] = KINDS.map((kind) => make(kind, kind.key, kind.name, []));
  #made = 0;

  all(): readonly Customer[] {
    return this.#all;
  }

  find(key: string): Customer | undefined {
    return this.#all.find((person) => person.key === key);
  }

  /** Somebody whom the shop has never met. */
  add(language: string): Customer {
    const kind = KINDS.find((one) => one.language === language) ?? KINDS[0]!;
    this.#made++;
    const person = make(kind, `new-${this.#made}`, `${kind.name} ${this.#made + 1}`, this.#all);
    this.#all.push(person);
    return person;
  }
}

function make(kind: Kind, key: string, name: string, taken: readonly Customer[]): Customer {
  const { language, country, prefix, digits } = kind;
  for (;;) {
    const phone = `${prefix}${String(randomInt(10 ** digits)).padStart(digits, "0")}`;
    if (!taken.some((person) => person.phone === phone)) return { key, name, language, country, phone };
  }
}
