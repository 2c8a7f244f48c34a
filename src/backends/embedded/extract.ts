// Extract: puts embedded files where the operating system can load them. Written once into a folder of the user's own
// (0700), complete before it gets its name, and checked by hash before every use.
import { constants, createReadStream } from "node:fs";
import { chmod, lstat, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";

export type EmbeddedFile = {
  name: string;
  /** Readable by node:fs, also inside the executable. */
  source: string;
  bytes: number;
  /** Hex. */
  sha256: string;
};

/**
 * `INFERNET_CACHE_DIR`, else the platform's convention for files that can be made again. Null for a user without a
 * home, as in containers.
 */
export function defaultCacheDir(
  env: Record<string, string | undefined> = process.env,
  platform = process.platform,
  home: () => string = os.homedir,
): string | null {
  if (env.INFERNET_CACHE_DIR) return path.resolve(env.INFERNET_CACHE_DIR);
  if (env.XDG_CACHE_HOME) return path.join(env.XDG_CACHE_HOME, "infernet");
  if (platform === "win32" && env.LOCALAPPDATA) return path.join(env.LOCALAPPDATA, "infernet", "cache");
  let own: string;
  try {
    own = home();
  } catch (error) {
    if (error instanceof Error) return null;
    throw error;
  }
  return platform === "darwin" ? path.join(own, "Library/Caches/infernet") : path.join(own, ".cache", "infernet");
}

/**
 * The folder `cacheDir/id` with exactly these files. Several processes may do this at once: each writes its own copy,
 * the first to finish gives it the name. Throws where the cache cannot be written or belongs to somebody else.
 */
export async function extractFiles(cacheDir: string, id: string, files: readonly EmbeddedFile[]): Promise<string> {
  await mkdir(cacheDir, { recursive: true, mode: 0o700 });
  const folder = path.join(cacheDir, id);
  if (await isComplete(folder, files)) return folder;
  const draft = path.join(cacheDir, `.${id}.${process.pid}.${crypto.randomUUID()}`);
  try {
    await mkdir(draft, { mode: 0o700 });
    for (const file of files) await writeOne(path.join(draft, file.name), file);
    await replaceFolder(draft, folder, files);
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
  return folder;
}

async function writeOne(target: string, file: EmbeddedFile): Promise<void> {
  const bytes = await readFile(file.source);
  if (hash(bytes) !== file.sha256) throw new Error(`${file.name}: the embedded file is damaged`);
  const handle = await open(target, "wx", 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await chmod(target, 0o500);
}

/** Gives the finished draft its name. What stood there was incomplete or changed, unless another process was faster. */
async function replaceFolder(draft: string, folder: string, files: readonly EmbeddedFile[]): Promise<void> {
  for (let tries = 0; tries < 3; tries++) {
    try {
      await rename(draft, folder);
      return;
    } catch (thrown) {
      const code = thrown instanceof Error && "code" in thrown ? thrown.code : "";
      if (code !== "ENOTEMPTY" && code !== "EEXIST" && code !== "EPERM") throw thrown;
      if (await isComplete(folder, files)) return;
      await rm(folder, { recursive: true, force: true });
    }
  }
  throw new Error(`${folder} cannot be replaced`);
}

async function isComplete(folder: string, files: readonly EmbeddedFile[]): Promise<boolean> {
  const info = await lstat(folder).catch(() => null);
  if (info === null) return false;
  const uid = process.getuid?.();
  if (!info.isDirectory() || (uid !== undefined && (info.uid !== uid || (info.mode & 0o077) !== 0))) {
    throw new Error(`${folder} is not a folder of this user alone: remove it, or set another cache directory`);
  }
  const checks = files.map(async (file) => await isIntact(path.join(folder, file.name), file));
  return (await Promise.all(checks)).every(Boolean);
}

async function isIntact(target: string, file: EmbeddedFile): Promise<boolean> {
  const info = await lstat(target).catch(() => null);
  if (info === null || !info.isFile() || info.size !== file.bytes) return false;
  const hasher = new Bun.CryptoHasher("sha256");
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);
  for await (const piece of createReadStream(target, { flags: flags as unknown as string, highWaterMark: 1 << 20 })) {
    hasher.update(piece as Uint8Array);
  }
  return hasher.digest("hex") === file.sha256;
}

const hash = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex");
