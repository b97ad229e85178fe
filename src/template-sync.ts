import type { MerchantId } from "./domain/ids.ts";
import { errorCode } from "./errors.ts";
import type { RuntimeOptions } from "./runtime.ts";
import { transaction } from "./store/database.ts";
import { raiseNotice } from "./store/notices.ts";
import type { Store } from "./store/store.ts";
import { saveTemplates } from "./store/templates.ts";
import { listTemplates } from "./whatsapp/management.ts";

/** Our copy of every merchant's templates. Every WABA by itself: one that Graph refuses must not keep the others from being read. */
export async function syncTemplates(
  store: Store,
  options: RuntimeOptions,
  token: (merchantId: MerchantId) => Promise<string | undefined>,
): Promise<void> {
  for (const merchantId of await store.merchants.all()) {
    const bearer = await token(merchantId);
    if (!bearer) continue;
    for (const waba of (await store.merchants.get(merchantId)).config.wabas) {
      try {
        const remote = { url: options.graphUrl, version: options.config.graphApiVersion, token: bearer };
        await saveTemplates(store, merchantId, waba.id, await listTemplates(remote, waba.id));
      } catch (err) {
        options.logger.warn({ err, merchant: merchantId }, "templates of a WABA could not be read");
        const notice = {
          kind: "template-sync-failed",
          dedupeKey: `template-sync:${waba.id}`,
          detail: { waba: waba.id, code: errorCode(err) },
        };
        await transaction(store.sql, [merchantId], (tx) => raiseNotice(tx, merchantId, notice));
      }
    }
  }
}
