// Build: makes one executable of everything. `bun build/build.ts [--target bun-linux-x64] [--outfile dist/infernet]`.
import { mkdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { libsqlPlugin } from "./plugins/libsql.ts";
import { nodeLlamaCppPlugin } from "./plugins/node-llama-cpp.ts";

const root = path.resolve(import.meta.dir, "..");

/** What each of Bun's compile targets is called by the packages that ship native files for it. */
const TARGETS = {
  "bun-linux-x64": { libsql: "@libsql/linux-x64-gnu", llama: "linux-x64" },
  "bun-linux-x64-musl": { libsql: "@libsql/linux-x64-musl", llama: "linux-x64-musl" },
  "bun-linux-arm64": { libsql: "@libsql/linux-arm64-gnu", llama: "linux-arm64" },
  "bun-linux-arm64-musl": { libsql: "@libsql/linux-arm64-musl", llama: "linux-arm64-musl" },
  "bun-darwin-arm64": { libsql: "@libsql/darwin-arm64", llama: "mac-arm64-metal" },
  "bun-darwin-x64": { libsql: "@libsql/darwin-x64", llama: "mac-x64" },
  "bun-windows-x64": { libsql: "@libsql/win32-x64-msvc", llama: "win-x64" },
} as const;
type Target = keyof typeof TARGETS;

const isTarget = (name: string): name is Target => name in TARGETS;

/** This machine's target; musl is told by the loader that Bun itself was linked with. */
function hostTarget(): string {
  const os = process.platform === "win32" ? "windows" : process.platform;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const musl = os === "linux" && report.header?.glibcVersionRuntime === undefined ? "-musl" : "";
  return `bun-${os}-${process.arch}${musl}`;
}

/** Short hash of HEAD, empty outside a repository. */
function gitCommit(): string {
  const git = Bun.which("git");
  if (git === null) return "";
  const run = Bun.spawnSync([git, "rev-parse", "--short", "HEAD"], { cwd: root, stderr: "ignore" });
  return run.success ? run.stdout.toString().trim() : "";
}

const { values } = parseArgs({
  options: {
    target: { type: "string" },
    outfile: { type: "string", default: path.join(root, "dist/infernet") },
    entry: { type: "string", default: path.join(root, "src/main.ts") },
    "no-bytecode": { type: "boolean", default: false },
    "no-minify": { type: "boolean", default: false },
    "no-splitting": { type: "boolean", default: false },
  },
});
const target = values.target ?? hostTarget();
if (!isTarget(target)) throw new Error(`--target ${target}: must be one of ${Object.keys(TARGETS).join(", ")}`);
mkdirSync(path.dirname(values.outfile), { recursive: true });

const started = performance.now();
const built = await Bun.build({
  entrypoints: [values.entry],
  target: "bun",
  format: "esm",
  minify: !values["no-minify"],
  bytecode: !values["no-bytecode"],
  splitting: !values["no-splitting"],
  define: { INFERNET_COMMIT: JSON.stringify(gitCommit()), "process.env.NODE_ENV": '"production"' },
  plugins: [libsqlPlugin(TARGETS[target].libsql), nodeLlamaCppPlugin(TARGETS[target].llama)],
  compile: { target, outfile: values.outfile, autoloadDotenv: false, autoloadBunfig: false },
});
for (const log of built.logs) console.error(String(log));
const size = Bun.file(values.outfile).size;
console.log(
  `${values.outfile}  ${(size / 1e6).toFixed(1)} MB  ${target}  ${Math.round(performance.now() - started)} ms`,
);
