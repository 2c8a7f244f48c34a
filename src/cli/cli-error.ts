// CliError: how a command ends early. main.ts turns it into the two lines a user reads and the exit code.
import { harmlessText } from "./harmless.ts";

/** Exit codes, as SPEC and `infernet help` name them. */
export const EXIT = { good: 0, failed: 1, usage: 2, unreachable: 3, notAllowed: 4 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What happened, to which thing, and (the hint) what to do next. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  readonly hint: string | undefined;
  constructor(message: string, options: { exitCode?: ExitCode; hint?: string | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = "CliError";
    this.exitCode = options.exitCode ?? EXIT.failed;
    this.hint = options.hint;
  }
}

/** The lines for stderr: `infernet: error: …`, then `infernet: hint: …`; the stack only where asked for. */
export function errorLines(error: unknown, debug: boolean): string {
  const message = error instanceof Error ? error.message : String(error);
  const lines = [`infernet: error: ${harmlessText(message).trimEnd()}`];
  const hint = error instanceof CliError ? error.hint : undefined;
  if (hint) lines.push(`infernet: hint: ${harmlessText(hint)}`);
  else if (!(error instanceof CliError) && !debug) lines.push("infernet: hint: run it again with --debug to see where");
  if (debug && error instanceof Error && error.stack) lines.push(harmlessText(error.stack));
  for (
    let cause = debug && error instanceof Error ? error.cause : undefined;
    cause instanceof Error;
    cause = cause.cause
  )
    lines.push(`caused by ${harmlessText(cause.stack ?? cause.message)}`);
  return `${lines.join("\n")}\n`;
}
