// Manifest: release.json, which names a release's files, and its signature. The build signs with what is here, `infernet
// update` trusts nothing that this file has not checked.
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { z } from "zod";
import { ok, type Result } from "../lib/result.ts";
import { VERSION_PATTERN } from "../lib/versions.ts";
import { refuse, type UpdateRefusal } from "./refusal.ts";

/** What is signed begins with this, so that the signature is good for nothing else. */
export const RELEASE_DOMAIN = "infernet-release-v1\n";
export const MANIFEST_FILE = "release.json";
/** 128 hex digits: ed25519 (RFC 8032) over RELEASE_DOMAIN and the manifest's bytes as they are. */
export const SIGNATURE_FILE = "release.json.sig";
export const MAX_MANIFEST_BYTES = 64 * 1024;
export const MAX_SIGNATURE_BYTES = 1024;
const MAX_EXECUTABLE_BYTES = 1024 ** 3;

const hex64 = z.string().regex(/^[0-9a-f]{64}$/);

const releaseFile = z.object({
  /** In the manifest's own folder. */
  file: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/),
  bytes: z.int().min(1).max(MAX_EXECUTABLE_BYTES),
  sha256: hex64,
  /** The embedded engine is inside: its library exists for this target. */
  engine: z.boolean(),
});

/** Unknown keys are left alone, so that later releases may say more. */
const release = z.object({
  format: z.literal(1),
  product: z.literal("infernet"),
  version: z.string().max(64).regex(VERSION_PATTERN),
  /** Short git hash of the sources. */
  commit: z.string().max(64).nullable(),
  /** When it was made, ISO 8601 in UTC. */
  date: z.iso.datetime(),
  /** By `<os>-<arch>`. */
  targets: z.record(z.string().regex(/^[a-z0-9]+(-[a-z0-9]+){1,2}$/), releaseFile),
});

export type ReleaseFile = z.infer<typeof releaseFile>;
export type Release = z.infer<typeof release>;

/** The bytes of release.json. */
export const encodeRelease = (value: Release): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(release.parse(value), null, 2)}\n`);

/**
 * The release that `bytes` describe, if one of `publicKeys` (64 hex digits) signed exactly these bytes. Nothing of them
 * is parsed before the signature is found good.
 */
export function readRelease(
  bytes: Uint8Array,
  signatureText: string,
  publicKeys: readonly string[],
): Result<Release, UpdateRefusal> {
  if (publicKeys.length === 0) {
    const hint = "set [update] public_key to the key of whom you trust to release infernet (64 hex digits)";
    return refuse("no_key", "this executable knows no key that releases must be signed with", hint);
  }
  const hex = signatureText.trim();
  if (!/^[0-9a-f]{128}$/.test(hex)) return refuse("signature_wrong", `${SIGNATURE_FILE} holds no signature`);
  const signature = Buffer.from(hex, "hex");
  const message = signedMessage(bytes);
  if (!publicKeys.some((key) => verify(null, message, publicKeyOf(key), signature))) {
    const hint = "the feed is not whose it should be, was changed on its way, or the release key was changed";
    return refuse("signature_wrong", `${MANIFEST_FILE} is not signed with the trusted release key`, hint);
  }
  const parsed = release.safeParse(jsonOf(bytes));
  if (parsed.success) return ok(parsed.data);
  const [issue] = parsed.error.issues;
  const where = issue ? `${issue.path.join(".") || "it"}: ${issue.message}` : "";
  const hint = "it may be made for a newer infernet: install that by hand";
  return refuse("manifest_invalid", `${MANIFEST_FILE} is not understood (${where})`, hint);
}

/** The text of release.json.sig. */
export const signRelease = (bytes: Uint8Array, key: KeyObject): string =>
  `${sign(null, signedMessage(bytes), key).toString("hex")}\n`;

/** A release key from its PKCS #8 PEM text. Throws where it is no ed25519 private key. */
export function releaseKey(pem: string): KeyObject {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyType !== "ed25519") throw new Error("the release key is no ed25519 key");
  return key;
}

/** The public half (or the key itself, where it is public) as 64 hex digits. */
export function publicKeyHex(key: KeyObject): string {
  const half = key.type === "private" ? createPublicKey(key) : key;
  return half.export({ format: "der", type: "spki" }).subarray(SPKI_HEAD.length).toString("hex");
}

/** What stands before the 32 bytes of an ed25519 key in DER (RFC 8410 §4). */
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex");

const publicKeyOf = (hex: string): KeyObject =>
  createPublicKey({ key: Buffer.concat([SPKI_HEAD, Buffer.from(hex, "hex")]), format: "der", type: "spki" });

const signedMessage = (bytes: Uint8Array): Buffer => Buffer.concat([Buffer.from(RELEASE_DOMAIN), bytes]);

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
}
