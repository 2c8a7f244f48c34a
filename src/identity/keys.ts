// Keys: an instance's identity and the master key of its storage, each in its own file of the data directory.
import { schnorr } from "@noble/curves/secp256k1.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { utf8ToBytes } from "@noble/hashes/utils.js";
import { fromHex, toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Pubkey } from "../protocol/primitives.ts";
import { pubkeyOf } from "../protocol/schnorr.ts";
import type { DataDirectory } from "./data-dir.ts";
import { readOrCreateSecretFile, type SecretFileRefusal } from "./secret-file.ts";

/** Who an instance is. `secretKey`: 32 bytes, never leaves the machine and is never logged. */
export type Identity = { secretKey: Uint8Array; pubkey: Pubkey };
export type KeyRefusal = SecretFileRefusal;

/** `created`: there was no file, so this is a new identity that nobody knows yet. */
export type LoadedIdentity = Identity & { created: boolean };

/** Reads `node.key` or `coordinator.key` (64 hex digits and a line break), or makes a new one. */
export function loadIdentity(dir: DataDirectory, name: "node" | "coordinator"): Result<LoadedIdentity, KeyRefusal> {
  const path = dir.file(`${name}.key`);
  const loaded = loadHexKey(path, () => schnorr.utils.randomSecretKey());
  if (!loaded.ok) return loaded;
  const { key, created } = loaded.value;
  const identity = identityOf(key);
  return identity.ok ? ok({ ...identity.value, created }) : err(notAKey(path));
}

/** The identity of a secret key; refuses what is not one (zero, or not below the curve's order). */
export function identityOf(secretKey: Uint8Array): Result<Identity, "not_a_secret_key"> {
  try {
    return ok({ secretKey, pubkey: pubkeyOf(secretKey) });
  } catch {
    return err("not_a_secret_key");
  }
}

export type MasterKey = { readonly bytes: Uint8Array };

/** Reads `master.key`, 32 random bytes in hex, or makes it. Keys for single purposes come from `deriveKey`. */
export function loadMasterKey(dir: DataDirectory): Result<MasterKey, KeyRefusal> {
  const loaded = loadHexKey(dir.file("master.key"), () => crypto.getRandomValues(new Uint8Array(32)));
  return loaded.ok ? ok({ bytes: loaded.value.key }) : loaded;
}

/** HKDF-SHA256 (RFC 5869) with the label as `info`: 32 bytes that tell nothing of the master or of other labels. */
export const deriveKey = (master: MasterKey, label: `infernet/${string}`): Uint8Array =>
  hkdf(sha256, master.bytes, undefined, utf8ToBytes(label), 32);

function loadHexKey(path: string, make: () => Uint8Array): Result<{ key: Uint8Array; created: boolean }, KeyRefusal> {
  const file = readOrCreateSecretFile(path, () => `${toHex(make())}\n`);
  if (!file.ok) return file;
  const hex = file.value.text.trim();
  if (!/^[0-9a-f]{64}$/.test(hex)) return err(notAKey(path));
  return ok({ key: fromHex(hex), created: file.value.created });
}

const notAKey = (path: string): KeyRefusal => ({
  code: "secret_file_unusable",
  message: `${path} does not hold a key (64 hex digits)`,
  hint: "restore it from a backup; if it is lost, move the file away and a new key is made, which others do not know",
});
