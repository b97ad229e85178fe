import type { Rig } from "./interleaving-rig.ts";

/** What the database's clock does to one seed's rows, and what is left of them: those made after `since`. */
export class Time {
  readonly #rig: Rig;
  readonly #since: string;

  constructor(rig: Rig, since: string) {
    this.#rig = rig;
    this.#since = since;
  }

  turnsFallDue(): Promise<unknown> {
    return this.#rig.sql(
      (tx) =>
        tx`update mailbox set due_at = clock_timestamp(), backoff_until = null where id > ${this.#since} and kind = 'conversation' and due_at < 'infinity'`,
    );
  }

  turnLeasesRunOut(): Promise<unknown> {
    return this.#rig.sql(
      (tx) =>
        tx`update mailbox set lease_until = clock_timestamp() where id > ${this.#since} and lease_until is not null`,
    );
  }

  rowsFallDue(): Promise<unknown> {
    return this.#rig.sql(
      (tx) => tx`update outbox_due set send_at = clock_timestamp() where outbox_id > ${this.#since}
        and outbox_id in (select id from outbox where id > ${this.#since} and state in ('queued', 'deferred'))`,
    );
  }

  /** POSTs whose answer nobody wrote down reach their deadline, unknown ones the end of their wait. */
  async openAttemptsFallDue(): Promise<void> {
    this.#rig.clock.at += 110_000;
    await this.#rig.sql((tx) =>
      Promise.all([
        tx`update send_attempt set deadline_at = clock_timestamp() where id > ${this.#since} and state = 'sending'`,
        tx`update outbox_due set send_at = clock_timestamp() where outbox_id in (select id from outbox where id > ${this.#since} and state in ('sending', 'unknown'))`,
      ]),
    );
  }

  parkedStatusesFallDue(): Promise<unknown> {
    return this.#rig.sql(
      (tx) => tx`update status_parked set next_try_at = clock_timestamp() where id > ${this.#since}`,
    );
  }

  async isAtRest(): Promise<boolean> {
    const [row] = await this.#rig.sql(
      (tx) => tx<{ busy: number }[]>`
        select (select count(*) from mailbox where id > ${this.#since} and kind = 'conversation' and (due_at < 'infinity' or token is not null))::int
          + (select count(*) from outbox where id > ${this.#since} and (state in ('queued', 'sending', 'unknown') or (state = 'deferred' and lane is not null)))::int as busy`,
    );
    return row!.busy === 0;
  }

  /** Promotions that wait for the morning do not wait for the next seed. */
  async end(): Promise<void> {
    await this.#rig.sql(async (tx) => {
      await tx`update outbox set state = 'canceled' where id > ${this.#since} and state in ('queued', 'deferred')`;
      await tx`delete from outbox_due where outbox_id > ${this.#since}`;
      await tx`update mailbox set due_at = 'infinity', token = null, lease_until = null, human_since = null where id > ${this.#since} and kind = 'conversation'`;
      await tx`update mailbox set token = null, lease_until = null where kind = 'sender'`;
    });
  }
}
