import type { CheckResult } from "../domain/verdict.ts";
import { normalise, tokens } from "./normalise.ts";
import { readTsv } from "./rows.ts";
import { TokenIndex } from "./token-index.ts";

/** Whether a text promotes: offers, discounts, campaigns. Weighed only for people who stopped promotions. */
export class PromotionCheck {
  readonly #index = new TokenIndex<{ language: string; text: string }>();

  constructor() {
    for (const row of readTsv("promotion.tsv"))
      this.#index.add(row.text!, { language: row.language!, text: row.text! });
  }

  check(text: string): CheckResult {
    const normal = normalise(text);
    const percent =
      /\p{N}+\s?%/u.test(normal) &&
      /[-\u2212]\s?\p{N}+\s?%|%\s?(off|rabatt|remise|desconto|descuento|indirim|diskon|скид|הנחה|خصم)/u.test(normal);
    const [found] = this.#index.find(tokens(normal));
    if (!found && !percent) return { check: "promotion", verdict: "clear", score: 0 };
    return {
      check: "promotion",
      verdict: "flagged",
      score: 1,
      rule: found ? `${found.row.language}:promotion` : "percent-off",
    };
  }
}
