// infernet earnings: what this machine's node earned, by day and model, and where that is now.
import { type EarningsJson, earningsSchema } from "../../protocol/payouts.ts";
import { dollars } from "../amounts.ts";
import { EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { askCoordinator, nodeOf } from "../node-coordinators.ts";
import { table } from "../table.ts";
import { wholeNumber } from "../values.ts";

export type EarningsFlags = { json?: boolean; days: string };

const MAX_DAYS = 3_660;

export async function earnings(context: Context, options: GlobalOptions, flags: EarningsFlags): Promise<ExitCode> {
  const days = wholeNumber(flags.days, "--days", 1, MAX_DAYS);
  const { config } = await requireConfig(context, options);
  const { node, coordinators } = nodeOf(config);
  const told: (EarningsJson & { coordinator: string })[] = [];
  for (const coordinator of coordinators) {
    const asked = { path: "earnings", body: { days }, answer: earningsSchema };
    told.push({ coordinator: coordinator.url, ...(await askCoordinator(context, node, coordinator, asked)) });
  }
  if (flags.json) printJson(context, { node: node.pubkey, coordinators: told });
  else for (const one of told) context.terminal.out(describe(one, context.terminal.colors, told.length > 1));
  return EXIT.good;
}

function describe(told: EarningsJson & { coordinator: string }, colors: boolean, named: boolean): string {
  const { total, rows } = told;
  const head = named ? `${harmless(told.coordinator)}\n` : "";
  if (told.billing === "off" && total.unpaid + total.in_payout + total.paid === 0)
    return `${head}Nothing is charged there, so nothing is earned.\n`;
  const lines = [
    `unpaid     ${dollars(total.unpaid)}`,
    `in payout  ${dollars(total.in_payout)}${total.stuck > 0 ? ` (${dollars(total.stuck)} of it wait for clients that cannot pay now)` : ""}`,
    `paid       ${dollars(total.paid)}`,
    placeOf(told),
  ];
  const cells = rows.map(({ day, model, receipts, gross, node_amount, fee }) => [
    ...[day, model, receipts, dollars(gross), dollars(fee), dollars(node_amount)],
  ]);
  const listing =
    rows.length === 0 ? "" : `\n${table(["DAY (UTC)", "MODEL", "ANSWERS", "CHARGED", "FEE", "EARNED"], cells, colors)}`;
  return `${head}${lines.join("\n")}\n${listing}`;
}

/** Where and how it is paid. */
function placeOf({ on_chain, wallet, coin, network, minimum }: EarningsJson): string {
  if (!on_chain) return "Its coordinator pays nothing out on a chain: its admin settles what is unpaid outside.";
  const paid = `${harmless(coin)} on ${harmless(network)}`;
  if (wallet === null) return `No wallet is set: \`infernet payout --wallet ADDRESS\` has ${paid} paid to it.`;
  return `\`infernet payout\` has ${paid} paid to ${harmless(wallet)}, from ${dollars(minimum)} on.`;
}
