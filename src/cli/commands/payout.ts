// infernet payout: has this machine's node paid on the chain. It looks at every receipt before it agrees, follows the
// payment until it is final, and looks at the transaction itself where it is told whom to ask.
import {
  type PayoutDeps,
  type PayoutOutcome,
  type PayoutStep,
  payoutAt,
  walletAddress,
} from "../../modes/node-payout.ts";
import type { PayoutJson, PreparedJson } from "../../protocol/payouts.ts";
import type { Address } from "../../solana/chain.ts";
import { dollars } from "../amounts.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, printJson, requireConfig } from "../context.ts";
import { harmless } from "../harmless.ts";
import { askDeps, nodeOf, orCliError } from "../node-coordinators.ts";
import { verifyPayment } from "../verify-payment.ts";

export type PayoutFlags = { json?: boolean; wallet?: string; offCurve?: boolean; rpcUrl?: string; wait: boolean };

type Outcome = Omit<PayoutOutcome, "nothing"> & { nothing: string | null };

export async function payout(context: Context, options: GlobalOptions, flags: PayoutFlags): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const { node, coordinators, dir } = nodeOf(config);
  const wallet = await walletOf(flags);
  const deps: PayoutDeps = {
    ...{ ...askDeps(context, node), dir, followMs: Number.POSITIVE_INFINITY, verify: verifyOver(flags) },
    tell: (step) => context.terminal.err(stepLine(step)),
  };
  const outcomes: Outcome[] = [];
  for (const coordinator of coordinators) {
    const outcome = await orCliError(payoutAt(deps, coordinator, { wallet, wait: flags.wait }));
    outcomes.push({ ...outcome, nothing: reasonOf(outcome.nothing) });
  }
  if (flags.json) printJson(context, { node: node.pubkey, coordinators: outcomes });
  else for (const outcome of outcomes) context.terminal.out(describe(outcome));
  const isShort = outcomes.some(({ payouts }) => payouts.some(({ state }) => state === "stuck"));
  return isShort ? EXIT.failed : EXIT.good;
}

async function walletOf({ wallet, offCurve = false }: PayoutFlags): Promise<Address | null> {
  if (wallet === undefined) return null;
  const address = await walletAddress(wallet, { offCurve });
  if (address.ok) return address.value;
  const named = JSON.stringify(wallet);
  throw address.error === "off_curve"
    ? new CliError(`${named} has no private key: it is a token account, or belongs to a program`, {
        exitCode: EXIT.usage,
        hint: "name the wallet that owns it; a program's vault that is to be paid needs --off-curve",
      })
    : new CliError(`${named} is no Solana address`, {
        exitCode: EXIT.usage,
        hint: "it is the address of a wallet: 32 bytes in base58",
      });
}

const verifyOver = ({ rpcUrl }: PayoutFlags): PayoutDeps["verify"] =>
  rpcUrl === undefined
    ? null
    : ({ genesis, mint }: PreparedJson, paid) => verifyPayment({ rpcUrl, genesis, mint }, paid);

function stepLine(step: PayoutStep): string {
  if (step.step === "following")
    return "Until it is final takes about half a minute; it goes on without this command.\n";
  const { id, receipts, node_amount, wallet, signature, trouble } = step.payout;
  const line = {
    agreed: `${receipts} receipts hold together, ${dollars(node_amount)} to ${wallet}`,
    seen: harmless(signature === null ? (trouble ?? "to be sent") : `sent as ${signature}`, 200),
    verified: "the chain says so, too",
  }[step.step];
  return `Payout ${id.slice(0, 8)}: ${line}\n`;
}

function reasonOf(nothing: PayoutOutcome["nothing"]): string | null {
  if (nothing === null) return null;
  if (nothing === "not_on_chain")
    return "it pays nothing out on a chain: its admin settles earnings outside (`infernet earnings` tells them)";
  switch (nothing.code) {
    case "below_minimum":
      return `${dollars(nothing.unpaid)} are unpaid; it pays out from ${dollars(nothing.minimum)} on`;
    case "earlier_waits":
      return "an earlier payout cannot be sent now; what is unpaid is paid after it";
    case "settled_otherwise":
      return "its books say that what is unpaid was settled otherwise; ask its admin";
    case "nothing_unpaid":
      return "nothing is unpaid";
  }
}

function describe({ coordinator, payouts, nothing, verified }: Outcome): string {
  const lines = payouts.map(lineOf);
  if (nothing !== null)
    lines.push(`nothing ${payouts.length > 0 ? "more " : ""}to pay at ${harmless(coordinator)}: ${nothing}`);
  if (verified === "coordinator")
    lines.push("That is what the coordinator says; with --rpc-url the transaction itself is looked at.");
  return `${lines.join("\n")}\n`;
}

function lineOf({ id, state, node_amount, signature, reason, wallet }: PayoutJson): string {
  const what = `${dollars(node_amount)} to ${wallet}`;
  switch (state) {
    case "paid":
      return `paid ${what}: transaction ${signature ?? "-"} (payout ${id})`;
    case "stuck":
      return `waiting: ${what}, because the client that pays cannot now (${harmless(reason ?? "-")}; payout ${id})`;
    case "written_off":
      return `given up by the coordinator's admin: ${what} (${harmless(reason ?? "-")}; payout ${id})`;
    default:
      return `on its way: ${what} (payout ${id}); \`infernet payout\` follows it`;
  }
}
