// Commands: the tree of commands with their arguments and flags. Each one's code is loaded when it runs.
import type { Command } from "commander";
import { CliError, EXIT } from "./cli-error.ts";
import type { Attach } from "./program.ts";

type Json = { json?: boolean };

/** Adds every command to the program. */
export function defineCommands(program: Command, attach: Attach): void {
  program
    .command("run", { isDefault: true })
    .description("run in the foreground (what `infernet` alone does)")
    .allowExcessArguments()
    .action(
      attach(async (context, options, _: object, command: Command) => {
        const [unknown] = command.args;
        if (unknown !== undefined) throw unknownCommand(unknown, program);
        return (await import("./commands/run.ts")).run(context, options);
      }),
    );
  defineConfig(program, attach);
  program
    .command("version")
    .description("print the version")
    .option("--json", "print JSON")
    .action(attach(async (context, _, flags: Json) => (await import("./commands/version.ts")).version(context, flags)));
}

function defineConfig(program: Command, attach: Attach): void {
  const config = program.command("config").description("look at the configuration");
  config
    .command("check")
    .description("say what is wrong with it")
    .action(attach(async (context, options) => (await import("./commands/config.ts")).check(context, options)));
  config
    .command("print")
    .description("print the values in effect, and where each came from")
    .option("--json", "print JSON")
    .option("--show-secrets", "do not mask secrets")
    .action(
      attach(async (context, options, flags: Json & { showSecrets?: boolean }) =>
        (await import("./commands/config.ts")).print(context, options, flags),
      ),
    );
  config
    .command("example")
    .description("print a config.toml with every key, its default and what it is for")
    .action(attach(async (context) => (await import("./commands/config.ts")).example(context)));
}

function unknownCommand(name: string, program: Command): CliError {
  const names = program.commands.map((command) => command.name());
  const near = names.find((known) => known.startsWith(name) || name.startsWith(known));
  const hint = near ? `did you mean \`infernet ${near}\`?` : "`infernet help` lists the commands";
  return new CliError(`unknown command ${JSON.stringify(name)}`, { exitCode: EXIT.usage, hint });
}
