// Table: rows of text for people. Every cell is made harmless here, since most of them come from strangers.
import { styleText } from "node:util";
import CliTable from "cli-table3";
import { harmless } from "./harmless.ts";

/** Aligned columns without borders, ending in a line feed. `null` shows as a dash. */
export function table(
  head: readonly string[],
  rows: readonly (readonly (string | number | null)[])[],
  colors = false,
): string {
  const none = { top: "", "top-mid": "", "top-left": "", "top-right": "", bottom: "", "bottom-mid": "" };
  const chars = { ...none, "bottom-left": "", "bottom-right": "", left: "", "left-mid": "", mid: "", "mid-mid": "" };
  const layout = new CliTable({
    head: head.map((title) => (colors ? styleText("bold", title) : title)),
    chars: { ...chars, right: "", "right-mid": "", middle: "  " },
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [], compact: true },
  });
  for (const row of rows) layout.push(row.map((cell) => (cell === null ? "-" : harmless(String(cell), 80))));
  const lines = layout.toString().split("\n");
  return `${lines.map((line) => line.trimEnd()).join("\n")}\n`;
}

/** "2 min ago", "3 h ago", "in 5 h"; a dash for null. */
export function relativeTime(timeMs: number | null, nowMs: number): string | null {
  if (timeMs === null) return null;
  const past = timeMs <= nowMs;
  const seconds = Math.round(Math.abs(nowMs - timeMs) / 1000);
  const text = span(seconds);
  return past ? `${text} ago` : `in ${text}`;
}

function span(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
