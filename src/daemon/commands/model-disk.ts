// Model disk: how much of this machine's disk a coordinator may fill with models.
import { statfs } from "node:fs/promises";
import type { Backend } from "../../backends/backend.ts";

export type ModelDisk = {
  /**
   * Why the model finds no room; null where it does, or where its backend is on another machine. `size`: bytes of the
   * whole model, `left`: bytes still to come; both 0 while nothing is known.
   */
  refusal(backend: Backend, model: string, size: number, left: number): Promise<string | null>;
};

export type ModelDiskDeps = {
  /** `[node] model_disk_gib` in bytes: what models installed by commands may take together; null: all but the reserve. */
  limitBytes(): number | null;
  /** What others installed so take already. */
  installedBytes(except: string): number;
  /** Bytes free in the file system of this directory, for a user who is not root. */
  freeBytes(directory: string): Promise<number>;
  /** Where the models of this machine lie. */
  directory: string;
};

const GIB = 1024 ** 3;
/** Stays free whatever is installed. */
export const DISK_RESERVE_BYTES = 2 * GIB;

export function modelDisk({ installedBytes, freeBytes, directory, ...deps }: ModelDiskDeps): ModelDisk {
  return {
    async refusal(backend, model, size, left) {
      if (!isOnThisMachine(backend)) return null;
      const limitBytes = deps.limitBytes();
      if (limitBytes !== null) {
        const taken = installedBytes(model);
        if (taken + size > limitBytes || taken >= limitBytes) {
          const room = `${gib(Math.max(0, limitBytes - taken))} of ${gib(limitBytes)} GiB are left for models`;
          return `${room} (node.model_disk_gib)${size > 0 ? `, and ${model} takes ${gib(size)}` : ""}`;
        }
      }
      const free = await freeBytes(directory);
      if (free - left >= DISK_RESERVE_BYTES) return null;
      const needs = left > 0 ? `${model} needs ${gib(left)} GiB more` : `there is no room for ${model}`;
      return `${needs}: ${gib(free)} GiB are free, and ${gib(DISK_RESERVE_BYTES)} GiB of them stay so`;
    },
  };
}
const gib = (bytes: number): string => (bytes / GIB).toFixed(1);

export async function freeDiskBytes(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  return bavail * bsize;
}

const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** The backend's server runs on this machine, as far as its address tells. */
export const isOnThisMachine = ({ url }: Pick<Backend, "url">): boolean =>
  url === null || LOOPBACK.has(new URL(url).hostname);
