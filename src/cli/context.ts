// Context: what a command may touch of the world, so that tests can give it another one.

import type { ConfigProblem, LoadedConfig, LoadInput } from "../config.ts";
import type { Result } from "../lib/result.ts";
import { CliError, EXIT } from "./cli-error.ts";
import { harmlessJson } from "./harmless.ts";

/** Standard input and output. `out` is for results, `err` for everything else; both take whole text. */
export type Terminal = {
  out(text: string): void;
  err(text: string): void;
  /** All of standard input as text. */
  readStdin(): Promise<string>;
  /** One line typed at the terminal; null at Ctrl-D or Ctrl-C. */
  question(prompt: string): Promise<string | null>;
  stdinIsTty: boolean;
  stdoutIsTty: boolean;
  stderrIsTty: boolean;
  /** Signs in a row of stderr's terminal. */
  columns?: number;
  /** The user wants no colours (NO_COLOR) or the terminal has none. */
  colors: boolean;
};

export type Context = {
  terminal: Terminal;
  env: Record<string, string | undefined>;
  cwd: string;
  fetch: (input: string, init?: RequestInit) => Promise<Response>;
  nowMs: () => number;
  /** Calls `fn` at each SIGINT or SIGTERM until the returned function is called. */
  onSignal(fn: (signal: "SIGINT" | "SIGTERM") => void): () => void;
  /** Runs a command of the shell (POSIX; cmd on Windows) at the user's terminal, printing to stderr; its exit code. */
  shell(command: string): Promise<number>;
  /** Puts a new process in this one's place, with the same arguments; left out where the system cannot. */
  startAgain?: () => void;
  /** The command that starts this program again: the executable, or the runtime and main.ts. */
  self: readonly string[];
};

/** What every command gets of the flags that stand before or after it. */
export type GlobalOptions = {
  /** Values of configuration flags, by key name. */
  flags: Record<string, string>;
  configFile: string | undefined;
  debug: boolean;
};

export const loadInput = ({ env, cwd }: Context, options: GlobalOptions): LoadInput => ({
  flags: options.flags,
  configFile: options.configFile,
  env,
  cwd,
});

/** The checked configuration; warnings go to stderr. Throws a CliError that lists all that is wrong. */
export async function requireConfig(context: Context, options: GlobalOptions): Promise<LoadedConfig> {
  const { loadConfig } = await import("../config.ts");
  const loaded: Result<LoadedConfig, ConfigProblem[]> = loadConfig(loadInput(context, options));
  if (!loaded.ok) throw configError(loaded.error);
  for (const warning of loaded.value.warnings) context.terminal.err(`infernet: warning: ${warning}\n`);
  return loaded.value;
}

/** One line for each problem: the key, the value and what is allowed, and where it was written. */
export function configError(problems: ConfigProblem[]): CliError {
  const lines = problems.map(({ key, message, source }) => {
    const named = key === "" || key === source.where ? source.where : key;
    return named === source.where ? `${named}: ${message}` : `${named}: ${message} (from ${source.where})`;
  });
  const head = problems.length === 1 ? "the configuration is wrong: " : "the configuration is wrong:\n  ";
  return new CliError(head + lines.join("\n  "), {
    exitCode: EXIT.usage,
    hint: "config.example.toml has every key with its default; `infernet config example` prints it",
  });
}

/** Prints a result as JSON. */
export const printJson = ({ terminal }: Context, value: unknown): void => terminal.out(`${harmlessJson(value)}\n`);
