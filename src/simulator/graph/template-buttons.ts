import { GraphError } from "../graph-error.ts";
import { asText, type JsonObject, objectsOf } from "../json.ts";
import type { ButtonPlan } from "../templates.ts";
import { invalid, missing } from "./checks.ts";

/** Which template button a `sub_type` addresses. An authentication (OTP) button is addressed as `url`. */
const BUTTON_OF: Readonly<Record<string, readonly string[]>> = {
  quick_reply: ["QUICK_REPLY"],
  url: ["URL", "OTP"],
  copy_code: ["COPY_CODE", "OTP"],
  flow: ["FLOW"],
  catalog: ["CATALOG"],
  mpm: ["MPM"],
  spm: ["SPM"],
  voice_call: ["VOICE_CALL"],
  order_details: ["ORDER_DETAILS"],
};

/** Checks the button components against the template's buttons and returns what the person can tap. */
export function matchButtons(
  plans: readonly ButtonPlan[],
  components: readonly JsonObject[],
): { id: string; title: string }[] {
  const payloads = new Map<number, string>();
  for (const component of components) {
    const index = indexOf(component);
    if (payloads.has(index)) throw invalid(`buttons: index ${index} is given twice`);
    payloads.set(index, checkButton(component, index, plans));
  }
  plans.forEach((plan, index) => {
    if (plan.needsParameter && !payloads.has(index)) {
      throw new GraphError(
        131008,
        `buttons: Button at index ${index} of type ${label(plan.type)} requires a parameter`,
      );
    }
  });
  return plans.map((plan, index) => ({ id: payloads.get(index) ?? plan.text, title: plan.text }));
}

function indexOf(component: JsonObject): number {
  const raw = component.index;
  if (raw === undefined || raw === null || raw === "") throw missing("button['index']");
  const index = Number(raw);
  if (!Number.isInteger(index) || index < 0 || index > 9) throw invalid(`buttons: index ${String(raw)} is not valid`);
  return index;
}

function checkButton(component: JsonObject, index: number, plans: readonly ButtonPlan[]): string {
  const subType = asText(component.sub_type)?.toLowerCase();
  if (subType === undefined) throw missing("button['sub_type']");
  const allowed = Object.hasOwn(BUTTON_OF, subType) ? BUTTON_OF[subType] : undefined;
  if (allowed === undefined) throw invalid(`buttons: sub_type ${subType} is not valid`);
  const plan = plans[index];
  if (plan === undefined) throw invalid(`buttons: the template has no button at index ${index}`);
  if (plan.type === "PHONE_NUMBER" || (plan.type === "URL" && !plan.needsParameter)) {
    const kind = plan.type === "URL" ? "Url" : "Call";
    throw new GraphError(100, `buttons: Button at index ${index} is of type ${kind} and does not support parameters`);
  }
  if (!allowed.includes(plan.type)) {
    throw new GraphError(
      132012,
      `buttons: Format mismatch at index ${index}, expected ${plan.type}, received ${subType}`,
    );
  }
  const parameter = objectsOf(component.parameters)[0];
  if (parameter === undefined) {
    if (!plan.needsParameter && subType !== "quick_reply") return plan.text;
    throw new GraphError(131008, `buttons: Button at index ${index} of type ${label(plan.type)} requires a parameter`);
  }
  return parameterValue(parameter, subType, plan, index);
}

function parameterValue(parameter: JsonObject, subType: string, plan: ButtonPlan, index: number): string {
  if (subType === "flow" || subType === "catalog" || subType === "mpm" || subType === "spm") return plan.text;
  const value =
    subType === "copy_code" ? asText(parameter.coupon_code) : (asText(parameter.payload) ?? asText(parameter.text));
  if (value === undefined) throw missing(`button[${index}]['parameters'][0]`);
  if (plan.type === "OTP" && value.length > 15) throw new GraphError(132018, "The code must be at most 15 characters");
  if (plan.type === "COPY_CODE" && value.length > 20) throw new GraphError(132018, "coupon_code is too long");
  if (plan.type === "QUICK_REPLY" && value.length > 128)
    throw invalid("Button payload length invalid. Max length: 128");
  return value;
}

function label(type: string): string {
  return type.charAt(0) + type.slice(1).toLowerCase();
}
