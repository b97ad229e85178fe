import { countryOf } from "./dial-codes.ts";
import { makeBsuid } from "./ids.ts";

/** A person with (or without) WhatsApp. Either of phone and BSUID may be unknown to the business. */
export type Person = {
  readonly key: string;
  phone?: string;
  /** Business-scoped ids by portfolio; made up when first needed. */
  readonly bsuids: Map<string, string>;
  parentBsuid?: string;
  username?: string;
  name?: string;
  country: string;
  onWhatsApp: boolean;
  /** Known only because the business wrote to the number; real as soon as the world or the person says so. */
  isStranger: boolean;
  /** The person has a username and this business may not see the phone number (reference 2.2). */
  hidesPhone: boolean;
  /** Business numbers whose marketing was stopped; `*` stands for all. */
  readonly marketingStopped: Set<string>;
  blocksBusiness: boolean;
  inExperiment: boolean;
  /** How far receipts go for this person: a phone that is off gets no further than `sent`. */
  receipts: "none" | "sent" | "delivered" | "read";
  marketingCapPerDay?: number;
};

export type PersonInput = {
  phone?: string;
  bsuid?: string;
  parentBsuid?: string;
  username?: string;
  name?: string;
  country?: string;
  onWhatsApp?: boolean;
  hidesPhone?: boolean;
  marketingStopped?: boolean;
  blocked?: boolean;
  inExperiment?: boolean;
  receipts?: Person["receipts"];
  marketingCapPerDay?: number | null;
};

export const BSUID = /^[A-Z]{2}\.(?:ENT\.)?[A-Za-z0-9]{1,128}$/;

/** Everybody in the simulated world, found by phone digits or by BSUID. */
export class People {
  readonly #byPhone = new Map<string, Person>();
  readonly #byBsuid = new Map<string, Person>();
  #count = 0;

  /** Finds by phone (with or without `+`) or by BSUID. */
  find(id: string): Person | undefined {
    return this.#byBsuid.get(id) ?? this.#byPhone.get(digitsOf(id));
  }

  all(): Person[] {
    return [...new Set([...this.#byPhone.values(), ...this.#byBsuid.values()])];
  }

  /** Creates a person or changes the given fields of the one that the phone or BSUID already names. */
  upsert(input: PersonInput, portfolioId: string): Person {
    const phone = input.phone === undefined ? undefined : digitsOf(input.phone);
    const known =
      (input.bsuid && this.#byBsuid.get(input.bsuid)) || (phone ? this.#byPhone.get(phone) : undefined) || undefined;
    const person = known ?? this.#create(phone, input);
    if (phone !== undefined) {
      if (person.phone !== undefined && person.phone !== phone) this.#byPhone.delete(person.phone);
      person.phone = phone;
      this.#byPhone.set(phone, person);
    }
    if (input.bsuid !== undefined) this.setBsuid(person, portfolioId, input.bsuid);
    if (input.parentBsuid !== undefined) {
      person.parentBsuid = input.parentBsuid;
      this.#byBsuid.set(input.parentBsuid, person);
    }
    meet(person);
    applyFields(person, input);
    return person;
  }

  /** Someone without WhatsApp whom the business wrote to, and whom nobody has mentioned before. */
  stranger(id: { phone: string } | { bsuid: string }, portfolioId: string): Person {
    const person = this.upsert({ ...id, onWhatsApp: false }, portfolioId);
    person.isStranger = true;
    return person;
  }

  /** The BSUID of this person for one portfolio. */
  bsuidOf(person: Person, portfolioId: string): string {
    const known = person.bsuids.get(portfolioId);
    if (known !== undefined) return known;
    const made = makeBsuid(person.country, portfolioId, person.key);
    this.setBsuid(person, portfolioId, made);
    return made;
  }

  /** Gives a person another BSUID, as happens when the phone number changes (reference 2.5). The old one dies. */
  setBsuid(person: Person, portfolioId: string, bsuid: string): void {
    const old = person.bsuids.get(portfolioId);
    if (old !== undefined) this.#byBsuid.delete(old);
    person.bsuids.set(portfolioId, bsuid);
    this.#byBsuid.set(bsuid, person);
  }

  #create(phone: string | undefined, input: PersonInput): Person {
    this.#count++;
    const person: Person = {
      key: phone ?? input.bsuid ?? `person-${this.#count}`,
      bsuids: new Map(),
      country: input.country ?? (phone ? countryOf(phone) : (input.bsuid?.slice(0, 2) ?? "US")),
      onWhatsApp: true,
      isStranger: false,
      hidesPhone: false,
      marketingStopped: new Set(),
      blocksBusiness: false,
      inExperiment: false,
      receipts: "read",
    };
    return person;
  }
}

/** Phone digits without `+`, spaces, dashes, dots and brackets. */
export function digitsOf(phone: string): string {
  return phone.replace(/[+\s().-]/g, "");
}

/** A stranger who writes, or whom the control API names, is on WhatsApp after all. */
export function meet(person: Person): void {
  if (!person.isStranger) return;
  person.isStranger = false;
  person.onWhatsApp = true;
}

function applyFields(person: Person, input: PersonInput): void {
  if (input.username !== undefined) person.username = input.username;
  if (input.name !== undefined) person.name = input.name;
  if (input.country !== undefined) person.country = input.country;
  if (input.onWhatsApp !== undefined) person.onWhatsApp = input.onWhatsApp;
  if (input.hidesPhone !== undefined) person.hidesPhone = input.hidesPhone;
  if (input.blocked !== undefined) person.blocksBusiness = input.blocked;
  if (input.inExperiment !== undefined) person.inExperiment = input.inExperiment;
  if (input.receipts !== undefined) person.receipts = input.receipts;
  if (input.marketingCapPerDay !== undefined) person.marketingCapPerDay = input.marketingCapPerDay ?? undefined;
  if (input.marketingStopped === true) person.marketingStopped.add("*");
  if (input.marketingStopped === false) person.marketingStopped.clear();
}
