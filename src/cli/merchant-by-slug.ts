import type { MerchantId } from "../domain/ids.ts";
import { EsekError } from "../errors.ts";
import type { Store } from "../store/store.ts";

/** Throws `EsekError("merchant/unknown")` naming those that exist. */
export async function merchantBySlug(store: Store, slug: string): Promise<MerchantId> {
  const known: string[] = [];
  for (const id of await store.merchants.all()) {
    const { config } = await store.merchants.get(id);
    if (config.slug === slug) return id;
    known.push(config.slug);
  }
  throw new EsekError(
    "merchant/unknown",
    `There is no merchant "${slug}". Known: ${known.join(", ") || "none; apply a file first"}.`,
  );
}
