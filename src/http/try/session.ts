import { EsekError } from "../../errors.ts";
import { type Bubble, bubbleOf, keyOf, wordsOf } from "./bubbles.ts";
import type { Chat, ChatRow, Customer, ModelMode, Shop, SimItem, TemplateDefinition, TryWorld } from "./doors.ts";
import { People } from "./people.ts";
import { sentenceOf } from "./reasons.ts";
import { madeAt } from "./story.ts";
import { WORDS } from "./words.ts";

/** What the page remembers of one world: who there is, and which model was chosen. Gone when the world goes. */
export class Session {
  readonly world: TryWorld;
  readonly people = new People();
  model: ModelMode = "works";

  constructor(world: TryWorld) {
    this.world = world;
  }

  /** The chat that a request means. Throws `EsekError("try/person")` or `("try/shop")`. */
  async chat(personKey: string, shopId: string | undefined): Promise<{ person: Customer; shop: Shop }> {
    const person = this.people.find(personKey);
    if (!person)
      throw refused("try/person", "There is no such customer any more (Esek was started anew). Load the page again.");
    const shops = await this.world.shops();
    const shop = shopId ? shops.find((one) => one.id === shopId) : shops[0];
    if (!shop)
      throw refused("try/shop", "There is no such number. Apply a merchant first: `esek merchant apply FILE`.");
    return { person, shop };
  }

  /** Everything the page needs before it can show a chat. */
  async state(shopId: string | undefined) {
    const { world } = this;
    const shops = await world.shops();
    const shop = shops.find((one) => one.id === shopId) ?? shops[0];
    const [clock, templates] = await Promise.all([this.#clock(), shop ? world.templates(shop.id) : []]);
    return {
      shops,
      people: this.people.all().map(({ phone, ...person }) => ({ ...person, number: spaced(phone) })),
      words: WORDS,
      templates: [...new Set(templates.map((one) => one.name))].map((name) => ({
        name,
        category: templates.find((one) => one.name === name)!.category,
      })),
      isModelScripted: world.isModelScripted,
      clock,
      model: this.model,
    };
  }

  async bubbles(shop: Shop, person: Customer): Promise<Bubble[]> {
    const [items, templates] = await Promise.all([this.items(shop, person), this.world.templates(shop.id)]);
    return items.map((item) => bubbleOf(item, templates));
  }

  async items(shop: Shop, person: Customer): Promise<SimItem[]> {
    const path = `thread?phoneId=${encodeURIComponent(shop.id)}&user=${encodeURIComponent(person.phone)}`;
    return (await this.world.simulator<{ items: SimItem[] }>(path)).items;
  }

  /** What changes without a message: the clock, faults, and what is waiting or was refused. */
  async pulse(shop: Shop, person: Customer) {
    const [chat, templates, clock, fault] = await Promise.all([
      this.world.chat(shop.id, person.phone),
      this.world.templates(shop.id),
      this.#clock(),
      this.#fault(person),
    ]);
    return { clock, fault, model: this.model, ...standingOf(chat), ...rowsOf(chat.rows, templates) };
  }

  async #clock(): Promise<{ now: number; offsetMs: number }> {
    return this.world.simulator("clock");
  }

  /** The fault that the next send to a person meets, in the page's words: a code, or a kind without one. */
  async #fault(person: Customer): Promise<string> {
    const { sends } = await this.world.simulator<{ sends: { kind: string; code?: number; user?: string }[] }>("faults");
    const first = sends.find((fault) => fault.user === undefined || fault.user === person.phone);
    return first ? String(first.code ?? first.kind) : "off";
  }
}

function standingOf({ windowUntil, humanUntil, standing }: Chat) {
  return { windowUntil: windowUntil?.getTime(), humanUntil: humanUntil?.getTime(), standing };
}

/** Younger than this it is simply on its way. */
const ON_ITS_WAY_MS = 1500;

/** Rows that Meta has: the reason word beside their bubble. Rows that it has not: shown in their own right. */
function rowsOf(rows: readonly ChatRow[], templates: readonly TemplateDefinition[]) {
  const now = Date.now();
  const left = rows.filter((row) => row.wamids.length > 0);
  const stayed = rows.filter(
    (row) =>
      row.wamids.length === 0 && (!["queued", "sending"].includes(row.state) || now - madeAt(row.id) > ON_ITS_WAY_MS),
  );
  return {
    marks: Object.fromEntries(
      left.flatMap((row) => row.wamids.map((wamid) => [keyOf(wamid), { reason: row.reason, author: row.author }])),
    ),
    rows: stayed.map(({ id, state, stateReason, reason, author, purpose, content, at, dueInMs }) => ({
      id,
      state,
      // A queued row is allowed already; what it waits for is the row before it.
      word: state === "queued" ? "in-line" : stateReason || reason,
      sentence: sentenceOf(state === "queued" ? "in-line" : stateReason || reason),
      author,
      purpose,
      text: wordsOf(content, templates),
      at: at.getTime(),
      // In whole minutes, so that a waiting row is not news every second.
      dueInMinutes: dueInMs === null ? null : Math.max(0, Math.round(dueInMs / 60_000)),
    })),
  };
}

/** An error that the page may show as it is. */
export function refused(code: string, message: string): EsekError {
  return new EsekError(code, message, { publicMessage: message });
}

function spaced(phone: string): string {
  return `+${phone.replace(/^(\d{2,3})(\d{2,4})(\d{3})(\d+)$/, "$1 $2 $3 $4")}`;
}
