// Tool: one call of a vendor's or the system's own tool, with fixed arguments, bounded in time and output.
import { err, ok, type Result } from "../../lib/result.ts";

export type ToolError = "missing" | "failed" | "timed_out";
/** What it printed on stdout, where it ended well. Never throws. */
export type RunTool = (
  command: readonly [string, ...string[]],
  timeoutMs?: number,
) => Promise<Result<string, ToolError>>;

const TIMEOUT_MS = 5_000;
const MAX_BYTES = 4 * 1024 * 1024;

export const runTool: RunTool = async ([name, ...args], timeoutMs = TIMEOUT_MS) => {
  const path = Bun.which(name);
  if (path === null) return err("missing");
  try {
    const child = Bun.spawn([path, ...args], {
      // Numbers and words as the tool's authors wrote them, whatever the user's language.
      env: { ...process.env, LC_ALL: "C" },
      stdio: ["ignore", "pipe", "ignore"],
      timeout: timeoutMs,
      killSignal: "SIGKILL",
      maxBuffer: MAX_BYTES,
    });
    const [text] = await Promise.all([child.stdout.text(), child.exited]);
    if (child.signalCode !== null) return err("timed_out");
    return child.exitCode === 0 ? ok(text) : err("failed");
  } catch {
    return err("failed"); // It is there and cannot be run.
  }
};
