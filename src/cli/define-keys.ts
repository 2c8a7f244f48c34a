// The commands of API keys, with their arguments and flags.
import type { Command } from "commander";
import type { KeyFlags, RotateFlags } from "./commands/keys.ts";
import type { Attach } from "./program.ts";

type Json = { json?: boolean };
const JSON_FLAG = ["--json", "print JSON"] as const;
const collect = (value: string, before: string[] = []): string[] => [...before, value];

export function defineKeys(program: Command, attach: Attach): void {
  const load = () => import("./commands/keys.ts");
  const keys = program.command("keys").description("API keys of clients");
  keys
    .command("create")
    .description("make one; it is printed this once")
    .argument("[name]", "to tell it from others", "default")
    .option("--account <id>", "whose requests it makes, and who pays; left out: the built-in account")
    .option("--role <role>", "client, or operator: for workers that serve models", "client")
    .option("--expires <time>", "for how long it is good, e.g. 30d; left out: until it is revoked")
    .option("--scope <name>", "what it may do; may be repeated; left out: all that a client may", collect)
    .option("--model <name>", "a model it may use, or how names begin with a * behind; may be repeated", collect)
    .option("--pool <name>", "a private pool whose nodes it may use; may be repeated", collect)
    .option("--rpm <count>", "requests a minute")
    .option("--tpm <count>", "tokens a minute")
    .option("--spend-day <usd>", "what it may cost in a day (UTC), in USD, e.g. 2.50")
    .option("--spend-total <usd>", "what it may cost in all, in USD")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, name: string, flags: Json & KeyFlags) =>
        (await load()).create(context, options, name, flags),
      ),
    );
  keys
    .command("list")
    .description("list them")
    .option(...JSON_FLAG)
    .action(attach(async (context, options, flags: Json) => (await load()).list(context, options, flags)));
  keys
    .command("rotate")
    .description("make one that takes over from another, with its rights and limits; it is printed this once")
    .argument("<id>", "the old one's id, or how it begins")
    .option("--overlap <time>", "for how long the old one is still good; 0: not at all", "24h")
    .option("--expires <time>", "for how long the new one is good; left out: for as long as the old one was made for")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, id: string, flags: Json & RotateFlags) =>
        (await load()).rotate(context, options, id, flags),
      ),
    );
  keys
    .command("revoke")
    .description("end one at once")
    .argument("<id>", "its id, or how it begins")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, id: string, flags: Json) => (await load()).revoke(context, options, id, flags)),
    );
}
