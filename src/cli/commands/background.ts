// infernet start | stop | restart | logs
import { closeSync, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Owner } from "../../identity/lock.ts";
import { logPath, startInBackground, stopRunning, withRememberedFlags } from "../background.ts";
import { CliError, EXIT, type ExitCode } from "../cli-error.ts";
import { type Context, type GlobalOptions, requireConfig } from "../context.ts";
import { harmless, harmlessText } from "../harmless.ts";
import { wholeNumber } from "../values.ts";
import { checkForRun } from "./run.ts";

export async function start(context: Context, options: GlobalOptions): Promise<ExitCode> {
  const loaded = await requireConfig(context, options);
  checkForRun(loaded);
  sayStarted(context, await startInBackground(context, options, loaded.config));
  return EXIT.good;
}

/** Good as well where nothing ran. */
export async function stop(context: Context, options: GlobalOptions, flags: { force?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const stopped = await stopRunning(context, config, { force: flags.force === true });
  context.terminal.out(stopped ? `infernet (pid ${stopped.pid}) has stopped\n` : "infernet was not running\n");
  return EXIT.good;
}

/** With the flags of the last `start`, where none are given now. */
export async function restart(context: Context, given: GlobalOptions, flags: { force?: boolean }): Promise<ExitCode> {
  const { config } = await requireConfig(context, given);
  const options = withRememberedFlags(given, config);
  const loaded = await requireConfig(context, options);
  checkForRun(loaded);
  await stopRunning(context, config, { force: flags.force === true });
  sayStarted(context, await startInBackground(context, options, loaded.config));
  return EXIT.good;
}

function sayStarted({ terminal }: Context, { pid, url }: Owner): void {
  terminal.out(`infernet answers at ${harmless(url ?? "-")} (pid ${pid})\n`);
  terminal.err("`infernet logs -f` follows its log, `infernet stop` stops it.\n");
}

const CHUNK_BYTES = 64 * 1024;
const FOLLOW_MS = 200;

/** The last lines of the log of a background instance; with `follow` what comes after, until a signal. */
export async function logs(
  context: Context,
  options: GlobalOptions,
  flags: { follow?: boolean; lines: string },
): Promise<ExitCode> {
  const { config } = await requireConfig(context, options);
  const path = logPath(config);
  const count = wholeNumber(flags.lines, "--lines", 0, 1_000_000);
  if (!existsSync(path)) {
    throw new CliError(`there is no log at ${path}`, {
      hint: "`infernet start` writes one; `infernet run` logs to its terminal",
    });
  }
  let offset = printTail(context, path, count);
  if (!flags.follow) return EXIT.good;
  const stopped = Promise.withResolvers<"stopped">();
  const release = context.onSignal(() => stopped.resolve("stopped"));
  try {
    while ((await Promise.race([sleep(FOLLOW_MS), stopped.promise])) !== "stopped")
      offset = printSince(context, path, offset);
  } finally {
    release();
  }
  return EXIT.good;
}

/** Prints the last `count` lines; the offset of the file's end. */
function printTail({ terminal }: Context, path: string, count: number): number {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    let start = size;
    let text = "";
    // One line feed more than lines, since the last line ends in one.
    while (start > 0 && text.split("\n").length <= count + 1) {
      const length = Math.min(CHUNK_BYTES, start);
      start -= length;
      text = readAt(file, start, length).toString("latin1") + text;
    }
    const lines = Buffer.from(text, "latin1").toString("utf8").split("\n");
    const last = count === 0 ? [] : lines.slice(-count - 1);
    terminal.out(harmlessText(last.join("\n")));
    return size;
  } finally {
    closeSync(file);
  }
}

/** Prints whole lines written since `offset`; the offset after them. From the start where the file is a new one. */
function printSince({ terminal }: Context, path: string, offset: number): number {
  if (!existsSync(path)) return 0;
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const from = size < offset ? 0 : offset;
    const bytes = readAt(file, from, size - from);
    const end = bytes.lastIndexOf(0x0a) + 1;
    terminal.out(harmlessText(bytes.subarray(0, end).toString("utf8")));
    return from + end;
  } finally {
    closeSync(file);
  }
}

function readAt(file: number, position: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  const read = readSync(file, bytes, 0, length, position);
  return bytes.subarray(0, read);
}
