// Command view: how commands at work on nodes look: bars side by side at a terminal, a line for each step elsewhere.
import { MultiBar, type SingleBar } from "cli-progress";
import type { CommandRow } from "../admin/operations.ts";
import type { Terminal } from "./context.ts";
import { harmless } from "./harmless.ts";

export type CommandView = {
  /** How they stand now; those that are not among `rows` stay as they were. */
  show(rows: readonly CommandRow[], nowMs: number): void;
  /** Says something beside them. */
  note(text: string): void;
  end(): void;
};

const NAME_CHARS = 24;
const BAR_CHARS = 24;
const FPS = 8;
/** A line at least this often where nothing else changes. */
const LINE_EVERY_MS = 10_000;

/** The node as people know it. */
export const nodeLabel = ({ node, node_name }: Pick<CommandRow, "node" | "node_name">): string =>
  harmless(node_name ?? node.slice(0, 16), NAME_CHARS);

export const hasEnded = ({ state }: CommandRow): boolean => state !== "queued" && state !== "running";

export function commandView(terminal: Pick<Terminal, "err" | "stderrIsTty" | "columns">): CommandView {
  return terminal.stderrIsTty ? barView(terminal) : lineView(terminal);
}

function barView(terminal: Pick<Terminal, "err" | "columns">): CommandView {
  const stream = {
    isTTY: true,
    get columns() {
      return terminal.columns ?? 80;
    },
    write: (text: string) => terminal.err(text),
  };
  const bars = new MultiBar({
    format: (_options, _params, { line }: { line: string }) => line,
    fps: FPS,
    hideCursor: true,
    linewrap: null,
    gracefulExit: false,
    emptyOnZero: true,
    stream: stream as unknown as NodeJS.WritableStream,
  });
  const known = new Map<string, { bar: SingleBar; speed: Speed }>();
  return {
    show(rows, nowMs) {
      for (const row of rows) {
        let one = known.get(row.id);
        if (!one) {
          one = { bar: bars.create(1, 0, { line: lineOf(row, "") }), speed: speed() };
          known.set(row.id, one);
        }
        const rate = one.speed(row.progress?.completed ?? null, nowMs);
        one.bar.update(0, { line: lineOf(row, rate === null ? "" : `  ${size(rate)}/s`) });
      }
    },
    note: (text) => bars.log(`${text}\n`),
    end: () => bars.stop(),
  };
}

/** "gpu-1  ██████░░░░  58 %  1.2 GB of 2.0 GB  52.1 MB/s  pulling 6a0746a1ec1a" */
function lineOf(row: CommandRow, rate: string): string {
  const name = nodeLabel(row).padEnd(8);
  if (hasEnded(row)) return `${name}  ${row.state}${row.error === null ? "" : `: ${harmless(row.error)}`}`;
  const share = shareOf(row);
  const doing = stepOf(row);
  if (share === null) return `${name}  ${doing}`;
  const full = Math.round(share * BAR_CHARS);
  const bar = "█".repeat(full) + "░".repeat(BAR_CHARS - full);
  return `${name}  ${bar}  ${percent(share)}  ${amountOf(row)}${rate}  ${doing}`;
}

const percent = (share: number): string => `${Math.floor(share * 100)} %`;

function shareOf({ progress }: CommandRow): number | null {
  if (!progress || progress.completed === null || progress.total === null || progress.total === 0) return null;
  return Math.min(1, progress.completed / progress.total);
}

const amountOf = ({ progress }: CommandRow): string =>
  `${size(progress?.completed ?? 0)} of ${size(progress?.total ?? 0)}`;

function stepOf({ state, online, cancelling, progress }: CommandRow): string {
  const there = state === "queued" && !online ? "waits for the node, which is not online" : "begins";
  return `${progress ? harmless(progress.phase) : there}${cancelling ? " (cancelling)" : ""}`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];
/** Bytes in decimal units. */
function size(bytes: number): string {
  const power = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${UNITS[power]}`;
}

/** Bytes a second over the last few seconds; null while that is not known. */
type Speed = (bytes: number | null, nowMs: number) => number | null;
const SPEED_OVER_MS = 5_000;
function speed(): Speed {
  const seen: { bytes: number; atMs: number }[] = [];
  return (bytes, nowMs) => {
    if (bytes === null) return null;
    // It begins anew, or with another layer.
    if (bytes < (seen.at(-1)?.bytes ?? 0)) seen.length = 0;
    seen.push({ bytes, atMs: nowMs });
    while (seen.length > 2 && nowMs - (seen[0]?.atMs ?? nowMs) > SPEED_OVER_MS) seen.shift();
    const [first] = seen;
    return first && nowMs > first.atMs ? ((bytes - first.bytes) * 1000) / (nowMs - first.atMs) : null;
  };
}

function lineView(terminal: Pick<Terminal, "err">): CommandView {
  const said = new Map<string, { step: string; atMs: number }>();
  const say = (row: CommandRow, nowMs: number) => {
    const share = shareOf(row);
    const step = `${stepOf(row)} ${share === null ? "" : Math.floor(share * 10)}`;
    const before = said.get(row.id);
    if (hasEnded(row) || (before?.step === step && nowMs - before.atMs < LINE_EVERY_MS)) return;
    said.set(row.id, { step, atMs: nowMs });
    const far = share === null ? "" : ` ${percent(share)} (${amountOf(row)})`;
    terminal.err(`${nodeLabel(row)}: ${stepOf(row)}${far}\n`);
  };
  return {
    show(rows, nowMs) {
      for (const row of rows) say(row, nowMs);
    },
    note: (text) => terminal.err(`${text}\n`),
    end: () => undefined,
  };
}
