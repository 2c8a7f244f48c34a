// Encrypted: text under a key, bound to what it is for. AES-256-GCM (NIST SP 800-38D) by the runtime: nonce (12 bytes),
// ciphertext, tag (16 bytes). Nonces are random: under one key they are safe for 2^32 texts.
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Random } from "./secrets.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** `purpose` is not in the result, and has to be said again. */
export function encrypt({ key, random }: { key: Uint8Array; random: Random }, purpose: string, text: string): Buffer {
  const nonce = random(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(purpose));
  return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
}

/** Null where it was not encrypted under this key for this purpose. */
export function decrypt(key: Uint8Array, purpose: string, bytes: Buffer): string | null {
  if (bytes.length < NONCE_BYTES + TAG_BYTES) return null;
  const nonce = bytes.subarray(0, NONCE_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(purpose)).setAuthTag(bytes.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString("utf8");
  } catch {
    // The tag does not fit.
    return null;
  }
}
