// infernet status
import type { Status } from "../../admin/operations.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, runningOwner, withAdmin } from "../instance.ts";
import { relativeTime } from "../table.ts";
import { modelTable } from "./models.ts";

/** Exits with 3 where nothing runs. */
export async function status(context: Context, options: GlobalOptions, flags: { json?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  if (!runningOwner(config)) {
    if (flags.json) printJson(context, { running: false, data_dir: config.data_dir });
    else
      context.terminal.out(`infernet is not running on ${harmless(config.data_dir)}; \`infernet start\` starts it.\n`);
    return EXIT.unreachable;
  }
  const [now, link] = await withAdmin(context, config, "status", async (admin) => {
    const status = answerOrThrow(await admin.status({}));
    // Scripts that want it ask for it: a link that nobody opens is one too many.
    const wanted = status.mode === "node" && !flags.json;
    return [status, wanted ? answerOrThrow(await admin.createDashboardLink({})).link : null] as const;
  });
  if (flags.json) printJson(context, now);
  else context.terminal.out(describe(now, link, context));
  return EXIT.good;
}

function describe(now: Status, link: string | null, { nowMs, terminal }: Context): string {
  const lines = [
    `infernet ${harmless(now.version)} (${now.mode}), pid ${now.pid ?? "-"}, started ${relativeTime(now.started_ms, nowMs()) ?? "-"}`,
    `address   ${harmless(now.url ?? "-")}`,
    `key       ${now.pubkey}`,
  ];
  if (link !== null) lines.push(`dashboard ${harmless(link)} (opens once, within ten minutes)`);
  for (const { url, state, error } of now.coordinators) {
    lines.push(`link      ${harmless(url)}: ${state}${error === null ? "" : ` (${harmless(error)})`}`);
  }
  if (now.node !== null && now.node.status !== "available")
    lines.push(`node      ${now.node.status}: ${harmless(now.node.reason ?? "-")}`);
  if (now.mode !== "node") {
    const { online, known, pending } = now.nodes;
    lines.push(`nodes     ${online} online of ${known}${pending > 0 ? `, ${pending} waiting for approval` : ""}`);
    lines.push(`jobs      ${now.jobs.running} running, ${now.jobs.queued} queued`);
  }
  const models = now.models.length > 0 ? modelTable(now.models, terminal.colors) : "No model is served now.\n";
  return `${lines.join("\n")}\n\n${models}`;
}
