// Run step: one command of `verify`, with its output in a file and a limit on its time.
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { BROWSER_ENV } from "./browser.ts";
import { ROOT, toolEnv } from "./tools.ts";

export type Step = {
  name: string;
  command: string[];
  limitS: number;
};

export type StepResult = { exitCode: number; output: string; log: string; seconds: number; timedOut: boolean };

const LOGS = join(ROOT, "dist/verify");

/** What tests must not inherit from a developer's shell: settings of an own instance, and colour. */
function stepEnv(): Record<string, string | undefined> {
  const own = Object.entries(toolEnv()).filter(
    ([name]) => (!name.startsWith("INFERNET_") || name === BROWSER_ENV) && name !== "FORCE_COLOR",
  );
  return { ...Object.fromEntries(own), CI: "1", NO_COLOR: "1" };
}

/**
 * Runs the command in a process group of its own and waits for it. Past its limit the whole group is killed; an
 * interrupt of this process kills it too. Its output goes to a file in `logs`.
 */
export async function runStep({ name, command, limitS }: Step, logs = LOGS): Promise<StepResult> {
  mkdirSync(logs, { recursive: true });
  const log = join(logs, `${name.replaceAll(/\W+/g, "-")}.log`);
  const file = openSync(log, "w");
  const startedMs = performance.now();
  const child = Bun.spawn(command, {
    cwd: ROOT,
    env: stepEnv(),
    stdin: "ignore",
    stdout: file,
    stderr: file,
    detached: true,
  });
  closeSync(file);
  let timedOut = false;
  const killGroup = () => {
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  const timer = setTimeout(() => {
    timedOut = true;
    killGroup();
  }, limitS * 1000);
  const onInterrupt = () => {
    killGroup();
    process.exit(130);
  };
  process.once("SIGINT", onInterrupt).once("SIGTERM", onInterrupt);
  const exitCode = await child.exited;
  clearTimeout(timer);
  process.off("SIGINT", onInterrupt).off("SIGTERM", onInterrupt);
  killGroup();
  const seconds = (performance.now() - startedMs) / 1000;
  return { exitCode, output: readFileSync(log, "utf8"), log, seconds, timedOut };
}
