import { createHash } from "node:crypto";
import type { MerchantId } from "../domain/ids.ts";
import { transaction } from "./database.ts";
import type { Proof } from "./erase.ts";
import type { Store } from "./store.ts";

export type ErasureLine = {
  id: string;
  contact: string;
  at: string;
  by: string;
  cause: string;
  sha256: string;
  check: "ok" | "changed" | "gap before it";
};

/** Every proof of a merchant, oldest first. `changed`: the text is not what was hashed; `gap`: the one before it is missing. */
export async function listErasures(store: Store, merchantId: MerchantId): Promise<ErasureLine[]> {
  const rows = await transaction(
    store.sql,
    [merchantId],
    (tx) =>
      tx<
        { text: string; hash: string }[]
      >`select proof as text, encode(proof_hash, 'hex') as hash from erasure where merchant_id = ${merchantId} order by id`,
  );
  let previous: string | null = null;
  return rows.map(({ text, hash }) => {
    const proof = JSON.parse(text) as Proof;
    const isWhole = createHash("sha256").update(text).digest("hex") === hash;
    const check = !isWhole ? "changed" : proof.previous !== previous ? "gap before it" : "ok";
    previous = hash;
    return {
      id: proof.id,
      contact: proof.contact,
      at: proof.at,
      by: proof.by,
      cause: proof.cause,
      sha256: hash,
      check,
    };
  });
}
