import type { MerchantId } from "../domain/ids.ts";
import { transaction } from "./database.ts";
import type { Store } from "./store.ts";
import { messagingLimit } from "./upkeep.ts";

/** What Graph says of a number; every word is of an open set. */
export type PhoneState = {
  phoneNumberId: string;
  status: string;
  quality: string;
  throughput: string | undefined;
  messagingLimit: string | undefined;
};

const COEXISTENCE_MPS = 20;
const MPS: Record<string, number | undefined> = { STANDARD: 80, HIGH: 1000 };

/** Messages a second that a number may send and receive; undefined when Graph's word says nothing of it. */
export function throughputMps(level: string | undefined, isCoexistence: boolean): number | undefined {
  return isCoexistence ? COEXISTENCE_MPS : MPS[level ?? ""];
}

/** Keeps what the gate and the sender weigh of a number. What Graph did not tell stays as it was; the limit is the portfolio's. */
export async function savePhoneState(store: Store, merchantId: MerchantId, state: PhoneState): Promise<void> {
  const limit = messagingLimit(state.messagingLimit);
  await transaction(store.sql, [merchantId], async (tx) => {
    const [phone] = await tx<
      { coexistence: boolean }[]
    >`select coexistence from phone where phone_number_id = ${state.phoneNumberId} for update`;
    const mps = throughputMps(state.throughput, phone?.coexistence ?? false);
    await tx`update phone set status = ${state.status}, quality = ${state.quality}, throughput_mps = coalesce(${mps ?? null}, throughput_mps), checked_at = clock_timestamp()
      where merchant_id = ${merchantId} and phone_number_id = ${state.phoneNumberId}`;
    if (limit !== undefined)
      await tx`update waba set messaging_limit = ${limit < 0 ? null : limit} where merchant_id = ${merchantId}`;
  });
}
