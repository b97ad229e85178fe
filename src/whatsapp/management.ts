import { z } from "zod";
import type { Template } from "../domain/template.ts";
import { EsekError } from "../errors.ts";
import { graphCall, type ManagementOptions } from "./graph-call.ts";

export type RemoteTemplate = Template & { metaId: string; quality: string };

const page = z.looseObject({
  data: z.array(
    z.looseObject({
      id: z.string(),
      name: z.string(),
      language: z.string(),
      status: z.string(),
      category: z.string(),
      components: z.array(z.looseObject({ type: z.string() })).default([]),
      quality_score: z.looseObject({ score: z.string().optional() }).optional().catch(undefined),
    }),
  ),
  paging: z.looseObject({ cursors: z.looseObject({ after: z.string().optional() }).optional() }).optional(),
});

const MAX_PAGES = 100;

/** Every template of a WABA, page by page. Throws `EsekError("graph/...")` with Graph's code. */
export async function listTemplates(options: ManagementOptions, wabaId: string): Promise<RemoteTemplate[]> {
  const found: RemoteTemplate[] = [];
  let after: string | undefined;
  for (let count = 0; count < MAX_PAGES; count++) {
    const query = {
      fields: "id,name,status,category,language,components,quality_score",
      limit: "100",
      ...(after ? { after } : {}),
    };
    const parsed = page.safeParse(await graphCall(options, { path: `${wabaId}/message_templates`, query }));
    if (!parsed.success)
      throw new EsekError("graph/shape", "The template list of Graph is not in the documented shape.");
    for (const row of parsed.data.data)
      found.push({
        metaId: row.id,
        name: row.name,
        language: row.language,
        status: row.status,
        category: row.category,
        components: row.components as Template["components"],
        quality: row.quality_score?.score ?? "UNKNOWN",
      });
    const next = parsed.data.paging?.cursors?.after;
    if (!next || next === after || parsed.data.data.length === 0) return found;
    after = next;
  }
  return found;
}
