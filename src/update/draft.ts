// Draft: the new executable on its way: written beside the old one, checked against what the release says of it, on disk
// before anything else happens.
import { createHash } from "node:crypto";
import { chmodSync, chownSync, closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { ok, type Result } from "../lib/result.ts";
import { targetOfFile } from "./executable-header.ts";
import { type FeedDeps, readBody } from "./feed.ts";
import type { ReleaseFile } from "./manifest.ts";
import { type Place, statsOf } from "./place.ts";
import { refuse, type UpdateRefusal } from "./refusal.ts";

export type Wanted = {
  url: URL;
  file: ReleaseFile;
  /** `<os>-<arch>` it must be made for. */
  target: string;
};

/**
 * Downloads into the place's draft and proves size, SHA-256 and target. After a refusal there is no draft. `onProgress`
 * is told the bytes so far.
 */
export async function downloadDraft(
  deps: FeedDeps,
  place: Place,
  wanted: Wanted,
  onProgress: (bytes: number) => void,
): Promise<Result<void, UpdateRefusal>> {
  let good = false;
  try {
    const written = await writeDraft(deps, place.draft, wanted, onProgress);
    if (!written.ok) return written;
    const made = targetOfFile(place.draft);
    if (made === null || (made !== wanted.target && !wanted.target.startsWith(`${made}-`))) {
      const what = made === null ? "no executable" : `made for ${made}`;
      return refuse("file_wrong", `${wanted.file.file} is ${what}, and this machine needs ${wanted.target}`);
    }
    takeAfter(place);
    good = true;
    return ok(undefined);
  } catch (error) {
    return diskRefusal(place.draft, error);
  } finally {
    if (!good) rmSync(place.draft, { force: true });
  }
}

async function writeDraft(
  deps: FeedDeps,
  draft: string,
  { url, file }: Wanted,
  onProgress: (bytes: number) => void,
): Promise<Result<void, UpdateRefusal>> {
  const hash = createHash("sha256");
  let bytes = 0;
  const fd = openSync(draft, "wx", 0o600);
  try {
    const read = await readBody(deps, url, file.bytes, (piece) => {
      for (let at = 0; at < piece.byteLength; ) at += writeSync(fd, piece, at);
      hash.update(piece);
      bytes += piece.byteLength;
      onProgress(bytes);
    });
    if (!read.ok) return read;
    const hint = "the download was cut short or changed on its way: try again; if it stays, tell whoever releases it";
    if (bytes !== file.bytes)
      return refuse("file_wrong", `${url.href} has ${bytes} bytes, not ${file.bytes} as released`, hint);
    if (hash.digest("hex") !== file.sha256)
      return refuse("file_wrong", `${url.href} is not the file that was released (SHA-256 differs)`, hint);
    fsyncSync(fd);
    return ok(undefined);
  } finally {
    closeSync(fd);
  }
}

/** The rights of the executable that is there, and its owner where this user may give files away. */
function takeAfter(place: Place): void {
  const { mode, uid, gid } = statsOf(place);
  if (process.getuid?.() === 0) chownSync(place.draft, uid, gid);
  chmodSync(place.draft, mode & 0o777);
}

/** A disk's failure as a refusal; any other fault is thrown on. */
export function diskRefusal(path: string, error: unknown): Result<never, UpdateRefusal> {
  if (!(error instanceof Error) || !("code" in error)) throw error;
  const hint = error.code === "ENOSPC" ? "make room on that disk: an executable has about 150 MB" : undefined;
  return refuse("disk_failed", `${path}: ${error.message}`, hint);
}
