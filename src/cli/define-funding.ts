// The commands about deposits and stakes, with their arguments and flags.
import type { Command } from "commander";
import type { ReasonFlags, RegisterFlags } from "./commands/stake.ts";
import type { Attach } from "./program.ts";

type Json = { json?: boolean };
const JSON_FLAG = ["--json", "print JSON"] as const;
const NODE = "a node's name, or how its key begins";
const USD = "how much, e.g. 25 or 0.50";

export function defineFunding(program: Command, attach: Attach): void {
  program
    .command("deposit")
    .description("pay into the operator's treasury from a phone's wallet (custodial): prints a QR code")
    .argument("[usd]", `${USD}; left out: the wallet asks`)
    .option("--url <url>", "address of the coordinator; left out: the one that runs here")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, usd: string | undefined, flags: Json & { url?: string }) =>
        (await import("./commands/deposit.ts")).deposit(context, options, usd, flags),
      ),
    );
  defineStake(program, attach);
}

function defineStake(program: Command, attach: Attach): void {
  const load = () => import("./commands/stake.ts");
  const stake = program.command("stake").description("what nodes put at stake, and what its parties sign");
  const named = (name: string, description: string): Command =>
    stake
      .command(name)
      .description(description)
      .option(...JSON_FLAG);
  named("status", "print what every node has at stake").action(
    attach(async (context, options, flags: Json) => (await load()).status(context, options, flags)),
  );
  named("open", "print a transaction that opens a stake's account, for the node's wallet to sign")
    .argument("<kind>", "pledge: the wallet may revoke it. multisig: two of node, coordinator and arbiter sign")
    .argument("<wallet>", "the node's wallet, which pays for it")
    .argument("[usd]", `of a pledge: ${USD}`)
    .action(
      attach(async (context, options, kind: string, wallet: string, usd: string | undefined, flags: Json) =>
        (await load()).open(context, options, [kind, wallet, usd], flags),
      ),
    );
  named("deposit", "print a transaction that puts more at stake, for the node's wallet to sign")
    .argument("<node>", NODE)
    .argument("<usd>", USD)
    .action(
      attach(async (context, options, node: string, usd: string, flags: Json) =>
        (await load()).deposit(context, options, [node, usd], flags),
      ),
    );
  named("proof", "print the text with which a wallet vouches for a pledge, to be signed as a message")
    .argument("<node>", NODE)
    .requiredOption("--wallet <address>", "the node's wallet")
    .requiredOption("--account <address>", "the token account")
    .action(
      attach(async (context, options, node: string, flags: RegisterFlags) =>
        (await load()).proof(context, options, node, flags),
      ),
    );
  named("register", "take a token account as a node's stake")
    .argument("<node>", NODE)
    .requiredOption("--wallet <address>", "the node's wallet")
    .requiredOption("--account <address>", "the token account")
    .option("--multisig <address>", "whom it belongs to, of an enforceable stake")
    .option("--issued <ms>", "of a pledge: as `infernet stake proof` said")
    .option("--signature <base58>", "of a pledge: the wallet's, over the proof")
    .action(
      attach(async (context, options, node: string, flags: RegisterFlags) =>
        (await load()).register(context, options, node, flags),
      ),
    );
  const deciding = (name: "release" | "slash", description: string) =>
    named(name, description)
      .argument("<node>", NODE)
      .argument("<usd>", USD)
      .option("--reason <text>", "why; stands in the audit log")
      .action(
        attach(async (context, options, node: string, usd: string, flags: ReasonFlags) =>
          (await load())[name](context, options, [node, usd], flags),
        ),
      );
  deciding("release", "give an enforceable stake back: prints what the node's wallet signs, too");
  deciding("slash", "take of a stake: a pledge at once; of an enforceable one prints what the arbiter signs, too");
  named("submit", "send a transaction that all have signed")
    .argument("<transaction>", "base64")
    .action(
      attach(async (context, options, transaction: string, flags: Json) =>
        (await load()).submit(context, options, transaction, flags),
      ),
    );
  named("forget", "let a node's stake go; what is on the chain stays as it is")
    .argument("<node>", NODE)
    .action(
      attach(async (context, options, node: string, flags: Json) =>
        (await load()).forget(context, options, node, flags),
      ),
    );
}
