import { registerNumber, subscribeApp, subscribedApps } from "../whatsapp/onboarding.ts";
import { each, type Line, line } from "./checklist.ts";
import type { Run, TargetNumber } from "./run.ts";
import { type ProbeResult, probeWebhook } from "./webhook-probe.ts";

/** Registers what is not connected yet. A number in the WhatsApp Business app (coexistence) is registered by the app. */
export async function registerStep({ options, pin, wabas, learned }: Run): Promise<Line[]> {
  const register = async ({ id, isCoexistence }: TargetNumber) => {
    if (learned.numbers.get(id)?.status === "CONNECTED") return line("already", "registered", id);
    if (isCoexistence) return line("skipped", "a coexistence number is connected by the WhatsApp Business app", id);
    if (!pin)
      return line(
        "failed",
        "Not registered, and there is no PIN. Give its two-step verification PIN in ESEK_PIN or with --pin-stdin; a number without one takes it as its first.",
        id,
        "register/pin-missing",
      );
    await registerNumber(options, id, pin);
    return line("done", "registered", id);
  };
  return each(
    wabas.flatMap((waba) => waba.numbers),
    (number) => number.id,
    register,
  );
}

/** Subscribes our app to each WABA, where it is not: subscribing again would take a callback override away. */
export async function subscribeStep({ options, wabas, learned }: Run): Promise<Line[]> {
  return each(
    wabas,
    (waba) => waba.id,
    async ({ id }) => {
      const apps = await subscribedApps(options, id);
      if (learned.appId ? apps.includes(learned.appId) : apps.length > 0)
        return line("already", "the app gets this WABA's webhooks", id);
      await subscribeApp(options, id);
      return line("done", "the app gets this WABA's webhooks", id);
    },
  );
}

const SAYS: Record<Exclude<ProbeResult["type"], "ok">, string> = {
  unreachable: "It does not answer. Check name, certificate and firewall, and that Esek runs behind it.",
  "wrong-challenge":
    "It did not answer the handshake with the challenge. Is it Esek's /webhooks/whatsapp, and META_VERIFY_TOKEN the same there?",
  "accepts-forgeries":
    "It took a POST with a wrong signature. That is not Esek, or something before it answers in its place.",
  "not-acknowledged": "It refused a signed event. Is META_APP_SECRET the same there and here?",
  "not-arrived":
    "It acknowledged a signed event that did not arrive in this database: the address leads to another installation, or DATABASE_URL differs.",
};

/** The callback, end to end, and whether it is the one Meta calls. The app's own callback is tried where none is given. */
export async function webhookStep({ graph, app, store, webhookUrl, learned }: Run): Promise<Line[]> {
  const [first] = learned.numbers.values();
  const { application, override } = first?.webhook ?? {};
  const target = webhookUrl ?? application;
  if (!target)
    return [
      line("skipped", "Meta names no callback yet. Set it in the app's WhatsApp configuration and give --webhook-url."),
    ];
  if (!app.secret || !app.verifyToken)
    return [
      line("failed", "META_APP_SECRET and META_VERIFY_TOKEN are needed to try it.", undefined, "webhook/secrets"),
    ];
  const where = placeOf(target);
  const result = await probeWebhook(target, { appSecret: app.secret, verifyToken: app.verifyToken }, store);
  if (result.type !== "ok")
    return [line("failed", `${where}: ${SAYS[result.type]}`, undefined, `webhook/${result.type}`)];
  const used = override ?? application;
  if (used && placeOf(used) !== where)
    return [
      line(
        webhookUrl ? "failed" : "warning",
        `${where} works, but Meta delivers this number's messages to ${placeOf(used)}. Change the callback there, or give that address with --webhook-url.`,
        undefined,
        "webhook/elsewhere",
      ),
    ];
  if (graph.url.startsWith("https:") && !target.startsWith("https:"))
    return [
      line("warning", `${where} works from here, but Meta calls https addresses with a public certificate only.`),
    ];
  return [
    line(
      "done",
      `${where} answers the challenge, refuses a wrong signature, and a signed event arrived${used ? "" : "; Meta does not show yet that it calls it"}`,
    ),
  ];
}

/** Without its query, which may hold somebody's secret. */
function placeOf(url: string): string {
  if (!URL.canParse(url)) return "an address that is none";
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname.replace(/\/$/, "")}`;
}
