import { createHash } from "node:crypto";
import { type MerchantId, newId } from "../domain/ids.ts";
import type { MerchantConfig } from "../domain/merchant.ts";
import { answerFromKnowledge, type Found, type KnowledgeSearch, type Passage, questionTerms, rank } from "../knowledge/answer.ts";
import { chunksOf, KNOWLEDGE_VERSION } from "../knowledge/chunk.ts";
import type { KnowledgePort } from "../ports.ts";
import { type Tx, transaction } from "./database.ts";
import type { Store } from "./store.ts";

/** A word one or two letters off (a typo) stands for the documents' word; less alike than this it is another word. */
const ALIKE = 0.5;

/** Makes the index say what the merchant's documents say, when they or the way of reading them changed. In the caller's transaction. */
export async function indexKnowledge(tx: Tx, merchantId: MerchantId, config: MerchantConfig): Promise<void> {
  const hash = createHash("sha256")
    .update(`${KNOWLEDGE_VERSION}${JSON.stringify(config.knowledgeTexts)}`)
    .digest("hex");
  const changed =
    await tx`update merchant set knowledge_hash = ${hash} where merchant_id = ${merchantId} and knowledge_hash is distinct from ${hash} returning 1`;
  if (changed.length === 0) return;
  await tx`delete from knowledge_chunk where merchant_id = ${merchantId}`;
  await tx`delete from knowledge_term where merchant_id = ${merchantId}`;
  const chunks = chunksOf(config.knowledgeTexts);
  for (let at = 0; at < chunks.length; at += 500) {
    const rows = chunks
      .slice(at, at + 500)
      .map((chunk) => ({ ...chunk, id: newId(), language: chunk.language ?? null }));
    await tx`insert into knowledge_chunk (id, merchant_id, source, title, body, language, terms, title_terms, vector)
      select (r->>'id')::uuid, ${merchantId}, r->>'source', r->>'title', r->>'text', r->>'language', t.terms, t.title_terms, array_to_tsvector(t.terms)
      from jsonb_array_elements(${tx.json(rows)}) r,
        lateral (select array(select jsonb_array_elements_text(r->'terms')) as terms, array(select jsonb_array_elements_text(r->'titleTerms')) as title_terms) t`;
  }
  await tx`insert into knowledge_term (merchant_id, term, passages)
    select ${merchantId}, term, count(*) from knowledge_chunk, unnest(terms) term where merchant_id = ${merchantId} group by term`;
}

/** After an upgrade that reads documents differently: every merchant whose index is of an older kind. */
export async function refreshKnowledge(store: Store): Promise<void> {
  for (const merchantId of await store.merchants.all()) {
    const { config } = await store.merchants.get(merchantId);
    await transaction(store.sql, [merchantId], (tx) => indexKnowledge(tx, merchantId, config));
  }
}

export function createKnowledge(store: Store): KnowledgePort {
  return {
    answer: (merchantId, question, language) =>
      answerFromKnowledge(question, language, knowledgeSearch(store, merchantId)),
    async passages(merchantId, question, language, limit) {
      const terms = questionTerms(question);
      if (terms.length === 0) return [];
      const found = await knowledgeSearch(store, merchantId)(terms, 40);
      return rank(terms, found, language)
        .slice(0, limit)
        .map(({ passage }) => passage);
    },
  };
}

/** Full text over one merchant's passages, with trigrams for words that no passage knows as they are written. */
export function knowledgeSearch(store: Store, merchantId: MerchantId): KnowledgeSearch {
  return (terms, limit) =>
    transaction(store.sql, [merchantId], async (tx): Promise<Found> => {
      const [[counted], rows] = await Promise.all([
        tx<{ total: number }[]>`select count(*)::int as total from knowledge_chunk where merchant_id = ${merchantId}`,
        tx<{ asked: string; term: string; passages: number; likeness: number }[]>`
          select asked, k.term, k.passages, case when k.term = asked then 1 else similarity(k.term, asked) end::float8 as likeness
          from unnest(${[...terms]}::text[]) asked, lateral (
            select term, passages from knowledge_term where merchant_id = ${merchantId} and (term = asked or (length(asked) >= 4 and term % asked and similarity(term, asked) >= ${ALIKE}))
            order by term <> asked, similarity(term, asked) desc limit 1) k`,
      ]);
      const matches = new Map(rows.map(({ asked, ...match }) => [asked, match]));
      const wanted = [...new Set(rows.map((row) => row.term))];
      const passages =
        wanted.length === 0
          ? []
          : await tx<Passage[]>`
            select id, source, title, body as text, language, terms, title_terms as "titleTerms" from knowledge_chunk
            where merchant_id = ${merchantId} and vector @@ (select string_agg(quote_literal(w), ' | ') from unnest(${wanted}::text[]) w)::tsquery
            order by (select sum(ln(1 + ${counted!.total}::float8 / k.passages)) from knowledge_term k where k.merchant_id = ${merchantId} and k.term = any(${wanted}) and k.term = any(terms)) desc, id
            limit ${limit}`;
      return { total: counted!.total, matches, passages };
    });
}
