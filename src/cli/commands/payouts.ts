// infernet payouts list | retry | write-off | reclaim: a coordinator's payouts, for its admin.
import type { Admin } from "../../admin/operations.ts";
import type { PayoutView } from "../../admin/payout-operations.ts";
import { PAYOUT_STATES } from "../../settlement/schema.ts";
import { dollars } from "../amounts.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { answerOrThrow, withAdmin } from "../instance.ts";
import { relativeTime, table } from "../table.ts";
import { pick, wholeNumber } from "../values.ts";

type Json = { json?: boolean };
export type PayoutsListFlags = Json & { state?: string; limit: string };
export type WriteOffFlags = Json & { reason?: string };
export type ReclaimFlags = Json & { afterHours: string };

const MAX_LISTED = 500;
const MAX_HOURS = 8_760;

export async function list(context: Context, options: GlobalOptions, flags: PayoutsListFlags): Promise<ExitCode> {
  const limit = wholeNumber(flags.limit, "--limit", 1, MAX_LISTED);
  const state = PAYOUT_STATES.find((known) => known === flags.state?.replaceAll("-", "_"));
  if (flags.state !== undefined && state === undefined) {
    const hint = `one of ${PAYOUT_STATES.join(", ")}`;
    throw new CliError(`${JSON.stringify(flags.state)} is no state of a payout`, { exitCode: EXIT.usage, hint });
  }
  const asked = { limit, ...(state ? { state } : {}) };
  const { payouts } = await onAdmin(context, options, async (admin) => answerOrThrow(await admin.listPayouts(asked)));
  if (flags.json) printJson(context, payouts);
  else if (payouts.length === 0) context.terminal.out("There are none.\n");
  else context.terminal.out(listing(payouts, context));
  return EXIT.good;
}

function listing(payouts: readonly PayoutView[], { terminal, nowMs }: Context): string {
  const rows = payouts.map((each) => [
    ...[each.id.slice(0, 8), each.node_name ?? each.node.slice(0, 16), dollars(each.node_amount), each.receipts],
    ...[each.state, relativeTime(each.created_ms, nowMs()), each.reason ?? each.trouble ?? each.signature],
  ]);
  return table(["PAYOUT", "NODE", "AMOUNT", "RECEIPTS", "STATE", "PLANNED", "BY / BECAUSE"], rows, terminal.colors);
}

export async function retry(context: Context, options: GlobalOptions, id: string, flags: Json): Promise<ExitCode> {
  const done = await onAdmin(context, options, async (admin) =>
    answerOrThrow(await admin.retryPayout({ id: await idOf(admin, id) })),
  );
  if (flags.json) printJson(context, done);
  else context.terminal.out(`payout ${done.id} is tried again\n`);
  return EXIT.good;
}

export async function giveUp(
  context: Context,
  options: GlobalOptions,
  id: string,
  flags: WriteOffFlags,
): Promise<ExitCode> {
  const { reason } = flags;
  if (reason === undefined || reason.trim() === "") {
    const hint = "--reason TEXT stands in the books, in the audit log and before the node's eyes";
    throw new CliError("a payout is not given up without a reason", { exitCode: EXIT.usage, hint });
  }
  const done = await onAdmin(context, options, async (admin) =>
    answerOrThrow(await admin.writeOffPayout({ id: await idOf(admin, id), reason })),
  );
  if (flags.json) printJson(context, done);
  else {
    context.terminal.out(`payout ${done.id} is given up: ${dollars(done.node_amount)} are owed to that node no more\n`);
    context.terminal.err(
      `\`infernet credits adjust ${harmless(done.node)} USD\` makes good for it, where you want to.\n`,
    );
  }
  return EXIT.good;
}

export async function reclaim(context: Context, options: GlobalOptions, flags: ReclaimFlags): Promise<ExitCode> {
  const after_h = wholeNumber(flags.afterHours, "--after-hours", 0, MAX_HOURS);
  const done = await onAdmin(context, options, async (admin) => answerOrThrow(await admin.reclaimRent({ after_h })));
  if (flags.json) printJson(context, done);
  else
    context.terminal.out(`the rent of ${done.reclaimed} markers is back; it goes on with others every ten minutes\n`);
  return EXIT.good;
}

async function onAdmin<T>(context: Context, options: GlobalOptions, act: (admin: Admin) => Promise<T>): Promise<T> {
  const { config } = await requireConfig(context, options);
  return await withAdmin(context, config, "payouts", act);
}

async function idOf(admin: Admin, text: string): Promise<string> {
  if (/^[0-9a-f]{32}$/.test(text)) return text;
  const { payouts } = answerOrThrow(await admin.listPayouts({ limit: MAX_LISTED }));
  return pick(payouts, ({ id }) => id, text, "payout").id;
}
