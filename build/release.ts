// Release: `bun run release` builds the last commit for every target and signs it, `bun run release keygen FILE` makes a
// key to sign with. src/update/design.md says how one is cut. With `--working-tree` and `--version` it is a rehearsal.
import { existsSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { targetOfFile } from "../src/update/executable-header.ts";
import { publicKeyHex } from "../src/update/manifest.ts";
import { makeReleaseKey, readReleaseKey } from "./release/key.ts";
import { type Built, publish } from "./release/publish.ts";
import { openStage, run, type Stage } from "./release/stage.ts";
import { hostTarget, isTarget, releaseFileName, releaseTarget, TARGETS, type Target } from "./setup/targets.ts";
import { bun, ROOT, runScript } from "./setup/tools.ts";

const RELEASED: Target[] = [
  "bun-linux-x64",
  "bun-linux-arm64",
  "bun-darwin-arm64",
  "bun-darwin-x64",
  "bun-windows-x64",
];

type Order = {
  targets: Target[];
  out: string;
  /** Empty: that of the sources' package.json. */
  version: string;
  /** Public keys that the executables will take releases from. */
  trusted: string[];
  sources: "commit" | "working-tree";
};

function readOrder(args: string[], signer: string): Order {
  const { values } = parseArgs({
    args,
    options: {
      target: { type: "string", multiple: true },
      out: { type: "string" },
      version: { type: "string" },
      trust: { type: "string", multiple: true, default: [] },
      "working-tree": { type: "boolean", default: false },
    },
  });
  const targets = (values.target ?? RELEASED).map((name) => (name.startsWith("bun-") ? name : `bun-${name}`));
  const rehearsal = values["working-tree"];
  if (values.version !== undefined && !rehearsal)
    throw new Error("--version is for rehearsals with --working-tree: a release has the version of package.json");
  for (const key of values.trust) if (!/^[0-9a-f]{64}$/.test(key)) throw new Error(`--trust ${key}: not 64 hex digits`);
  return {
    targets: targets.map((name) => {
      if (isTarget(name)) return name;
      throw new Error(`--target ${name}: must be one of ${Object.keys(TARGETS).join(", ")}`);
    }),
    version: values.version ?? "",
    out: resolve(values.out ?? join(ROOT, "dist/release")),
    trusted: [...new Set([signer, ...values.trust])],
    sources: rehearsal ? "working-tree" : "commit",
  };
}

async function buildOne(stage: Stage, target: Target, { out, version, trusted }: Order): Promise<Built> {
  const file = releaseFileName(target);
  const path = join(out, file);
  const keys = trusted.flatMap((key) => ["--release-key", key]);
  const runtime = stage.hasRuntimes ? ["--installed-runtime"] : [];
  const flags = ["--target", target, "--outfile", path, "--version", version, "--commit", stage.commit];
  await run(bun("build/build.ts", ...flags, ...keys, ...runtime), stage.folder);
  const made = targetOfFile(path);
  if (made === null || !releaseTarget(target).startsWith(made)) throw new Error(`${path} is for ${made ?? "nothing"}`);
  const { llama } = TARGETS[target];
  const library = join(stage.folder, "node_modules/@node-llama-cpp", llama, "bins", llama, "llama-addon.node");
  const engine = existsSync(library);
  const without = engine ? "" : "  (no embedded engine: no library for this platform is published in this version)";
  console.log(`${file}  ${(Bun.file(path).size / 1e6).toFixed(1)} MB${without}`);
  return { target: releaseTarget(target), file, engine };
}

async function cut(args: string[]): Promise<void> {
  const key = readReleaseKey(process.env);
  const order = readOrder(args, publicKeyHex(key));
  mkdirSync(order.out, { recursive: true });
  if (readdirSync(order.out).length > 0) throw new Error(`${order.out} is not empty: remove it, or name another --out`);
  const onlyOwn = order.targets.every((target) => target === hostTarget());
  const stage = await openStage(order.sources, onlyOwn ? "own" : "all");
  try {
    const built: Built[] = [];
    for (const target of order.targets) built.push(await buildOne(stage, target, order));
    const version = order.version || versionOf(stage);
    const date = `${new Date().toISOString().slice(0, 19)}Z`;
    await publish(order.out, { version, commit: stage.commit || null, date }, built, key);
    console.log(`infernet ${version} is in ${order.out}, signed with ${publicKeyHex(key)}`);
  } finally {
    stage.close();
  }
}

function versionOf({ folder }: Stage): string {
  return (JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { version: string }).version;
}

await runScript("release", async () => {
  const [first, ...rest] = process.argv.slice(2);
  if (first !== "keygen") await cut(process.argv.slice(2));
  else {
    const [path] = rest;
    if (path === undefined) throw new Error("keygen needs the file to write the key to, outside of the repository");
    console.log(`public key  ${makeReleaseKey(resolve(path))}`);
  }
  return 0;
});
