// A whole release of the working tree: five executables, each for its own machine with libraries made for it, named and
// signed. Only this machine's can be run here. Not part of every run: other platforms' libraries are fetched for it.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkSignature } from "../build/setup/macho-signature.ts";
import { executableTarget } from "../src/update/executable-header.ts";
import { type Release, readRelease } from "../src/update/manifest.ts";
import { cutRelease, HOST, newReleaseKey } from "./harness/release-feed.ts";
import { openStage, type Stage } from "./harness/stage.ts";

const TARGETS = ["linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64", "windows-x64"];
const MAGICS = { linux: "7f454c46020101", darwin: "cffaedfe", windows: "4d5a90" };
let stage: Stage;
let folder: string;
let release: Release;

const isWanted = process.env.INFERNET_E2E_RELEASE === "1";
const reason = isWanted ? "" : " (skipped: fetches over 1 GB of libraries; INFERNET_E2E_RELEASE=1 runs it)";

describe.skipIf(!isWanted)(`a release${reason}`, () => {
  beforeAll(async () => {
    stage = await openStage();
    const key = newReleaseKey(stage);
    folder = await cutRelease(stage, key, "99.0.0", TARGETS);
    const signature = readFileSync(join(folder, "release.json.sig"), "utf8");
    const read = readRelease(readFileSync(join(folder, "release.json")), signature, [key.publicKey]);
    if (!read.ok) throw new Error(read.error.message);
    release = read.value;
  }, 600_000);
  afterAll(() => stage.close());

  const fileOf = (target: string): Buffer => readFileSync(join(folder, release.targets[target]?.file ?? ""));

  /** Which machines the programs and libraries inside of a file are made for. */
  function madeFor(file: Buffer): Set<string> {
    const found = new Set<string>();
    for (const magic of Object.values(MAGICS).map((hex) => Buffer.from(hex, "hex"))) {
      for (let at = file.indexOf(magic, 1); at >= 0; at = file.indexOf(magic, at + 1)) {
        const target = executableTarget(file.subarray(at, at + 4096));
        if (target !== null) found.add(target);
      }
    }
    return found;
  }

  test("there is a file for each target, and nothing else but the manifest, its signature and the sums", () => {
    const files = TARGETS.map((target) => `infernet-${target}${target === "windows-x64" ? ".exe" : ""}`);
    expect(readdirSync(folder).sort()).toEqual([...files, "release.json", "release.json.sig", "SHA256SUMS"].sort());
    expect(Object.keys(release.targets)).toEqual(TARGETS);
  });

  test("the sums are those of the files, as sha256sum checks them", async () => {
    const check = Bun.spawn(["sha256sum", "--check", "--strict", "SHA256SUMS"], {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
    });
    expect({ code: await check.exited, out: await check.stdout.text() }).toMatchObject({
      code: 0,
      out: expect.stringContaining("infernet-windows-x64.exe: OK"),
    });
  });

  describe("each executable", () => {
    test.each(TARGETS)("%s is made for its machine, and so is every library inside", (target) => {
      const file = fileOf(target);
      expect(executableTarget(file)).toBe(target);
      expect([...madeFor(file)]).toEqual([target]);
    });

    test("for linux has the engine inside", () => {
      for (const target of ["linux-x64", "linux-arm64"]) expect(release.targets[target]?.engine).toBe(true);
    });

    test.each(["darwin-arm64", "darwin-x64"])("%s has a signature that agrees with every page", (target) => {
      expect(checkSignature(fileOf(target))).toMatchObject({ wrong: 0, covered: true });
    });

    test("of this machine runs", async () => {
      const child = Bun.spawn([join(folder, HOST.file), "version"], { stdio: ["ignore", "pipe", "inherit"] });
      expect({ out: await child.stdout.text(), code: await child.exited }).toEqual({
        out: "infernet 99.0.0\n",
        code: 0,
      });
    });
  });
});
