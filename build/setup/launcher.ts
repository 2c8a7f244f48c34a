// Launcher: notices that the npx which started `up` has been stopped. npm passes SIGTERM to the shell between itself
// and Bun, which dies without telling anyone; without a look at that shell infernet would run on with nobody to stop it.
import { existsSync, readFileSync } from "node:fs";

const LOOK_MS = 500;

/** The parent of a process; null where it is gone or cannot be told. */
function parentOf(pid: number): number | null {
  if (existsSync("/proc/self/stat")) {
    if (!existsSync(`/proc/${pid}/stat`)) return null;
    // "pid (name) state ppid …"; a name may hold blanks and parentheses.
    return Number(
      readFileSync(`/proc/${pid}/stat`, "utf8")
        .replace(/^.*\) . /s, "")
        .split(" ", 1)[0],
    );
  }
  if (Bun.which("ps") === null) return null;
  return Number(Bun.spawnSync(["ps", "-o", "ppid=", "-p", String(pid)]).stdout.toString()) || null;
}

/** Calls `stop` once when this process was started by npx and npx's shell is gone. Returns a function that ends it. */
export function onLauncherGone(stop: () => void, env: Record<string, string | undefined> = process.env): () => void {
  // npm → sh → bun run up → this process
  const shell = /np[mx]-cli\.js$/.test(env.npm_execpath ?? "") ? parentOf(process.ppid) : null;
  if (shell === null || shell <= 1) return () => undefined;
  const timer = setInterval(() => {
    if (parentOf(process.ppid) === shell) return;
    clearInterval(timer);
    stop();
  }, LOOK_MS);
  return () => clearInterval(timer);
}
