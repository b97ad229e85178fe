import { hasSupportContact } from "../policy/readiness.ts";
import { savePhoneState } from "../store/phone-state.ts";
import { saveTemplates } from "../store/templates.ts";
import { listTemplates } from "../whatsapp/management.ts";
import { type RemoteNumber, readNumber, readProfile } from "../whatsapp/onboarding.ts";
import { each, type Line, line } from "./checklist.ts";
import type { Run } from "./run.ts";

/** Our copy of each WABA's templates. */
export async function templatesStep({ options, store, wabas, learned }: Run): Promise<Line[]> {
  return each(
    wabas,
    (waba) => waba.id,
    async ({ id }) => {
      const templates = await listTemplates(options, id);
      await saveTemplates(store, learned.merchantId!, id, templates);
      const approved = templates.filter((template) => template.status === "APPROVED").length;
      return line(approved > 0 ? "done" : "warning", `${templates.length} templates, ${approved} approved`, id);
    },
  );
}

/** What Meta says of each number now, after it was registered. */
export async function stateStep(run: Run): Promise<Line[]> {
  const { options, store, learned } = run;
  return numbersOf(run, async (id) => {
    const number = await readNumber(options, id);
    learned.numbers.set(id, number);
    await savePhoneState(store, learned.merchantId!, { ...number, phoneNumberId: id });
    const say = `${number.status}, quality ${number.quality}, throughput ${number.throughput ?? "not told"}, limit ${number.messagingLimit ?? "not told"}`;
    const isWell = number.status === "CONNECTED" && number.quality !== "RED";
    return line(isWell ? "done" : "warning", say, id);
  });
}

/** Meta's policy wants a support contact on the profile; without one the number is rated down. */
export async function profileStep(run: Run): Promise<Line[]> {
  return numbersOf(run, async (id) =>
    hasSupportContact(await readProfile(run.options, id))
      ? line("done", "has a support contact", id)
      : line(
          "warning",
          "The business profile has neither email nor website. Meta's policy wants a support contact: add one in WhatsApp Manager.",
          id,
          "profile/contact",
        ),
  );
}

/** Meta's own verdict: whether a message would leave, and who stands in its way. */
export async function healthStep(run: Run): Promise<Line[]> {
  return numbersOf(run, async (id) => {
    const { health } = run.learned.numbers.get(id) ?? (await readNumber(run.options, id));
    if (!health) return line("warning", "Meta says nothing of it", id);
    if (health.canSend === "AVAILABLE") return line("done", "Meta will send", id);
    const say = `Meta says ${health.canSend}: ${blockersOf(health)}. WhatsApp Manager shows what to do.`;
    return line(health.canSend === "BLOCKED" ? "failed" : "warning", say, id, "health/blocked");
  });
}

/** Which nodes hold messages back, with Meta's codes, e.g. `WABA LIMITED (141006)`. */
export function blockersOf(health: NonNullable<RemoteNumber["health"]>): string {
  const each = health.blockers.map(
    ({ entity, canSend, codes }) => `${entity} ${canSend}${codes.length > 0 ? ` (${codes.join(", ")})` : ""}`,
  );
  return each.join("; ") || "no reason given";
}

function numbersOf({ wabas }: Run, work: (id: string) => Promise<Line>): Promise<Line[]> {
  return each(
    wabas.flatMap((waba) => waba.numbers.map((number) => number.id)),
    (id) => id,
    work,
  );
}
