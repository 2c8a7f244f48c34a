// What turns executables into a release, and the key it is signed with.
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { publicKeyHex, readRelease } from "../../src/update/manifest.ts";
import { makeReleaseKey, readReleaseKey } from "./key.ts";
import { publish, SUMS_FILE } from "./publish.ts";

const root = mkdtempSync(join(tmpdir(), "infernet-release-test-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const folder = (): string => mkdtempSync(join(root, "x-"));

describe("the release key", () => {
  const path = join(folder(), "release.key");
  const publicKey = makeReleaseKey(path);

  test("is a file that only its owner can read, and is never written over", () => {
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(() => makeReleaseKey(path)).toThrow("EEXIST");
    expect(publicKey).toMatch(/^[0-9a-f]{64}$/);
  });

  test("is read from the file or from the text itself", () => {
    const text = readFileSync(path, "utf8");
    for (const given of [path, text])
      expect(publicKeyHex(readReleaseKey({ INFERNET_RELEASE_KEY: given }))).toBe(publicKey);
  });

  test("that others can read is refused, and so is none", () => {
    const open = join(folder(), "release.key");
    makeReleaseKey(open);
    chmodSync(open, 0o644);
    expect(() => readReleaseKey({ INFERNET_RELEASE_KEY: open })).toThrow(/others can read/);
    expect(() => readReleaseKey({})).toThrow(/INFERNET_RELEASE_KEY is not set/);
    expect(() => readReleaseKey({ INFERNET_RELEASE_KEY: join(root, "gone") })).toThrow(/missing/);
  });
});

test("a release names each file with size and SHA-256, in JSON that is signed and in sums for people", async () => {
  const key = join(folder(), "release.key");
  const publicKey = makeReleaseKey(key);
  const out = folder();
  writeFileSync(join(out, "infernet-linux-x64"), "abc");
  writeFileSync(join(out, "infernet-windows-x64.exe"), "defg");
  const about = { version: "1.2.3", commit: "5217dc9", date: "2026-01-02T03:04:05Z" };
  const executables = [
    { target: "linux-x64", file: "infernet-linux-x64", engine: true },
    { target: "windows-x64", file: "infernet-windows-x64.exe", engine: false },
  ];
  await publish(out, about, executables, readReleaseKey({ INFERNET_RELEASE_KEY: key }));
  // FIPS 180-2, appendix B.1
  const abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  const signature = readFileSync(join(out, "release.json.sig"), "utf8");
  expect(readRelease(readFileSync(join(out, "release.json")), signature, [publicKey])).toMatchObject({
    ok: true,
    value: {
      ...about,
      targets: {
        "linux-x64": { file: "infernet-linux-x64", bytes: 3, sha256: abc, engine: true },
        "windows-x64": { file: "infernet-windows-x64.exe", bytes: 4, engine: false },
      },
    },
  });
  const sums = readFileSync(join(out, SUMS_FILE), "utf8").split("\n");
  expect(sums[0]).toBe(`${abc}  infernet-linux-x64`);
  expect(sums).toHaveLength(3);
});
