// Coordinator data: what a coordinator keeps in its data directory, opened the same way by a running instance and by a
// command that works on the data while none runs. The caller holds the directory's lock.
import { createApiKey } from "../accounts/api-keys.ts";
import { type KeyRing, openKeyRing } from "../accounts/key-ring.ts";
import { type StoredSecrets, storedSecrets } from "../accounts/stored-secrets.ts";
import type { Config } from "../config.ts";
import { type Migrated, migrateDatabase } from "../db/migrate.ts";
import { type DatabaseAddress, type Db, openDatabase } from "../db/open.ts";
import type { DataDirectory } from "../identity/data-dir.ts";
import { deriveKey, type Identity, loadIdentity, loadMasterKey } from "../identity/keys.ts";
import { readOrCreateSecretFile, readSecretFile, writeSecretFile } from "../identity/secret-file.ts";
import type { Clock } from "../lib/clock.ts";
import { randomHex } from "../lib/hex.ts";
import { DATABASE_FILE, LOCAL_API_KEY_FILE, REPLICA_FILE } from "./data-files.ts";
import { randomBytes } from "./open-instance.ts";
import { startValue } from "./start-error.ts";

export type CoordinatorData = {
  identity: Identity;
  db: Db;
  ring: KeyRing;
  /** For secrets in the database that have to be read back. */
  secrets: StoredSecrets;
  /** What an account's webhooks are signed with: 32 bytes, always the same. */
  webhookKey(accountId: string): Uint8Array;
  /** Of the ed25519 key that signs receipts: 32 bytes. */
  receiptSeed: Uint8Array;
  /** Of the ed25519 key that pays on the chain and that clients approve as their delegate: 32 bytes. */
  settlementSeed: Uint8Array;
  /** Seeds of markers on the chain follow from it, where they must be the same again and nobody may guess them. */
  markerKey: Uint8Array;
  /** What the salts of jobs' hashes are made with. */
  saltKey: Uint8Array;
  /** This data directory among those of coordinators that share a database. */
  replica: string;
  /** The same, where they may share it: a file of its own has one coordinator. */
  sharedAs: string | null;
  /** Attempts to sign in are counted under it. */
  attemptsKey: Uint8Array;
  /** Seals what browsers keep for us between two requests. */
  sealKey: Uint8Array;
  /** What opening it had to change. */
  migrated: Migrated;
  /** Writes down what is still in memory and lets go. */
  close(): Promise<void>;
};

export type DataDeps = {
  config: Pick<Config, "database" | "data_dir">;
  dir: DataDirectory;
  clock: Clock;
  /** Told of faults of what is written behind. */
  onFault?: (fault: unknown) => void;
};

/** Where the coordinator's database is. */
export function databaseAddress({ database }: Pick<Config, "database">, dir: DataDirectory): DatabaseAddress {
  const { url, auth_token: authToken } = database;
  if (url === null) return { path: dir.file(DATABASE_FILE) };
  return authToken === null ? { url } : { url, authToken };
}

/** Keys, migrated database and key ring. Throws StartError, StorageError or MigrationError, each saying what to do. */
export async function openCoordinatorData({ config, dir, clock, onFault }: DataDeps): Promise<CoordinatorData> {
  const identity = startValue(loadIdentity(dir, "coordinator"));
  const master = startValue(loadMasterKey(dir));
  const replica = startValue(readOrCreateSecretFile(dir.file(REPLICA_FILE), () => `${randomHex(8)}\n`)).text.trim();
  const db = await openDatabase(databaseAddress(config, dir));
  try {
    const migrated = await migrateDatabase({ db, clock });
    const { max_page_count: maxPageCount } = config.database;
    if (maxPageCount !== null) await db.writer.exclusive((c) => c.script(`PRAGMA max_page_count = ${maxPageCount}`));
    const hashKey = deriveKey(master, "infernet/api-keys");
    const ring = await openKeyRing({ db, clock, hashKey, ...(onFault ? { onFault } : {}) });
    return {
      identity,
      db,
      ring,
      secrets: storedSecrets(deriveKey(master, "infernet/secrets"), randomBytes),
      webhookKey: (accountId) => deriveKey(master, `infernet/webhooks/${accountId}`),
      receiptSeed: deriveKey(master, "infernet/receipts"),
      settlementSeed: deriveKey(master, "infernet/settlement"),
      markerKey: deriveKey(master, "infernet/markers"),
      saltKey: deriveKey(master, "infernet/job-salts"),
      replica,
      sharedAs: db.path === null ? replica : null,
      attemptsKey: deriveKey(master, "infernet/attempts"),
      sealKey: deriveKey(master, "infernet/sealed"),
      migrated,
      async close() {
        await ring.close();
        await db.close();
      },
    };
  } catch (error) {
    await db.close();
    throw error;
  }
}

/** The key in DATA/local-api-key; a new one where there is none, or where it is known no more. */
export async function localApiKey(
  { db, ring }: Pick<CoordinatorData, "db" | "ring">,
  { dir, clock, random }: { dir: DataDirectory; clock: Clock; random: (bytes: number) => Uint8Array },
): Promise<string> {
  const path = dir.file(LOCAL_API_KEY_FILE);
  const kept = readSecretFile(path);
  if (!kept.ok && kept.error.code !== "secret_file_missing") return startValue(kept);
  const known = kept.ok ? kept.value.trim() : "";
  if (known !== "" && ring.find(known)) return known;
  const { token } = await createApiKey({ db, ring, clock, random }, { name: "local" });
  startValue(writeSecretFile(path, `${token}\n`));
  return token;
}
