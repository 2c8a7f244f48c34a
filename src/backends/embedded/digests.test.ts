import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm, utimes } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Digests } from "./digests.ts";

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), "infernet-digests-"));
});
afterEach(async () => await rm(folder, { recursive: true, force: true }));

const sha256 = (text: string) => new Bun.CryptoHasher("sha256").update(text).digest("hex");
async function digest(file: string): Promise<string | null> {
  const digests = new Digests(path.join(folder, "cache"));
  digests.begin([file]);
  await digests.settled();
  return digests.get(file);
}

test("a file's digest is kept as long as its size and time stay, and not longer", async () => {
  const file = path.join(folder, "a.gguf");
  await Bun.write(file, "one");
  await utimes(file, 1000, 1000);
  expect(await digest(file)).toBe(sha256("one"));
  // The same size and time: what was found before counts, which shows that the file was not read again.
  await Bun.write(file, "two");
  await utimes(file, 1000, 1000);
  expect(await digest(file)).toBe(sha256("one"));
  await utimes(file, 2000, 2000);
  expect(await digest(file)).toBe(sha256("two"));
});

test("it is null until it is known, and for a file that is not there", async () => {
  const file = path.join(folder, "a.gguf");
  await Bun.write(file, "one");
  const digests = new Digests(folder);
  digests.begin([file, path.join(folder, "gone.gguf")]);
  expect(digests.get(file)).toBeNull();
  await digests.settled();
  expect(digests.get(file)).toBe(sha256("one"));
  expect(digests.get(path.join(folder, "gone.gguf"))).toBeNull();
});

test("a damaged small file is made anew", async () => {
  const file = path.join(folder, "a.gguf");
  await Bun.write(file, "one");
  await Bun.write(path.join(folder, "cache/digests.json"), "{oops");
  expect(await digest(file)).toBe(sha256("one"));
  expect(await Bun.file(path.join(folder, "cache/digests.json")).json()).toHaveProperty([file]);
});
