// File store: a node's settings, kept in one small file of its data directory. Who changed what is in its log.
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { StorageError } from "../db/errors.ts";
import type { Log } from "../lib/log.ts";
import type { SettingsStore, StoredSetting } from "./settings.ts";

const FILE = "settings.json";
const fileSchema = z.array(
  z.strictObject({
    key: z.string().max(128),
    // What it may be is its key's matter: what was written once has to be read again.
    value: z.string(),
    changedMs: z.int().min(0),
    changedBy: z.string().max(128),
  }),
);

/** A file that cannot be read stops the opening: what its owner set is not to be lost unseen. */
export function fileStore(dataDirectory: string, log: Log): SettingsStore {
  const file = join(dataDirectory, FILE);
  const read = (): StoredSetting[] => {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
    try {
      return fileSchema.parse(JSON.parse(text));
    } catch (error) {
      throw new Error(`${file} is no list of settings: mend it, or move it away and set them anew`, { cause: error });
    }
  };
  return {
    read: async () => read(),
    async put(changes, by) {
      const changed = new Set(changes.map(({ key }) => key));
      const others = read().filter(({ key }) => !changed.has(key));
      const all = [...others, ...changes.flatMap(({ key, row }) => (row === null ? [] : { key, ...row }))];
      try {
        writeFileSync(`${file}.new`, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600, flush: true });
        renameSync(`${file}.new`, file);
      } catch (error) {
        throw unwritten(file, error);
      }
      for (const { key, before, after } of changes) {
        log.info("a setting was changed", { key, before, after, by: by.actor });
      }
    },
  };
}

function unwritten(file: string, cause: unknown): StorageError {
  const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
  const isFull = code === "ENOSPC" || code === "EDQUOT";
  const mend = isFull ? "free some space" : "make it writable";
  return new StorageError(
    isFull ? "storage_full" : "storage_failed",
    `${file} cannot be written (${code}), nothing was changed: ${mend} and try again`,
    { cause },
  );
}
