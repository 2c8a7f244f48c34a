// Updates: builds what a running instance knows of releases.
import type { Config } from "../config.ts";
import type { DataDirectory } from "../identity/data-dir.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { target, trustedKeys } from "../update/this-build.ts";
import { LOOK_LIMITS, type UpdateWatch, watchUpdates } from "../update/watch.ts";
import { versionText } from "../version.ts";
import { UPDATE_FILE } from "./data-files.ts";

type Input = { config: Pick<Config, "update">; dir: DataDirectory; clock: Clock; log: Log };

export function buildUpdates({ config, dir, clock, log }: Input): UpdateWatch {
  const { feed: url, public_key: own, check: daily } = config.update;
  return watchUpdates({
    ...{ clock, log, daily, target, version: versionText, limits: LOOK_LIMITS },
    fetch: (address, init) => fetch(address, init),
    file: dir.file(UPDATE_FILE),
    feed: url === null ? null : { url, publicKeys: trustedKeys(own) },
  });
}
