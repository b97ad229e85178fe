import type { Sim } from "./context.ts";
import type { Template } from "./templates.ts";
import type { Waba } from "./world.ts";

/** What of a template a webhook reports when it changes. */
export type TemplateFacts = Pick<Template, "status" | "category" | "qualityScore">;

export function factsOf(template: Template): TemplateFacts {
  return { status: template.status, category: template.category, qualityScore: template.qualityScore };
}

/** Sends the management webhooks for what changed since `before`: status, category, quality (reference 1.9). */
export function announceTemplate(sim: Sim, waba: Waba, template: Template, before: TemplateFacts): void {
  const names = {
    message_template_id: Number(template.id),
    message_template_name: template.name,
    message_template_language: template.language,
  };
  const emit = (field: string, value: object) =>
    sim.webhooks.emit({
      kind: "other",
      wabaId: waba.id,
      field,
      value: { ...value, ...names },
      time: Math.floor(sim.clock.now() / 1000),
    });
  if (before.status !== template.status) {
    emit("message_template_status_update", {
      event: template.status,
      reason: template.rejectedReason,
      message_template_category: template.category,
      ...(template.status === "PAUSED"
        ? { other_info: { title: "FIRST_PAUSE", description: "Your message template has been paused for 3 hours." } }
        : {}),
      ...(template.status === "DISABLED" ? { disable_info: { disable_date: String(sim.clock.now()) } } : {}),
    });
  }
  if (before.category !== template.category) {
    emit("template_category_update", { previous_category: before.category, new_category: template.category });
  }
  if (before.qualityScore !== template.qualityScore) {
    emit("message_template_quality_update", {
      previous_quality_score: before.qualityScore,
      new_quality_score: template.qualityScore,
    });
  }
}

/** Approves a template after the time that the settings give for reviews. */
export function scheduleReview(sim: Sim, waba: Waba, template: Template): void {
  const { templateReviewMs } = sim.settings;
  if (templateReviewMs === null) return;
  sim.webhooks.later(templateReviewMs, () => {
    const current = waba.templates.find(template.name, template.language);
    if (current?.status !== "PENDING") return;
    const before = factsOf(current);
    current.status = "APPROVED";
    announceTemplate(sim, waba, current, before);
  });
}
