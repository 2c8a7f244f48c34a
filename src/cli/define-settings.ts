// The commands of settings, with their arguments and flags.
import type { Command } from "commander";
import type { Attach } from "./program.ts";

type Json = { json?: boolean };
const JSON_FLAG = ["--json", "print JSON"] as const;

export function defineSettings(program: Command, attach: Attach): void {
  const load = () => import("./commands/settings.ts");
  const settings = program
    .command("settings")
    .description("what of the configuration may change while a coordinator runs");
  settings
    .command("list")
    .description("list them, with what is in effect and where it comes from")
    .option("--all", "what is read at the start only, too")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, flags: Json & { all?: boolean }) => (await load()).list(context, options, flags)),
    );
  settings
    .command("set")
    .description("change one, at once; it stands above config.toml, and below flags and the environment")
    .argument("<key>", "as in config.toml, e.g. coordinator.queue_limit")
    .argument("<value>", "as in the environment: lists with commas, tables as JSON, nothing for a key left out")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, key: string, value: string, flags: Json) =>
        (await load()).set(context, options, key, value, flags),
      ),
    );
  settings
    .command("reset")
    .description("go back to what config.toml or the default says, at once")
    .argument("<key>", "as in config.toml")
    .option(...JSON_FLAG)
    .action(
      attach(async (context, options, key: string, flags: Json) => (await load()).reset(context, options, key, flags)),
    );
}
