// Stage: a folder of its own to build a release in: the sources of one commit, and every platform's native files. The
// developer's own node_modules are not touched.
import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INPUTS } from "../setup/freshness.ts";
import { bun, ROOT } from "../setup/tools.ts";

/** What is laid out: all that the build reads, and what installing needs. */
const FILES = [...INPUTS, "bunfig.toml"];
/** Those of every target of a release. */
const PLATFORMS = ["--cpu=x64", "--cpu=arm64", "--os=linux", "--os=darwin", "--os=win32"];

export type Stage = {
  folder: string;
  /** Short hash of the commit; empty where the working tree was taken. */
  commit: string;
  /** Bun's runtime for each target is among the installed packages. */
  hasRuntimes: boolean;
  close(): void;
};

/**
 * `sources`: the last commit, whatever else lies in the working tree; or the working tree, to rehearse. `natives`: of
 * all platforms, installed anew by the lockfile; or of this one, which the developer has.
 */
export async function openStage(sources: "commit" | "working-tree", natives: "all" | "own"): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), "infernet-release-"));
  try {
    const commit = sources === "commit" ? await exportCommit(folder) : copyTree(folder);
    if (natives === "all") await run(bun("install", "--frozen-lockfile", "--ignore-scripts", ...PLATFORMS), folder);
    else symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "junction");
    const close = () => rmSync(folder, { recursive: true, force: true });
    return { folder, commit, hasRuntimes: natives === "all", close };
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
}

async function exportCommit(folder: string): Promise<string> {
  const archive = join(folder, "sources.tar");
  await run(["git", "archive", "--output", archive, "HEAD", ...FILES], ROOT);
  await run(["tar", "-xf", archive], folder);
  rmSync(archive);
  return (await run(["git", "rev-parse", "--short", "HEAD"], ROOT)).trim();
}

function copyTree(folder: string): string {
  for (const name of FILES) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  return "";
}

/** Runs a command to its end; its output. Throws with what it said where it fails. */
export async function run(command: string[], cwd: string): Promise<string> {
  const child = Bun.spawn(command, { cwd, stdio: ["ignore", "pipe", "pipe"] });
  const [out, problem, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`${command.slice(0, 3).join(" ")} ended with ${code}:\n${out}${problem}`);
  return out;
}
