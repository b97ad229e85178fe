import type { TemplateSend } from "../src/domain/draft.ts";
import { newId } from "../src/domain/ids.ts";
import { decideOutbound } from "../src/policy/outbound-gate.ts";
import type { Recipient } from "../src/ports.ts";
import type { Random } from "../src/simulator/random.ts";
import { sendBusinessMessage } from "../src/store/business-messages.ts";
import { recordConsent } from "../src/store/consent-admin.ts";
import { DAY, HOUR, MONDAY, type Rig } from "./interleaving-rig.ts";

export type Change = { field?: string; value: Record<string, unknown> };
type Person = { waId: string; bsuid: string };
type Invitation = { wamid: string; payload: string; from: Recipient };

const MAX_WRITTEN = 14;
const MAX_TAPS = 6;

/** Failures that Meta reports after it took a message: some are tried again, some never, one closes the window, one is a stop. */
const FAILURES = [131026, 131000, 131000, 131016, 131049, 131056, 130472, 131047, 131050];

/** Three people, each known by a phone and by a business-scoped id, and what Meta says of them: all of it waits in `queue`. */
export class People {
  readonly queue: Change[] = [];
  readonly #rig: Rig;
  readonly #random: Random;
  readonly #seed: number;
  readonly #all: Person[];
  readonly #invitations: Invitation[] = [];
  #wamids = 0;
  written = 0;
  tapped = 0;

  constructor(rig: Rig, random: Random, seed: number) {
    this.#rig = rig;
    this.#random = random;
    this.#seed = seed;
    const digits = String(seed % 100_000).padStart(5, "0");
    this.#all = [1, 2, 3].map((n) => ({ waId: `97254${digits}${n}0`, bsuid: `IL.${seed}x${n}` }));
  }

  async optIn(): Promise<void> {
    const { processes, merchantId } = this.#rig;
    for (const person of this.#all)
      await recordConsent(processes[0]!.store, merchantId, {
        person: { waId: person.waId },
        act: "opt-in",
        scope: "all",
        source: "human",
        proof: "test",
        actor: "test",
        at: new Date(MONDAY - 2 * DAY),
      });
  }

  get mayWrite(): boolean {
    return this.written < MAX_WRITTEN;
  }

  get mayTap(): boolean {
    return this.#invitations.length > 0 && this.tapped < MAX_TAPS;
  }

  wamid(): string {
    return `wamid.${this.#seed}.${++this.#wamids}`;
  }

  write(text: string, ageMs = 0): void {
    this.written++;
    this.#message({ ...this.#from(), timestamp: this.#seconds(ageMs), type: "text", text: { body: text } });
  }

  ask(ageMs = 0): void {
    this.write(`Do you have item q${this.written} in stock?`, ageMs);
  }

  /** The template with the button is on the person's phone from now on. */
  invite(send: TemplateSend, wamid: string, from: Recipient): void {
    const button = send.buttons?.find((one) => one.type === "quick-reply");
    if (button?.type === "quick-reply") this.#invitations.push({ wamid, payload: button.payload, from });
  }

  /** On any of the templates, also on one that was tapped before. */
  tap(): void {
    const { wamid, payload, from } = this.#invitations[this.#random.between(0, this.#invitations.length - 1)]!;
    const known = this.#all.find((person) => person.waId === from.waId || person.bsuid === from.bsuid)!;
    const kind = this.#random.next();
    const byPhone = from.waId !== undefined && kind < 0.7;
    const byBsuid = !byPhone || kind < 0.2;
    this.tapped++;
    this.#rig.totals.taps++;
    this.#message({
      ...(byPhone ? { from: from.waId } : {}),
      ...(byBsuid ? { from_user_id: from.bsuid ?? known.bsuid } : {}),
      timestamp: this.#seconds(),
      type: "button",
      context: { from: "15550783881", id: wamid },
      button: { payload, text: "Read the answer" },
    });
  }

  prefer(): void {
    const value = this.#random.chance(0.7) ? "stop" : "resume";
    const preference = { wa_id: this.#person().waId, category: "marketing_messages", value };
    const timestamp = Number(this.#seconds());
    this.queue.push({
      field: "user_preferences",
      value: { user_preferences: [{ ...preference, detail: "test", timestamp }] },
    });
  }

  /** Somebody of the business answers from their own phone. */
  echo(): void {
    const echo = { from: "15550783881", to: this.#person().waId, id: this.wamid(), timestamp: this.#seconds() };
    this.queue.push({
      field: "smb_message_echoes",
      value: { message_echoes: [{ ...echo, type: "text", text: { body: "I take this" } }] },
    });
  }

  changeNumber(): void {
    const [from, to] = [this.#person(), this.#person()];
    const system = { type: "user_changed_number", wa_id: to.waId, body: "changed" };
    this.#message({ from: from.waId, timestamp: this.#seconds(), type: "system", system });
  }

  /** What Meta says of a message it has: nothing, some of it or all of it, in any order. Returns whether it failed after all. */
  receipts(wamid: string, attemptId: string, isLast: boolean): boolean {
    const hasFailed = this.#random.chance(isLast ? 0.1 : 0.2);
    if (this.#random.chance(0.4)) return hasFailed;
    const code = FAILURES[this.#random.between(0, FAILURES.length - 1)]!;
    for (const status of hasFailed ? ["failed"] : ["sent", "delivered", "read"]) {
      if (!this.#random.chance(isLast ? 0.2 : 0.8)) continue;
      const about = { id: wamid, status, timestamp: this.#seconds(), recipient_id: "1" };
      const errors = hasFailed ? { errors: [{ code, title: "It failed" }] } : {};
      this.queue.push({ value: { statuses: [{ ...about, ...errors, biz_opaque_callback_data: attemptId }] } });
    }
    return hasFailed;
  }

  /** A promotion or news of an order, as the merchant's own system sends them. */
  async offer(): Promise<void> {
    const { processes, merchantId } = this.#rig;
    const { store, ports } = processes[0]!;
    const { waId } = this.#person();
    const n = newId();
    const [name, ...words] = this.#random.chance(0.7)
      ? ["weekly_offer", "20% off"]
      : ["order_update", "A-1042", "shipped"];
    const body = words.map((text) => ({ type: "text" as const, text }));
    await sendBusinessMessage(
      store,
      {
        merchantId,
        phoneNumberId: undefined,
        person: { waId },
        content: { type: "template", template: { name: name!, language: "en", body } },
        verdict: await ports.guard.check(words.join(" "), "outbound"),
        author: "api",
        idempotencyKey: n,
        body: n,
        expiresAt: undefined,
      },
      decideOutbound,
    );
  }

  #message(message: Record<string, unknown>): void {
    this.queue.push({ value: { messages: [{ id: this.wamid(), ...message }] } });
  }

  /** As a phone, as a business-scoped id, or as both: the last makes one contact of two. */
  #from(): Record<string, string> {
    const person = this.#person();
    const kind = this.#random.next();
    if (kind < 0.6) return { from: person.waId };
    return kind < 0.85 ? { from_user_id: person.bsuid } : { from: person.waId, from_user_id: person.bsuid };
  }

  #person(): Person {
    return this.#all[this.#random.between(0, this.#all.length - 1)]!;
  }

  #seconds(ageMs = 0): string {
    return String(Math.floor((this.#rig.clock.at - ageMs) / 1000));
  }
}

/** Older than the window: an answer to it never leaves as it is. */
export const TOO_OLD_MS = DAY + HOUR;
