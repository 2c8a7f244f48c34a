// The commands about money and of the audit log, with their arguments and flags.
import type { Command } from "commander";
import type { ListFlags } from "./commands/audit.ts";
import type { MoveFlags, StatementFlags } from "./commands/credits.ts";
import type { UsageFlags } from "./commands/usage.ts";
import type { Attach } from "./program.ts";

type Json = { json?: boolean };
const JSON_FLAG = ["--json", "print JSON"] as const;
const ACCOUNT = "an account's id or name, its owner's email address, or a node's name or key";

export function defineMoney(program: Command, attach: Attach): void {
  defineCredits(program, attach);
  withPeriod(program.command("usage"))
    .description("requests, tokens and what was charged")
    .option("--by <names>", "count by these, between commas: account, key, model, day", "key,model")
    .option("--account <account>", "of this account only")
    .action(
      attach(async (context, options, flags: UsageFlags) =>
        (await import("./commands/usage.ts")).usage(context, options, flags),
      ),
    );
  defineAudit(program, attach);
}

const withPeriod = (command: Command): Command =>
  command
    .option("--month <month>", "one month (UTC), e.g. 2026-03; left out: this one until now")
    .option("--from <day>", "from this day on, e.g. 2026-03-01, or a moment")
    .option("--to <day>", "up to this day, with all of it")
    .option("--csv", "print CSV")
    .option(...JSON_FLAG);

function defineCredits(program: Command, attach: Attach): void {
  const load = () => import("./commands/credits.ts");
  const credits = program.command("credits").description("what accounts and nodes have, and why");
  const moving = (name: string, description: string): Command =>
    credits
      .command(name)
      .description(description)
      .option("--reason <text>", "why; stands in the statement and in the audit log")
      .option("--id <id>", "the same again moves nothing again")
      .option(...JSON_FLAG);
  credits
    .command("show")
    .description("print balances, what is held of them and what is available")
    .argument("[account]", `${ACCOUNT}; left out: all that ever had money`)
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, account: string | undefined, flags: Json) =>
        (await load()).show(context, options, account, flags),
      ),
    );
  moving("grant", "give a client's account credit")
    .argument("<account>", "an account's id or name, or its owner's email address")
    .argument("<usd>", "how much, e.g. 25 or 0.50")
    .action(
      attach(async (context, options, account: string, usd: string, flags: MoveFlags) =>
        (await load()).grant(context, options, [account, usd], flags),
      ),
    );
  moving("adjust", "correct what an account has; never below what is held")
    .argument("<account>", ACCOUNT)
    .argument("<usd>", "by how much, e.g. 0.50, or -3.20 to take")
    .action(
      attach(async (context, options, account: string, usd: string, flags: MoveFlags) =>
        (await load()).adjust(context, options, [account, usd], flags),
      ),
    );
  moving("settle-outside", "note that a node was paid for its oldest receipts, but not on the chain")
    .argument("<node>", "its name, its public key or how that begins")
    .argument("[usd]", "at most so much; left out: all that is owed")
    .action(
      attach(async (context, options, node: string, usd: string | undefined, flags: MoveFlags) =>
        (await load()).settleOutside(context, options, [node, usd], flags),
      ),
    );
  withPeriod(credits.command("statement"))
    .description("opening balance, each movement with its cause, closing balance")
    .argument("<account>", ACCOUNT)
    .action(
      attach(async (context, options, account: string, flags: StatementFlags) =>
        (await load()).statement(context, options, account, flags),
      ),
    );
}

function defineAudit(program: Command, attach: Attach): void {
  const load = () => import("./commands/audit.ts");
  const audit = program.command("audit").description("the log of who did what that touches security or money");
  audit
    .command("list")
    .description("list entries, the newest first")
    .option("--action <name>", "of one act, e.g. key.revoked, or of one kind: key")
    .option("--actor <who>", "of one, e.g. local or user/…")
    .option("--subject <what>", "about one thing")
    .option("--since <time>", "of the last while, e.g. 7d")
    .option("--limit <count>", "at most so many", "100")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: ListFlags) => (await load()).list(context, options, flags)));
  audit
    .command("head")
    .description("print the last entry's number and hash, to be kept elsewhere")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).head(context, options, flags)));
  audit
    .command("verify")
    .description("prove that no entry was changed, removed or put in")
    .option("--head <seq:hash>", "one that was kept elsewhere: also that nothing was cut off since")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: Json & { head?: string }) =>
        (await load()).verify(context, options, flags),
      ),
    );
}
