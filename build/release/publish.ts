// Publish: what makes a folder of executables a release: release.json with its signature, and SHA256SUMS for people.
import { createHash, type KeyObject } from "node:crypto";
import { createReadStream, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  encodeRelease,
  MANIFEST_FILE,
  publicKeyHex,
  type Release,
  type ReleaseFile,
  readRelease,
  SIGNATURE_FILE,
  signRelease,
} from "../../src/update/manifest.ts";

export const SUMS_FILE = "SHA256SUMS";

/** An executable in the release's folder. */
export type Built = { target: string; file: string; engine: boolean };

/** Writes the three files and reads them again as `infernet update` would. The signature comes last. */
export async function publish(
  folder: string,
  about: Pick<Release, "version" | "commit" | "date">,
  executables: readonly Built[],
  key: KeyObject,
): Promise<Release> {
  const targets: Record<string, ReleaseFile> = {};
  for (const { target, file, engine } of executables) {
    const path = join(folder, file);
    targets[target] = { file, bytes: statSync(path).size, sha256: await sha256Of(path), engine };
  }
  const sums = Object.values(targets).map(({ file, sha256 }) => `${sha256}  ${file}\n`);
  writeFileSync(join(folder, SUMS_FILE), sums.join(""));
  const bytes = encodeRelease({ format: 1, product: "infernet", ...about, targets });
  writeFileSync(join(folder, MANIFEST_FILE), bytes);
  writeFileSync(join(folder, SIGNATURE_FILE), signRelease(bytes, key));
  return readBack(folder, key);
}

function readBack(folder: string, key: KeyObject): Release {
  const signature = readFileSync(join(folder, SIGNATURE_FILE), "utf8");
  const release = readRelease(readFileSync(join(folder, MANIFEST_FILE)), signature, [publicKeyHex(key)]);
  if (!release.ok) throw new Error(`${folder}: ${release.error.message}`);
  return release.value;
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return hash.digest("hex");
}
