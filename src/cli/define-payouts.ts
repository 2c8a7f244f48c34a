// The commands about what a node earns, with their arguments and flags.
import type { Command } from "commander";
import type { EarningsFlags } from "./commands/earnings.ts";
import type { PayoutFlags } from "./commands/payout.ts";
import type { PayoutsListFlags, ReclaimFlags, WriteOffFlags } from "./commands/payouts.ts";
import type { Attach } from "./program.ts";

const JSON_FLAG = ["--json", "print JSON"] as const;

export function definePayouts(program: Command, attach: Attach): void {
  program
    .command("earnings")
    .description("print what this machine's node earned, by day and model, and where that is now")
    .option("--days <count>", "of so many days", "30")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: EarningsFlags) =>
        (await import("./commands/earnings.ts")).earnings(context, options, flags),
      ),
    );
  program
    .command("payout")
    .description("have this machine's node paid on the chain, once it has checked every receipt")
    .option("--wallet <address>", "the wallet to be paid; kept for the next time. Its private key is never needed")
    .option("--off-curve", "the wallet is a program's vault, which has no private key")
    .option("--rpc-url <url>", "an RPC server of the chain, to look at the payment oneself")
    .option("--no-wait", "do not wait until it is final")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: PayoutFlags) =>
        (await import("./commands/payout.ts")).payout(context, options, flags),
      ),
    );
  defineAdminsPayouts(program, attach);
}

function defineAdminsPayouts(program: Command, attach: Attach): void {
  const load = () => import("./commands/payouts.ts");
  const payouts = program.command("payouts").description("a coordinator's payouts to its nodes, for its admin");
  payouts
    .command("list")
    .description("list them, the newest first")
    .option("--state <state>", "of one state: planned, due, stuck, paid, written_off")
    .option("--limit <count>", "at most so many", "50")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: PayoutsListFlags) => (await load()).list(context, options, flags)));
  payouts
    .command("retry")
    .description("try a stuck one now, whatever was last seen of its client")
    .argument("<payout>", "its id, or how it begins")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, id: string, flags: { json?: boolean }) =>
        (await load()).retry(context, options, id, flags),
      ),
    );
  payouts
    .command("write-off")
    .description("give a stuck one up: its node is not paid for those receipts")
    .argument("<payout>", "its id, or how it begins")
    .option("--reason <text>", "why; stands in the books and in the audit log")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, id: string, flags: WriteOffFlags) =>
        (await load()).giveUp(context, options, id, flags),
      ),
    );
  payouts
    .command("reclaim")
    .description("take back the rent of markers of payouts that were paid long ago")
    .option("--after-hours <hours>", "so long ago; a backup older than this must not be put back in place", "168")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: ReclaimFlags) => (await load()).reclaim(context, options, flags)));
}
