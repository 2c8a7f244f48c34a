// Release feed: a signed release made the way real ones are, and a server for it whose answers a test can change.
import { copyFileSync, mkdtempSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeReleaseKey, readReleaseKey } from "../../build/release/key.ts";
import { type Built, publish } from "../../build/release/publish.ts";
import { hostTarget, isTarget, releaseFileName, releaseTarget } from "../../build/setup/targets.ts";
import type { Release } from "../../src/update/manifest.ts";
import { ROOT } from "./executable.ts";
import type { Stage } from "./stage.ts";

const host = hostTarget();
if (!isTarget(host)) throw new Error(`no release is made for ${host}`);
/** This machine as a release names it, and the file it has for it. */
export const HOST = { target: releaseTarget(host), file: releaseFileName(host) };

export type ReleaseKey = { path: string; publicKey: string };

export function newReleaseKey(stage: Stage): ReleaseKey {
  const path = join(stage.directory("key"), "release.key");
  return { path, publicKey: makeReleaseKey(path) };
}

/** A release of the working tree under another version, for this machine alone if nothing is said; its folder. */
export async function cutRelease(
  stage: Stage,
  { path }: ReleaseKey,
  version: string,
  targets: string[] = [HOST.target],
): Promise<string> {
  const out = stage.directory("release");
  const flags = [
    "--working-tree",
    "--version",
    version,
    "--out",
    out,
    ...targets.flatMap((name) => ["--target", name]),
  ];
  const child = Bun.spawn([process.execPath, "build/release.ts", ...flags], {
    cwd: ROOT,
    env: { ...process.env, INFERNET_RELEASE_KEY: path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [said, problem, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (code !== 0) throw new Error(`the release ended with ${code}\n${said}${problem}`);
  return out;
}

/** A properly signed release whose only file is a copy of `executable`; its folder. */
export async function signedRelease(
  stage: Stage,
  key: ReleaseKey,
  version: string,
  executable: string,
  target = HOST.target,
): Promise<string> {
  const folder = mkdtempSync(join(stage.directory("release"), "signed-"));
  const built: Built = { target, file: HOST.file, engine: true };
  copyFileSync(executable, join(folder, built.file));
  const about: Pick<Release, "version" | "commit" | "date"> = { version, commit: null, date: "2026-01-02T03:04:05Z" };
  await publish(folder, about, [built], readReleaseKey({ INFERNET_RELEASE_KEY: key.path }));
  return folder;
}

export type ReleaseFeed = {
  url: string;
  /** The folder whose files are served. */
  serve(folder: string): void;
  /** Another answer for one file, until the next `serve`. */
  answer(file: string, make: () => Response | Promise<Response>): void;
  /** Paths asked for since the last `serve`. */
  asked(): string[];
};

export function startReleaseFeed(stage: Stage): ReleaseFeed {
  let served = "";
  let asked: string[] = [];
  const answers = new Map<string, () => Response | Promise<Response>>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 120,
    fetch(request) {
      const name = new URL(request.url).pathname.slice(1);
      asked.push(name);
      const other = answers.get(name);
      if (other) return other();
      const path = join(served, name);
      return statSync(path, { throwIfNoEntry: false })?.isFile()
        ? new Response(Bun.file(path))
        : new Response("no such file", { status: 404 });
    },
  });
  stage.onClose(() => server.stop(true));
  return {
    url: server.url.href,
    serve(folder) {
      served = folder;
      asked = [];
      answers.clear();
    },
    answer: (file, make) => void answers.set(file, make),
    asked: () => asked,
  };
}
