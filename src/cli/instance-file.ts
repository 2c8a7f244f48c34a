// Instance file: DATA/instance.json says which process runs on this data directory and how a command reaches it. It is
// written once the process listens and removed when it stops; after a crash it is stale, which readers must expect.
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { pubkeySchema } from "../protocol/primitives.ts";

const instanceSchema = z.object({
  pid: z.int().min(1),
  /** Base address without a slash at the end, reachable from this machine. */
  url: z.url({ protocol: /^https?$/ }),
  /** Recipient of signed requests. */
  pubkey: pubkeySchema,
  mode: z.enum(["both", "coordinator", "node"]),
});
export type Instance = z.output<typeof instanceSchema>;

export const instancePath = (dataDir: string): string => join(dataDir, "instance.json");

/** Replaces the file in one step, readable by its owner only. */
export function writeInstance(dataDir: string, instance: Instance): void {
  const path = instancePath(dataDir);
  const next = `${path}.${process.pid}.new`;
  writeFileSync(next, `${JSON.stringify(instance)}\n`, { mode: 0o600 });
  renameSync(next, path);
}

/** The instance as last written; null where there is none or the file makes no sense. */
export function readInstance(dataDir: string): Instance | null {
  let text: string;
  try {
    text = readFileSync(instancePath(dataDir), "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return null;
    throw error;
  }
  try {
    return instanceSchema.safeParse(JSON.parse(text)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

/** Removes the file if this process wrote it. */
export function removeInstance(dataDir: string, pid = process.pid): void {
  if (readInstance(dataDir)?.pid === pid) rmSync(instancePath(dataDir), { force: true });
}
