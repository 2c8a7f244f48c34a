// Follow changes: where coordinators share a database, what one decides about API keys, nodes and settings is taken over by
// the others within a second. One small query each time; the tables are read only when they changed.
import type { KeyRing } from "../accounts/key-ring.ts";
import type { Db } from "../db/open.ts";
import { changes } from "../db/schema.ts";
import type { Cancel, Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Links } from "../registry/links.ts";
import type { Settings } from "../settings/settings.ts";
import type { LiveKeys } from "./key-directory.ts";

export type FollowDeps = {
  db: Db;
  clock: Clock;
  log: Log;
  ring: Pick<KeyRing, "reload">;
  keys: Pick<LiveKeys, "reloadAll">;
  links: Pick<Links, "reset">;
  settings: Pick<Settings, "reload">;
  /** Called at the end of each look. */
  looked?: () => void;
};

const LOOK_EVERY_MS = 1_000;

/** Looks once a second until it is cancelled. A database that is away is asked on, and said to be away once. */
export function followChanges(deps: FollowDeps): Cancel {
  const seen = new Map<string, number>();
  let looking = false;
  let away = false;
  return deps.clock.every(LOOK_EVERY_MS, () => {
    if (looking) return;
    looking = true;
    look(deps, seen)
      .then(
        () => {
          away = false;
        },
        (error: unknown) => {
          if (!away) deps.log.warn("changes by other coordinators cannot be seen; trying again", { err: error });
          away = true;
        },
      )
      .finally(() => {
        looking = false;
        deps.looked?.();
      });
  });
}

async function look({ db, ring, keys, links, settings }: FollowDeps, seen: Map<string, number>): Promise<void> {
  for (const { name, n } of await db.read.select().from(changes)) {
    if (seen.get(name) === n) continue;
    if (name === "api_keys") await ring.reload();
    if (name === "settings") await settings.reload();
    if (name === "nodes") for (const pubkey of await keys.reloadAll()) links.reset(pubkey, "decided elsewhere");
    // Noted after the reading: what failed is read again, and what came meanwhile has another number.
    seen.set(name, n);
  }
}
