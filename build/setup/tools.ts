// Tools: what `up` and `verify` need before anything else runs. Imports nothing from node_modules, because on a fresh
// machine there is none yet.
import { existsSync } from "node:fs";
import { delimiter, join, resolve } from "node:path";

/** The repository's folder. */
export const ROOT = resolve(import.meta.dirname, "../..");

/** The executable that `bun run build` makes for this machine. */
export const EXECUTABLE = join(ROOT, "dist", process.platform === "win32" ? "infernet.exe" : "infernet");

/**
 * The environment of every child: the repository's tools come first on PATH, so that scripts find `bun` and the rest
 * where only node and npm are installed.
 */
export function toolEnv(env: Record<string, string | undefined> = process.env): Record<string, string | undefined> {
  return { ...env, PATH: [join(ROOT, "node_modules/.bin"), env.PATH ?? ""].filter(Boolean).join(delimiter) };
}

/** The Bun that runs this script, as a command: on a fresh machine there is no other. */
export const bun = (...args: string[]): string[] => [process.execPath, ...args];

/** Installs exactly what bun.lockb says. Quiet when it works; throws with Bun's own words when it does not. */
export async function installPackages(): Promise<void> {
  const child = Bun.spawn(bun("install", "--frozen-lockfile"), {
    cwd: ROOT,
    env: toolEnv(),
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`bun install failed (exit ${code}):\n${out}${err}`);
  if (!existsSync(join(ROOT, "node_modules/.bin/bun"))) {
    throw new Error("bun install left no node_modules/.bin/bun; remove node_modules and run again");
  }
}

/** Runs `main` and turns what it throws into one message and exit code 1. */
export async function runScript(name: string, main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    console.error(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
