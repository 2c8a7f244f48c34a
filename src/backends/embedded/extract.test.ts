import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { defaultCacheDir, type EmbeddedFile, extractFiles } from "./extract.ts";

let root = "";
let files: EmbeddedFile[] = [];
beforeAll(async () => {
  root = await mkdtemp(path.join(os.tmpdir(), "infernet-extract-"));
  files = await Promise.all(
    ["a.so", "b.node"].map(async (name) => {
      const source = path.join(root, `source-${name}`);
      const bytes = Buffer.from(`${name} `.repeat(5000));
      await writeFile(source, bytes);
      return { name, source, bytes: bytes.length, sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex") };
    }),
  );
});
afterAll(async () => {
  await rm(root, { recursive: true, force: true });
});

describe("extract", () => {
  test("many at once get the same complete folder, for this user alone, and leave nothing behind", async () => {
    const cache = path.join(root, "many");
    const folders = await Promise.all(Array.from({ length: 8 }, () => extractFiles(cache, "id", files)));
    expect(new Set(folders).size).toBe(1);
    expect(await readdir(cache)).toEqual(["id"]);
    expect((await stat(path.join(cache, "id"))).mode & 0o777).toBe(0o700);
    for (const file of files) {
      expect(await readFile(path.join(cache, "id", file.name))).toEqual(await readFile(file.source));
    }
  });
  test("a file that was changed, cut or removed is made again", async () => {
    const cache = path.join(root, "mend");
    const folder = await extractFiles(cache, "id", files);
    const target = path.join(folder, "a.so");
    const good = await readFile(target);
    for (const spoil of [good.subarray(0, 10), Buffer.alloc(good.length), null]) {
      await rm(target);
      if (spoil !== null) await writeFile(target, spoil);
      await extractFiles(cache, "id", files);
      expect(await readFile(target)).toEqual(good);
    }
  });
  test("a folder that others can read is refused", async () => {
    const cache = path.join(root, "open");
    const folder = await extractFiles(cache, "id", files);
    await chmod(folder, 0o755);
    await expect(extractFiles(cache, "id", files)).rejects.toThrow("not a folder of this user alone");
  });
  test("the cache is where the platform keeps such files", () => {
    expect(defaultCacheDir({ XDG_CACHE_HOME: "/c" }, "linux")).toBe("/c/infernet");
    expect(defaultCacheDir({}, "darwin")).toEndWith("Library/Caches/infernet");
    expect(defaultCacheDir({ INFERNET_CACHE_DIR: "/own", XDG_CACHE_HOME: "/c" }, "linux")).toBe("/own");
  });
  test("a user without a home has no such place", () => {
    const homeless = () => {
      throw new Error("ENOENT: no such file or directory, uv_os_homedir");
    };
    expect(defaultCacheDir({}, "linux", homeless)).toBeNull();
    expect(defaultCacheDir({ XDG_CACHE_HOME: "/c" }, "linux", homeless)).toBe("/c/infernet");
  });
});
