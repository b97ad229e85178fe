import { Command } from "commander";
import { withStore } from "../context.ts";
import { examine, type Finding } from "../doctor.ts";
import { examineLive } from "../doctor-live.ts";

const MARK = { ok: "ok  ", warn: "warn", bad: "BAD " };

export function doctorCommand(): Command {
  return new Command("doctor")
    .description("what works and what to do about what does not; exit 1 when something is bad")
    .option("--live", "ask Meta, the model and the callback too: what still blocks real traffic")
    .option("--webhook-url <url>", "with --live: the public address of /webhooks/whatsapp")
    .action(async (options: { live?: boolean; webhookUrl?: string }) => {
      let findings: Finding[];
      try {
        findings = await withStore(async (context) => [
          ...(await examine(context)),
          ...(options.live ? await examineLive(context, options.webhookUrl).catch(asFinding) : []),
        ]);
      } catch (err) {
        findings = asFinding(err);
      }
      for (const finding of findings) console.log(`${MARK[finding.level]}  ${finding.what}: ${finding.say}`);
      if (findings.some((finding) => finding.level === "bad")) process.exitCode = 1;
    });
}

function asFinding(err: unknown): Finding[] {
  return [{ level: "bad", what: "start", say: err instanceof Error ? err.message : String(err) }];
}
