// Settings for tests: over the configuration's defaults, or over what a test says was written somewhere.
import { configGround } from "../../config/ground.ts";
import type { Source } from "../../config/layers.ts";
import { type Config, configSchema } from "../../config/schema.ts";
import type { Db } from "../../db/open.ts";
import { type Clock, manualClock } from "../../lib/clock.ts";
import { type Log, silentLog } from "../../lib/log.ts";
import { databaseStore } from "../database-store.ts";
import { openSettings } from "../settings.ts";

type Input = {
  db: Db;
  clock?: Pick<Clock, "nowMs">;
  log?: Log;
  /** As in config.toml. */
  written?: object;
  sources?: Record<string, Source>;
};

export async function testSettings({ db, clock = manualClock(), log = silentLog, written = {}, sources = {} }: Input) {
  const loaded: Config = { ...configSchema.parse(written), data_dir: "/nowhere" };
  const { config, ground } = configGround(loaded, sources);
  return { config, ground, settings: await openSettings({ store: databaseStore(db), clock, log, ground }) };
}
