/**
 * What can go wrong around one send:
 * - `error` answers a Graph error and accepts nothing; `html` answers a web page with status 500
 * - `fail` accepts, then reports `code` by a failed status
 * - `accept-stall` accepts, then keeps the answer back; `accept-drop` accepts, then cuts the connection
 * - `stall` keeps the request back before deciding; a caller that hangs up meanwhile was never accepted
 * - `drop` cuts the connection before deciding; `slow` decides after a delay, even if the caller has gone
 */
export type SendFaultKind = "error" | "html" | "fail" | "accept-stall" | "accept-drop" | "stall" | "drop" | "slow";

export type SendFault = {
  kind: SendFaultKind;
  code?: number;
  details?: string;
  ms?: number;
  /** Restrict it to a number, a person (phone or BSUID as addressed), or a message type. */
  phoneId?: string;
  user?: string;
  type?: string;
  /** How many sends it hits before it is used up; without it, all until cleared. */
  next?: number;
  /** How many matching sends pass unharmed first. */
  skip?: number;
};

/** The faults in force, oldest first; the first that matches wins. */
export class SendFaults {
  #faults: SendFault[] = [];

  add(fault: SendFault): void {
    this.#faults.push({ ...fault });
  }

  clear(): void {
    this.#faults = [];
  }

  list(): readonly SendFault[] {
    return this.#faults;
  }

  /** The fault for this send, counted down. */
  take(send: { phoneId: string; user?: string; type: string }): SendFault | undefined {
    for (const fault of this.#faults) {
      if (fault.phoneId !== undefined && fault.phoneId !== send.phoneId) continue;
      if (fault.user !== undefined && bare(fault.user) !== bare(send.user ?? "")) continue;
      if (fault.type !== undefined && fault.type !== send.type) continue;
      if (fault.skip !== undefined && fault.skip > 0) {
        fault.skip--;
        continue;
      }
      if (fault.next !== undefined && --fault.next <= 0) this.#faults = this.#faults.filter((f) => f !== fault);
      return fault;
    }
    return undefined;
  }
}

function bare(id: string): string {
  return id.replace(/^\+/, "");
}
