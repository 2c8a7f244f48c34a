// Watch: what a running instance knows of releases: looked at when somebody asks (or once a day where that is configured),
// and kept in its data directory until it runs that version. It changes nothing: putting another executable in place is
// the command's, on the machine.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { UpdateState } from "../admin/update-operations.ts";
import type { Updates } from "../admin/updates.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { ok, type Result } from "../lib/result.ts";
import { compareVersions, VERSION_PATTERN } from "../lib/versions.ts";
import { FEED_LIMITS, type FeedDeps, type FeedLimits } from "./feed.ts";
import { refuse, type UpdateRefusal } from "./refusal.ts";
import { type Feed, lookForUpdate } from "./update.ts";

export type WatchDeps = Omit<FeedDeps, "signal"> & {
  clock: Clock;
  log: Log;
  /** Where what was found is kept. */
  file: string;
  /** Null where nobody said. */
  feed: Feed | null;
  /** Look once a day without being asked. */
  daily: boolean;
  version: string;
  /** Null where it runs from its sources. */
  target: string | null;
};
export type UpdateWatch = Updates & { stop(): void };

const kept = z.strictObject({
  feed: z.string(),
  version: z.string().max(64).regex(VERSION_PATTERN),
  date: z.iso.datetime(),
  checked_ms: z.int().min(0),
  /** Targets that it has an executable for. */
  targets: z.array(z.string().max(64)).max(64),
});
type Kept = z.infer<typeof kept>;

const DAY_MS = 86_400_000;
/** A browser waits twenty seconds for an answer, and two files are read. */
export const LOOK_LIMITS: FeedLimits = { ...FEED_LIMITS, silenceMs: 6_000, manifestMs: 9_000 };
/** How often it is looked whether a day has passed; so late is the first look after a start. */
const EVERY_MS = 600_000;

export function watchUpdates(deps: WatchDeps): UpdateWatch {
  const { clock, log, feed, version, target } = deps;
  const stopped = new AbortController();
  let last = readKept(deps);
  // A clock that ran ahead then is no reason to wait until that day comes.
  let triedMs = Math.min(last?.checked_ms ?? 0, clock.nowMs());
  let looking: Promise<Result<UpdateState, UpdateRefusal>> | null = null;

  function state(): UpdateState {
    const found = last && {
      ...{ version: last.version, date: last.date, checked_ms: last.checked_ms },
      order: compareVersions(last.version, version),
      fits: target !== null && last.targets.includes(target),
    };
    return { version, target, feed: feed?.url ?? null, daily: deps.daily && feed !== null, found };
  }

  async function look(): Promise<Result<UpdateState, UpdateRefusal>> {
    if (feed === null) {
      const hint = "set [update] feed in config.toml to the address of a release's folder, and start again";
      return refuse("feed_invalid", "there is no address to look for releases at", hint);
    }
    triedMs = clock.nowMs();
    const current = { version, target: target ?? "" };
    const offer = await lookForUpdate({ ...deps, signal: stopped.signal }, feed, current);
    if (!offer.ok) return offer;
    const { release } = offer.value;
    const { version: offered, date, targets } = release;
    last = { feed: feed.url, version: offered, date, checked_ms: clock.nowMs(), targets: Object.keys(targets) };
    keep(deps, last);
    return ok(state());
  }

  /** Who asks while it is looked at gets the same. */
  function check(): Promise<Result<UpdateState, UpdateRefusal>> {
    looking ??= look().finally(() => {
      looking = null;
    });
    return looking;
  }

  async function lookDaily(): Promise<void> {
    if (clock.nowMs() - triedMs < DAY_MS) return;
    const looked = await check();
    if (looked.ok || stopped.signal.aborted) return;
    log.warn("the feed of releases could not be read; it is tried again in a day", { why: looked.error.message });
  }
  const cancel =
    deps.daily && feed !== null
      ? clock.every(EVERY_MS, () => {
          lookDaily().catch((error: unknown) => log.error("looking for releases failed", { err: error }));
        })
      : () => undefined;

  return {
    state,
    check,
    stop() {
      cancel();
      stopped.abort();
    },
  };
}

/** What was found at this feed; what another one said is forgotten, and so is what cannot be read. */
function readKept({ file, feed, log }: WatchDeps): Kept | null {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") log.warn("what the feed had is not known", { err: error });
    return null;
  }
  const parsed = kept.safeParse(jsonOf(text));
  return parsed.success && parsed.data.feed === feed?.url ? parsed.data : null;
}

/** Lost at worst: it is found again. */
function keep({ file, log }: WatchDeps, found: Kept): void {
  try {
    writeFileSync(`${file}.new`, `${JSON.stringify(found)}\n`, { mode: 0o600, flush: true });
    renameSync(`${file}.new`, file);
  } catch (error) {
    log.warn("what the feed has could not be kept over a restart", { err: error });
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
