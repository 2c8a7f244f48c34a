// Release key: the ed25519 key that signs releases: made once, kept by who releases, never in the repository.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { writeFileSync } from "node:fs";
import { readSecretFile } from "../../src/identity/secret-file.ts";
import { publicKeyHex, releaseKey } from "../../src/update/manifest.ts";

export const KEY_ENV = "INFERNET_RELEASE_KEY";

/** Writes a new key to `path` (PKCS #8 PEM, 0600), where there must be no file; its public half. */
export function makeReleaseKey(path: string): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  writeFileSync(path, privateKey.export({ type: "pkcs8", format: "pem" }), { flag: "wx", mode: 0o600 });
  return publicKeyHex(privateKey);
}

/** The key that INFERNET_RELEASE_KEY holds as PEM text, or names as a file that only its owner can read. */
export function readReleaseKey(env: Record<string, string | undefined>): KeyObject {
  const given = env[KEY_ENV]?.trim();
  if (!given) {
    throw new Error(`${KEY_ENV} is not set: the file of the release key (\`bun run release keygen FILE\` makes one)`);
  }
  if (given.startsWith("-----BEGIN")) return releaseKey(given);
  const file = readSecretFile(given);
  if (!file.ok) throw new Error(`${file.error.message}; ${file.error.hint}`);
  return releaseKey(file.value);
}
