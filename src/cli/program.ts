// Program: parses the command line with commander and turns every way a command can end into an exit code. Flags of the
// configuration are derived from the schema and may stand before or after the command.
import { Command, CommanderError, Option } from "commander";
import { CONFIG_KEYS } from "../config/keys.ts";
import { versionText } from "../version.ts";
import { CliError, EXIT, type ExitCode, errorLines } from "./cli-error.ts";
import { defineCommands } from "./commands.ts";
import type { Context, GlobalOptions } from "./context.ts";

/** What `defineCommands` needs to attach a command: runs it with the flags that were given. */
export type Attach = <A extends unknown[]>(
  run: (context: Context, options: GlobalOptions, ...args: A) => Promise<ExitCode>,
) => (...args: A) => Promise<void>;

/** Runs one command line to its end. Never throws. */
export async function runCli(argv: readonly string[], context: Context): Promise<ExitCode> {
  const { terminal } = context;
  const program = new Command("infernet");
  let exitCode: ExitCode = EXIT.good;
  addGlobalOptions(program, context);
  const attach: Attach =
    (run) =>
    async (...args) => {
      exitCode = await run(context, globalOptions(program), ...args);
    };
  defineCommands(program, attach);
  try {
    await program.parseAsync(argv[0] === "help" ? helpFor(program, argv.slice(1)) : [...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    const debug = argv.includes("--debug");
    if (!(error instanceof CommanderError)) {
      terminal.err(errorLines(error, debug));
      return error instanceof CliError ? error.exitCode : EXIT.failed;
    }
    if (error.exitCode === 0) return EXIT.good;
    if (error.code !== "commander.help") terminal.err(errorLines(usageError(error, program, argv), debug));
    return EXIT.usage;
  }
}

function addGlobalOptions(program: Command, { terminal }: Context): void {
  program
    .description("Run your own LLM inference network: one executable, one OpenAI-compatible API over everybody's GPUs.")
    .version(`infernet ${versionText}`, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help for a command")
    .option("--config <file>", "read this config.toml")
    .option("--debug", "show where an error came from")
    .exitOverride()
    .showSuggestionAfterError(true)
    .configureHelp({ showGlobalOptions: true, visibleGlobalOptions })
    .configureOutput({
      writeOut: (text) => terminal.out(text),
      writeErr: (text) => terminal.err(text),
      outputError: () => undefined,
    })
    .addHelpText("after", HELP_FOOT);
  for (const { flag, meta, kind } of CONFIG_KEYS) {
    const value = kind === "boolean" ? "<true|false>" : "<value>";
    const { alias } = meta;
    program.addOption(new Option(`--${flag} ${value}`, meta.why).hideHelp(alias !== flag));
    if (alias && alias !== flag)
      program.addOption(new Option(`--${alias}${kind === "boolean" ? "" : " <value>"}`, meta.why));
  }
}

/** Commands whose help lists the flags of the configuration; others show where it is read from only. */
const CONFIGURED = new Set(["run", "start", "restart", "setup", "service install"]);
const EVERYWHERE = new Set(["--config", "--data-dir", "--debug"]);

function visibleGlobalOptions(command: Command): Option[] {
  let root = command;
  while (root.parent) root = root.parent;
  if (root === command) return [];
  const shown = root.options.filter((option) => !option.hidden && option.long !== "--version");
  const name = command.parent === root ? command.name() : `${command.parent?.name()} ${command.name()}`;
  return CONFIGURED.has(name) ? shown : shown.filter((option) => EVERYWHERE.has(option.long ?? ""));
}

const HELP_FOOT = `
Every key of the configuration is a flag too ([server] port: --server-port) and an
environment variable (INFERNET_SERVER_PORT); \`infernet config example\` lists them.
Exit codes: 0 good, 1 failed, 2 wrong usage, 3 not reachable, 4 not allowed.`;

/** The flags before or after the command, by configuration key. */
function globalOptions(program: Command): GlobalOptions {
  const given = program.opts<Record<string, string | boolean | undefined>>();
  const flags: Record<string, string> = {};
  for (const { name, flag, meta } of CONFIG_KEYS) {
    const value = given[camelCase(flag)] ?? (meta.alias ? given[camelCase(meta.alias)] : undefined);
    if (value !== undefined) flags[name] = String(value);
  }
  const { config, debug } = given;
  return { flags, configFile: typeof config === "string" ? config : undefined, debug: debug === true };
}

/** As commander names an option's value: `server-port` → `serverPort`. */
const camelCase = (flag: string): string => flag.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

function usageError(error: CommanderError, program: Command, argv: readonly string[]): CliError {
  const [first = "", suggestion] = error.message.replace(/^error: /, "").split("\n");
  const help = ["infernet help", ...commandPath(program, argv)].join(" ");
  const hint = suggestion?.replace(/^\(|\)$/g, "") ?? `\`${help}\` lists what can be given`;
  return new CliError(first, { exitCode: EXIT.usage, hint });
}

/** `help nodes command` is `nodes command --help`: commander's own goes one level deep. */
function helpFor(program: Command, words: readonly string[]): string[] {
  const path = commandPath(program, words);
  // Left as it is where it names no command: then that is what is said.
  return path.length === 0 && words.some((word) => !word.startsWith("-")) ? [...words] : [...path, "--help"];
}

/** The names of the command that a command line is about: ["nodes", "command"]. */
function commandPath(program: Command, words: readonly string[]): string[] {
  const path: string[] = [];
  let command = program;
  for (const word of words) {
    const inner = command.commands.find((one) => one.name() === word);
    if (!inner) continue;
    path.push(word);
    command = inner;
  }
  return path;
}
