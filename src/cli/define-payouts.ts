// The commands about what a node earns, with their arguments and flags.
import type { Command } from "commander";
import type { EarningsFlags } from "./commands/earnings.ts";
import type { PayoutFlags } from "./commands/payout.ts";
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
    .option("--rpc-url <url>", "an RPC server of the chain, to look at the payment oneself")
    .option("--no-wait", "do not wait until it is final")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: PayoutFlags) =>
        (await import("./commands/payout.ts")).payout(context, options, flags),
      ),
    );
}
