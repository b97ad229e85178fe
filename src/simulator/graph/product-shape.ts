import type { JsonObject } from "../json.ts";
import { invalid, lengthWithin, requireList, requireText } from "./checks.ts";

/** A multi-product message: at most 30 products in at most 10 titled sections (reference 3.2). */
export function checkProductLists(action: JsonObject): void {
  requireText(action, "catalog_id", "interactive['action']['catalog_id']");
  const sections = requireList(action, "sections", "interactive['action']['sections']");
  if (sections.length < 1 || sections.length > 10) {
    throw invalid("Invalid sections count. Min allowed sections: 1, Max allowed sections: 10");
  }
  let total = 0;
  for (const section of sections) {
    if (sections.length > 1 || section.title !== undefined) {
      lengthWithin(requireText(section, "title", "section['title']"), 24, "Section title");
    }
    const items = requireList(section, "product_items", "section['product_items']");
    for (const item of items) requireText(item, "product_retailer_id", "product_items['product_retailer_id']");
    total += items.length;
  }
  if (total < 1 || total > 30) throw invalid("Invalid product items count. Min allowed: 1, Max allowed: 30");
}
