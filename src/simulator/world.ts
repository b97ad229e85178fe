import { Chats } from "./chats.ts";
import { makeObjectId } from "./ids.ts";
import { digitsOf, People, type PersonInput } from "./people.ts";
import type { Random } from "./random.ts";
import { type TemplateInput, TemplateShelf } from "./templates.ts";

/** `locked` answers 131031, `blocked` 368, `payment` fails sends with 131042, `spam` with 131048 (reference 5.2). */
export type AccountState = "active" | "locked" | "blocked" | "payment" | "spam";

export type Waba = {
  readonly id: string;
  name: string;
  /** BSUIDs are scoped to the portfolio. */
  readonly portfolioId: string;
  state: AccountState;
  /** Names of `account_update` restrictions in force, e.g. RESTRICTED_BIZ_INITIATED_MESSAGING (reference 1.9). */
  restrictions: string[];
  /** Without a subscribed app Meta sends no webhooks for the account. */
  subscribed: boolean;
  callbackOverride?: string;
  /** Of the portfolio, e.g. TIER_2K (reference 5.1); every number shows it. */
  messagingLimit: string;
  readonly phones: PhoneNumber[];
  readonly templates: TemplateShelf;
};

export type PhoneNumber = {
  readonly id: string;
  readonly waba: Waba;
  displayNumber: string;
  readonly digits: string;
  verifiedName: string;
  /** Only CONNECTED may send; otherwise 133010. */
  status: string;
  qualityRating: string;
  state: AccountState;
  /** Messages per second before 130429. */
  throughputMps: number;
  throughputDueAt: number;
  callbackOverride?: string;
  readonly blockedPeople: Set<string>;
  profile: Record<string, unknown>;
  /** Of the number itself, by SMS or voice; only VERIFIED may register. */
  codeVerification: string;
  /** The two-step verification PIN, once one was set. */
  pin?: string;
  pinTries: number;
  pinBlockedUntil: number;
  /** When it was registered or deregistered. */
  moves: number[];
};

export type PhoneInput = {
  id: string;
  displayNumber: string;
  verifiedName?: string;
  status?: string;
  state?: AccountState;
  throughputMps?: number;
  qualityRating?: string;
  codeVerification?: string;
  pin?: string;
};

export type WorldSeed = {
  wabas: {
    id: string;
    name?: string;
    portfolioId?: string;
    phones?: PhoneInput[];
    templates?: TemplateInput[];
  }[];
  people?: PersonInput[];
};

/** Everything that exists: accounts, numbers, templates, people and the chats between them. */
export class World {
  readonly wabas = new Map<string, Waba>();
  readonly phones = new Map<string, PhoneNumber>();
  readonly people = new People();
  readonly chats = new Chats();
  readonly #random: Random;

  constructor(seed: WorldSeed, random: Random) {
    this.#random = random;
    for (const waba of seed.wabas) {
      this.putWaba(waba.id, waba.name, waba.portfolioId);
      for (const phone of waba.phones ?? []) this.putPhone(waba.id, phone);
      for (const template of waba.templates ?? []) this.putTemplate(waba.id, template);
    }
    for (const person of seed.people ?? []) this.people.upsert(person, this.defaultPortfolioId());
  }

  putWaba(id: string, name = "Test account", portfolioId = `9${id.slice(0, 14)}`): Waba {
    const known = this.wabas.get(id);
    if (known !== undefined) return known;
    const waba: Waba = {
      id,
      name,
      portfolioId,
      state: "active",
      restrictions: [],
      subscribed: true,
      messagingLimit: "TIER_2K",
      phones: [],
      templates: new TemplateShelf(),
    };
    this.wabas.set(id, waba);
    return waba;
  }

  putPhone(wabaId: string, input: PhoneInput): PhoneNumber {
    let phone = this.phones.get(input.id);
    if (phone === undefined) {
      const waba = this.putWaba(wabaId);
      phone = {
        id: input.id,
        waba,
        displayNumber: input.displayNumber,
        digits: digitsOf(input.displayNumber),
        verifiedName: input.verifiedName ?? "Test Shop",
        status: "CONNECTED",
        qualityRating: "GREEN",
        state: "active",
        throughputMps: 80,
        throughputDueAt: 0,
        blockedPeople: new Set(),
        profile: {},
        codeVerification: "VERIFIED",
        pinTries: 0,
        pinBlockedUntil: 0,
        moves: [],
      };
      waba.phones.push(phone);
      this.phones.set(phone.id, phone);
    }
    const { id: _id, displayNumber: _displayNumber, ...changes } = input;
    for (const [name, value] of Object.entries(changes))
      if (value !== undefined) Object.assign(phone, { [name]: value });
    return phone;
  }

  putTemplate(wabaId: string, input: TemplateInput) {
    return this.putWaba(wabaId).templates.put(input, () => makeObjectId(this.#random));
  }

  /** The portfolio whose BSUIDs the control API means when it does not name one. */
  defaultPortfolioId(): string {
    return this.wabas.values().next().value?.portfolioId ?? "0";
  }
}
