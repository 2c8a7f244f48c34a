// CliError: how a command ends early. main.ts turns it into the two lines a user reads and the exit code.
import { harmlessText } from "./harmless.ts";

/** Exit codes, as `infernet help` names them. */
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

/** Faults that say what to do in their message or hint: more than that would not help. */
const EXPLAINED = new Set(["CliError", "StartError", "StorageError", "MigrationError"]);

/** The lines for stderr: `infernet: error: …`, then `infernet: hint: …`; the stack only where asked for. */
export function errorLines(thrown: unknown, debug: boolean): string {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  const lines = [`infernet: error: ${harmlessText(error.message).trimEnd()}`];
  const hint = hintOf(error);
  if (hint !== undefined) lines.push(`infernet: hint: ${harmlessText(hint)}`);
  else if (!EXPLAINED.has(error.name) && !debug) lines.push("infernet: hint: run it again with --debug to see where");
  if (debug) {
    lines.push(harmlessText(error.stack ?? ""));
    for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
      lines.push(`caused by ${harmlessText(cause.stack ?? cause.message)}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

const hintOf = (error: Error): string | undefined =>
  "hint" in error && typeof error.hint === "string" ? error.hint : undefined;
