// Direct admin: the operations on the data directory while no instance runs. The caller holds the directory's lock.
// Apart from instance.ts, so that a command that talks to a running instance loads no database.
import { directAdmin } from "../admin/direct.ts";
import type { Admin } from "../admin/operations.ts";
import { type Config, configGround } from "../config.ts";
import type { Migrated } from "../db/migrate.ts";
import type { DataDirectory } from "../identity/data-dir.ts";
import type { Clock } from "../lib/clock.ts";
import { silentLog } from "../lib/log.ts";
import { joinUrl } from "../modes/addresses.ts";
import { receiptArchive } from "../modes/billing.ts";
import { openCoordinatorData } from "../modes/coordinator-data.ts";
import { buildPeople } from "../modes/people.ts";
import { databaseStore } from "../settings/database-store.ts";
import { openSettings } from "../settings/settings.ts";
import { versionText } from "../version.ts";

export type DirectInput = { clock: Clock; config: Config; dir: DataDirectory };

/** Opens and, where it is older than this program, migrates the database. */
export async function openDirectAdmin({
  clock,
  config,
  dir,
}: DirectInput): Promise<{ admin: Admin; migrated: Migrated; close(): Promise<void> }> {
  const data = await openCoordinatorData({ config, dir, clock });
  const random = (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes));
  const url = joinUrl(config, config.server.port);
  // Where its values come from is the instance's to say, once it runs.
  const settings = await openSettings({
    store: databaseStore(data.db),
    clock,
    log: silentLog,
    ground: configGround(config, {}).ground,
  });
  const admin = directAdmin({
    db: data.db,
    ring: data.ring,
    clock,
    random,
    mode: config.mode === "coordinator" ? "coordinator" : "both",
    version: versionText,
    pubkey: data.identity.pubkey,
    joinUrl: url,
    webhookKey: data.webhookKey,
    live: null,
    archive: receiptArchive(data),
    settings,
    // No operation waits for a mail.
    people: buildPeople({ config, data, clock, random, url: () => url, onFault: () => undefined }),
  });
  return { admin, migrated: data.migrated, close: () => data.close() };
}
