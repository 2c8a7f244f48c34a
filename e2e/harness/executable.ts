// Executable: the compiled file that all end-to-end tests drive, built when it is missing or older than its sources.
import { existsSync, readdirSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

/** The repository. */
export const ROOT = resolve(import.meta.dir, "../..");
const EXECUTABLE = join(ROOT, "dist/infernet");
const SOURCES = ["src", "web", "migrations", "build", "package.json", "bun.lockb"];

let building: Promise<string> | null = null;

/**
 * Path of the executable, built once per process at most. INFERNET_E2E_EXECUTABLE names another one, which is taken as
 * it is. Throws with the build's output where the build fails.
 */
export function builtExecutable(): Promise<string> {
  const given = process.env.INFERNET_E2E_EXECUTABLE;
  if (given) return Promise.resolve(resolve(given));
  building ??= build();
  return building;
}

async function build(): Promise<string> {
  if (isFresh()) return EXECUTABLE;
  console.error("building dist/infernet");
  const child = Bun.spawn([process.execPath, "run", "build"], { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const [out, problem, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0 || !existsSync(EXECUTABLE)) throw new Error(`bun run build exited with ${code}\n${out}\n${problem}`);
  return EXECUTABLE;
}

function isFresh(): boolean {
  if (!existsSync(EXECUTABLE)) return false;
  const builtAtMs = statSync(EXECUTABLE).mtimeMs;
  return SOURCES.every((source) => newestMs(join(ROOT, source)) <= builtAtMs);
}

/** The last change of a file, or of any file below a folder that goes into the executable. 0 where it is not there. */
function newestMs(path: string): number {
  if (!existsSync(path)) return 0;
  const stat = statSync(path);
  if (!stat.isDirectory()) return path.endsWith(".test.ts") ? 0 : stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newestMs(join(path, name))));
}
