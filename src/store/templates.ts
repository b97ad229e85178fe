import type { MerchantId } from "../domain/ids.ts";
import type { Template } from "../domain/template.ts";
import { transaction } from "./database.ts";
import type { Store } from "./store.ts";

/** Makes our copy of a WABA's templates equal to Meta's list; what Meta no longer has is marked DELETED. */
export async function saveTemplates(
  store: Store,
  merchantId: MerchantId,
  wabaId: string,
  templates: readonly (Template & { metaId: string; quality: string })[],
): Promise<void> {
  await transaction(store.sql, [merchantId], async (tx) => {
    for (const template of templates)
      await tx`insert into template (merchant_id, waba_id, name, language, category, status, quality, components, meta_id)
        values (${merchantId}, ${wabaId}, ${template.name}, ${template.language}, ${template.category}, ${template.status}, ${template.quality}, ${tx.json(template.components as never)}, ${template.metaId})
        on conflict (merchant_id, waba_id, name, language) do update set category = excluded.category, status = excluded.status, quality = excluded.quality, components = excluded.components,
          meta_id = excluded.meta_id, updated_at = now()`;
    const kept = templates.map((template) => `${template.name}|${template.language}`);
    await tx`update template set status = 'DELETED' where merchant_id = ${merchantId} and waba_id = ${wabaId} and not (name || '|' || language = any(${kept}))`;
  });
}

/** What may be sent now, by our copy. */
export async function approvedTemplates(store: Store, merchantId: MerchantId, wabaId: string): Promise<Template[]> {
  return transaction(
    store.sql,
    [merchantId],
    (tx) => tx<Template[]>`
      select name, language, category, status, components from template
      where merchant_id = ${merchantId} and waba_id = ${wabaId} and status = 'APPROVED' order by name, language`,
  );
}
