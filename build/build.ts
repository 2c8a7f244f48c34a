// Build: makes one executable of everything. `bun build/build.ts [--target bun-linux-x64] [--outfile dist/infernet]`.
// Another target needs its native files: `bun run release` brings them into a folder of its own and builds there.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { checkerPlugin } from "./plugins/checker.ts";
import { libsqlPlugin } from "./plugins/libsql.ts";
import { nodeLlamaCppPlugin } from "./plugins/node-llama-cpp.ts";
import { checkSignature, signAdHoc } from "./setup/macho-signature.ts";
import { hostTarget, isTarget, releaseTarget, TARGETS, type Target } from "./setup/targets.ts";

const root = path.resolve(import.meta.dir, "..");

/** Short hash of HEAD, empty outside a repository. */
function gitCommit(): string {
  const git = Bun.which("git");
  if (git === null) return "";
  const run = Bun.spawnSync([git, "rev-parse", "--short", "HEAD"], { cwd: root, stderr: "ignore" });
  return run.success ? run.stdout.toString().trim() : "";
}

/**
 * Bun's runtime for the target from the installed package, whose hash the lockfile has. For this machine's own target
 * null where there is none: installing `bun` moves it, and the Bun that runs here is the same.
 */
function installedRuntime(target: Target): string | null {
  const { runtime } = TARGETS[target];
  if (runtime === null) throw new Error(`--installed-runtime: there is no package with Bun's runtime for ${target}`);
  const file = path.join(root, "node_modules", runtime, "bin", target.startsWith("bun-windows") ? "bun.exe" : "bun");
  if (existsSync(file)) return file;
  if (target === hostTarget()) return null;
  throw new Error(`${runtime} is not installed: \`bun install --cpu='*' --os='*'\` brings other platforms' runtimes`);
}

/** macOS runs only what is signed in itself. */
function mendSignature(file: string): void {
  const { wrong, covered } = checkSignature(readFileSync(file));
  if (wrong === 0 && covered) return;
  const signed = signAdHoc(readFileSync(file), "infernet");
  if (checkSignature(signed).wrong > 0) throw new Error(`${file}: its ad-hoc signature is wrong`);
  writeFileSync(file, signed);
}

const { values } = parseArgs({
  options: {
    target: { type: "string" },
    outfile: { type: "string", default: path.join(root, "dist/infernet") },
    entry: { type: "string", default: path.join(root, "src/main.ts") },
    // What `bun run release` knows better than this folder.
    version: { type: "string", default: "" },
    commit: { type: "string" },
    "release-key": { type: "string", multiple: true, default: [] },
    "installed-runtime": { type: "boolean", default: false },
    "no-bytecode": { type: "boolean", default: false },
    "no-minify": { type: "boolean", default: false },
    "no-splitting": { type: "boolean", default: false },
  },
});
const target = values.target ?? hostTarget();
if (!isTarget(target)) throw new Error(`--target ${target}: must be one of ${Object.keys(TARGETS).join(", ")}`);
const isWindows = target.startsWith("bun-windows");
const outfile = isWindows && !values.outfile.endsWith(".exe") ? `${values.outfile}.exe` : values.outfile;
mkdirSync(path.dirname(outfile), { recursive: true });
const runtime = values["installed-runtime"] ? installedRuntime(target) : null;

const started = performance.now();
const built = await Bun.build({
  entrypoints: [values.entry],
  target: "bun",
  format: "esm",
  minify: !values["no-minify"],
  bytecode: !values["no-bytecode"],
  splitting: !values["no-splitting"],
  define: {
    INFERNET_COMMIT: JSON.stringify(values.commit ?? gitCommit()),
    INFERNET_VERSION: JSON.stringify(values.version),
    INFERNET_TARGET: JSON.stringify(releaseTarget(target)),
    INFERNET_RELEASE_KEYS: JSON.stringify(values["release-key"].join(",")),
    "process.env.NODE_ENV": '"production"',
  },
  plugins: [libsqlPlugin(TARGETS[target].libsql), nodeLlamaCppPlugin(TARGETS[target].llama), await checkerPlugin()],
  compile: {
    target,
    outfile,
    autoloadDotenv: false,
    autoloadBunfig: false,
    ...(runtime === null ? {} : { executablePath: runtime }),
  },
});
for (const log of built.logs) console.error(String(log));
if (target.startsWith("bun-darwin")) mendSignature(outfile);
const size = Bun.file(outfile).size;
console.log(`${outfile}  ${(size / 1e6).toFixed(1)} MB  ${target}  ${Math.round(performance.now() - started)} ms`);
