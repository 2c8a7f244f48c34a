// Swap: the new executable takes the old one's place in one step, and the old one stays beside it.
import { closeSync, copyFileSync, fsyncSync, linkSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { Place } from "./place.ts";

/**
 * Puts `draft` in the executable's place and keeps what was there as `previous`. On POSIX systems there is an executable
 * at every moment, the old or the new one, also through a crash. Throws where the disk refuses; the executable is then the
 * one that was there.
 */
export function swapIn(place: Place, platform: NodeJS.Platform = process.platform): void {
  if (platform === "win32") swapRunning(place);
  else swapAtomically(place);
}

function swapAtomically({ executable, previous, draft }: Place): void {
  const kept = `${draft}.old`;
  rmSync(kept, { force: true });
  try {
    keepAs(executable, kept);
    renameSync(kept, previous);
    renameSync(draft, executable);
    syncFolder(dirname(executable));
  } finally {
    rmSync(kept, { force: true });
  }
}

/** A second name for the same file; a copy where the file system has no hard links. */
export function keepAs(file: string, name: string): void {
  try {
    linkSync(file, name);
  } catch {
    // Whatever the reason, a copy does as well; what stops that too is thrown.
    copyFileSync(file, name);
  }
}

/** Windows does not let a running executable be replaced, but renamed: it steps aside first, and back where that fails. */
function swapRunning({ executable, previous, draft }: Place): void {
  rmSync(previous, { force: true });
  renameSync(executable, previous);
  try {
    renameSync(draft, executable);
  } catch (error) {
    renameSync(previous, executable);
    throw error;
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
