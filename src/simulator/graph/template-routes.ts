import { Hono } from "hono";
import type { Sim } from "../context.ts";
import { GraphError, invalidParam } from "../graph-error.ts";
import { makeObjectId } from "../ids.ts";
import { asObject, asText, type JsonObject, objectsOf } from "../json.ts";
import { scheduleReview } from "../template-events.ts";
import type { Template } from "../templates.ts";
import type { Waba } from "../world.ts";
import type { GraphEnv } from "./env.ts";
import { wabaOf } from "./nodes.ts";
import { pageOf, pickFields } from "./paging.ts";
import { checkTemplate } from "./template-definition.ts";

const DEFAULT_FIELDS = ["name", "parameter_format", "components", "language", "status", "category", "id"];
const TEMPLATES_PER_WABA = 6000;

/** `/<waba>/message_templates`: list, create, delete (reference 3.6). */
export function templateRoutes(sim: Sim): Hono<GraphEnv> {
  const app = new Hono<GraphEnv>();

  app.get("/:id/message_templates", (c) => {
    const query = c.req.query();
    const found = wabaOf(sim, c.req.param("id"), "get")
      .templates.list()
      .filter((template) => isWanted(template, query));
    const items = found.map((template) => pickFields(templateNode(template), query.fields, DEFAULT_FIELDS));
    return c.json(pageOf(items, query, sim.url + c.req.path + new URL(c.req.url).search));
  });

  app.post("/:id/message_templates", async (c) => {
    const waba = wabaOf(sim, c.req.param("id"));
    const body = asObject(await c.req.json().catch(() => undefined));
    const definition = checkTemplate(body);
    if (waba.templates.find(definition.name, definition.language) !== undefined) {
      throw new GraphError(100, undefined, {
        message: "Invalid parameter",
        subcode: 2388024, // "Content in This Language Already Exists"
      });
    }
    if (waba.templates.list().length >= TEMPLATES_PER_WABA) throw new GraphError(2388019);
    const template = waba.templates.put({ ...definition, status: "PENDING" }, () => makeObjectId(sim.random));
    scheduleReview(sim, waba, template);
    return c.json({ id: template.id, status: template.status, category: template.category });
  });

  app.delete("/:id/message_templates", (c) => {
    const waba = wabaOf(sim, c.req.param("id"), "delete");
    const { name, hsm_id: id } = c.req.query();
    if (name === undefined) throw invalidParam("The parameter name is required.");
    const doomed = waba.templates.list().filter((t) => t.name === name && (id === undefined || t.id === id));
    if (doomed.length === 0) throw invalidParam("Message template not found.");
    for (const template of doomed) waba.templates.remove(template);
    return c.json({ success: true });
  });
  return app;
}

/** A template as `GET /<template>` and the list show it. */
export function templateNode(template: Template): JsonObject {
  return {
    id: template.id,
    name: template.name,
    language: template.language,
    status: template.status,
    category: template.category,
    parameter_format: template.parameterFormat,
    components: template.components,
    quality_score: { score: template.qualityScore, date: 1_790_000_000 },
    rejected_reason: template.rejectedReason,
  };
}

/** `POST /<template>`: replaces the components or changes the category, and puts it into review again. */
export function editTemplate(sim: Sim, waba: Waba, template: Template, body: JsonObject): JsonObject {
  if (!["APPROVED", "REJECTED", "PAUSED"].includes(template.status)) {
    throw new GraphError(100, "Only approved, rejected or paused templates can be edited.");
  }
  const category = asText(body.category);
  if (category !== undefined && category !== template.category && template.status === "APPROVED") {
    throw new GraphError(100, "The category of an approved template cannot be edited.");
  }
  const components = body.components === undefined ? template.components : objectsOf(body.components);
  const definition = checkTemplate({
    name: template.name,
    language: template.language,
    category: category ?? template.category,
    parameter_format: template.parameterFormat,
    components,
  });
  scheduleReview(
    sim,
    waba,
    waba.templates.put({ ...definition, id: template.id, status: "PENDING" }, () => template.id),
  );
  return { success: true };
}

function isWanted(template: Template, query: Record<string, string>): boolean {
  return (
    (query.name === undefined || template.name === query.name) &&
    (query.status === undefined || query.status.toUpperCase().split(",").includes(template.status)) &&
    (query.category === undefined || template.category === query.category.toUpperCase()) &&
    (query.language === undefined || template.language === query.language)
  );
}
