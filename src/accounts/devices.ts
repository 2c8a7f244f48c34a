// Devices: a browser that somebody signed in with before has its own count of wrong passwords, so that strangers who try
// at an address cannot keep its owner out (OWASP's device cookies). It proves nothing else.
import { toHex } from "../lib/hex.ts";
import { isSameText, type Random } from "./secrets.ts";

const NONCE = /^[0-9a-f]{32}$/;

const proofOf = (key: Uint8Array, email: string, nonce: string): string =>
  new Bun.CryptoHasher("sha256", key).update(`infernet-device-v1\n${email}\n${nonce}`).digest("hex");

/** What a browser keeps after a good sign-in. */
export function newDevice(key: Uint8Array, email: string, random: Random): string {
  const nonce = toHex(random(16));
  return `${nonce}.${proofOf(key, email, nonce)}`;
}

/** The device's name where it is one of this address; else null. */
export function deviceOf(key: Uint8Array, email: string, device: string | null): string | null {
  const [nonce = "", proof = "", ...more] = (device ?? "").split(".");
  if (!NONCE.test(nonce) || more.length > 0) return null;
  return isSameText(proof, proofOf(key, email, nonce)) ? nonce : null;
}
