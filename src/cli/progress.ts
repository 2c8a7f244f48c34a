// Progress: a bar at the terminal for what takes a while. It goes to stderr, and only where somebody is looking.
import { Format, SingleBar } from "cli-progress";
import type { Context } from "./context.ts";

export type ProgressBar = {
  /** How far it is, in bytes. */
  to(bytes: number): void;
  /** Leaves the line as it is and goes to the next one. */
  end(): void;
};

const SILENT: ProgressBar = { to: () => undefined, end: () => undefined };

/** A bar for so many bytes. Nothing is printed where stderr is no terminal. */
export function byteProgress({ terminal }: Pick<Context, "terminal">, label: string, totalBytes: number): ProgressBar {
  if (!terminal.stderrIsTty) return SILENT;
  const stream = { isTTY: true, columns: 80, write: (text: string) => terminal.err(text) };
  const bar = new SingleBar({
    format: `${label} {bar} {percentage} %  {value}/{total} MB  {eta_formatted}`,
    formatValue: (value, options, type) =>
      type === "value" || type === "total" ? (value / 1e6).toFixed(1) : Format.ValueFormat(value, options, type),
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: null,
    linewrap: null,
    fps: 10,
    etaBuffer: 200,
    stream: stream as unknown as NodeJS.WritableStream,
  });
  bar.start(totalBytes, 0);
  return { to: (bytes) => bar.update(bytes), end: () => bar.stop() };
}
