// Place: where the executable lies, and the files an update makes beside it: the download, and the one before.
import { accessSync, constants, lstatSync, readdirSync, realpathSync, rmSync, type Stats, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ok, type Result } from "../lib/result.ts";
import { refuse, type UpdateRefusal } from "./refusal.ts";

export type Place = {
  /** The executable itself, no link to it. */
  executable: string;
  /** Where the one before is kept. */
  previous: string;
  /** This process's own download. */
  draft: string;
};

/** Nothing an update does takes longer, so an older draft is nobody's. */
const MAX_DRAFT_AGE_MS = 2 * 3_600_000;

/** The place of the executable at `path`. Refused where this user cannot put another one there. */
export function openPlace(path: string, pid: number): Result<Place, UpdateRefusal> {
  const executable = realpathSync(path);
  const folder = dirname(executable);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch {
    const hint = "run it as the user it belongs to (`sudo infernet update`); in a container take a newer image instead";
    return refuse("not_writable", `this user cannot write to ${folder}, where ${basename(executable)} is`, hint);
  }
  return ok({ executable, previous: `${executable}.previous`, draft: draftName(executable, pid) });
}

const draftName = (executable: string, pid: number): string => `${executable}.update-${pid}`;
/** What stands after `.update-`: the process, and what `swapIn` holds for a moment. */
const DRAFT_SUFFIX = /^(\d{1,10})(?:\.old)?$/;

/**
 * Removes drafts of updates that were killed. Refused where one is still at work: two at once would leave the wrong
 * executable as the previous one.
 */
export function clearDrafts(
  { executable, draft }: Place,
  { nowMs, isRunning }: { nowMs: () => number; isRunning: (pid: number) => boolean },
): Result<void, UpdateRefusal> {
  const prefix = `${basename(executable)}.update-`;
  for (const name of readdirSync(dirname(executable))) {
    const [, digits] = name.startsWith(prefix) ? (DRAFT_SUFFIX.exec(name.slice(prefix.length)) ?? []) : [];
    if (digits === undefined) continue;
    const path = join(dirname(executable), name);
    const pid = Number(digits);
    const stats = lstatSync(path, { throwIfNoEntry: false });
    if (stats && path !== draft && nowMs() - stats.mtimeMs < MAX_DRAFT_AGE_MS && isRunning(pid))
      return refuse("busy", `another update is going on (pid ${pid})`, `wait for it; if there is none, remove ${path}`);
    rmSync(path, { force: true });
  }
  return ok(undefined);
}

/** What stands at the executable's place: the new one gets the same owner and rights. */
export const statsOf = ({ executable }: Place): Stats => statSync(executable);
