// The lock: one process owns a data directory, until it ends in whatever way. The operating system holds it (a byte-range
// lock that SQLite takes on `DATA/lock`), so a killed process leaves nothing behind to clean up. Who holds it is told
// beside it, in `DATA/instance.json`, since a locked database cannot be read.
// Nothing else may open `DATA/lock`: closing any descriptor of that file in the same process would release the lock.
import { Database } from "bun:sqlite";
import { chmodSync, readFileSync } from "node:fs";
import { z } from "zod";
import { err, ok, type Result } from "../lib/result.ts";
import type { DataDirectory } from "./data-dir.ts";
import { writeSecretFile } from "./secret-file.ts";
import { type StartRefusal, systemCode } from "./start-refusal.ts";

const ownerSchema = z.object({
  pid: z.int().min(1),
  started_at_ms: z.int().min(0),
  /** What it runs as, e.g. "both", or the command that took the lock. */
  mode: z.string().max(64),
  version: z.string().max(64),
  /** Where it answers, once it does. */
  url: z.string().max(512).nullable(),
});
/** Who holds, or last held, the lock. */
export type Owner = z.infer<typeof ownerSchema>;

export type LockRefusal = StartRefusal<"already_running" | "lock_unusable"> & { owner: Owner | null };

export type DataLock = {
  /** Tells others something new about the holder, such as its address. */
  describe(owner: Owner): void;
  /** Gives the directory free. The end of the process does it too. */
  release(): void;
};

/** Keeps held locks from being collected, which would close them: a caller may forget its handle, the process not. */
const HELD = new Set<Database>();

/** How long a start waits for a taken lock: a command that only looks has it for a moment, an instance for good. */
const LOOKING_MS = 250;

/** Takes the directory for this process, or says who has it. Waits (and blocks) no longer than `patienceMs`. */
export function lockDataDirectory(
  dir: DataDirectory,
  owner: Owner,
  patienceMs = LOOKING_MS,
): Result<DataLock, LockRefusal> {
  const path = dir.file("lock");
  let database: Database | null = null;
  try {
    database = new Database(path, { create: true, readwrite: true });
    if (process.platform !== "win32") chmodSync(path, 0o600);
    database.run(`PRAGMA busy_timeout = ${patienceMs}`);
    database.run("PRAGMA locking_mode = EXCLUSIVE");
    // Left open on purpose: the transaction is the lock.
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    return err(lockRefusal(dir, error));
  }
  const held = database;
  HELD.add(held);
  const describe = (now: Owner): void => {
    const written = writeSecretFile(dir.file("instance.json"), `${JSON.stringify(ownerSchema.parse(now))}\n`);
    if (!written.ok) throw new Error(written.error.message);
  };
  describe(owner);
  return ok({
    describe,
    release: () => {
      HELD.delete(held);
      held.close();
    },
  });
}

/** Who holds the lock, or last held it; null where nobody said. Only true of now where the lock is taken. */
export function readOwner(dir: DataDirectory): Owner | null {
  try {
    const parsed = ownerSchema.safeParse(JSON.parse(readFileSync(dir.file("instance.json"), "utf8")));
    return parsed.success ? parsed.data : null;
  } catch (error) {
    if (error instanceof SyntaxError || systemCode(error) === "ENOENT") return null;
    throw error;
  }
}

/**
 * Whether the lock is free now, without making it; the refusal tells who has it. Looks under a shared lock, so that
 * any number may look at once and a start waits for them at most.
 */
export function checkLockFree(dir: DataDirectory): Result<void, LockRefusal> {
  const path = dir.file("lock");
  let database: Database | null = null;
  try {
    database = new Database(path, { readwrite: true });
    database.run("PRAGMA busy_timeout = 0");
    database.query("SELECT count(*) FROM sqlite_schema").get();
    return ok(undefined);
  } catch (error) {
    if (systemCode(error) === "SQLITE_CANTOPEN") return ok(undefined);
    return err(lockRefusal(dir, error));
  } finally {
    database?.close();
  }
}

function lockRefusal(dir: DataDirectory, error: unknown): LockRefusal {
  if (systemCode(error) !== "SQLITE_BUSY") {
    const why = error instanceof Error ? error.message : String(error);
    return {
      code: "lock_unusable",
      message: `cannot lock the data directory ${dir.path}: ${why}`,
      hint: "see that the disk is there, not full and writable; some network file systems have no locks",
      owner: null,
    };
  }
  const owner = readOwner(dir);
  const who = owner ? `as pid ${owner.pid}` : "on this data directory";
  return {
    code: "already_running",
    message: `infernet is already running ${who} (${dir.path})`,
    hint: "stop it with `infernet stop`, or name another directory with --data-dir",
    owner,
  };
}
