// Crypto: stands for `node:crypto` in a browser: it verifies ed25519 signatures and makes none.
import { ed25519 } from "@noble/curves/ed25519.js";

/** Bytes of a public key, at the end of its SPKI (RFC 8410 §4). */
const KEY_BYTES = 32;

export type KeyObject = { readonly key: Uint8Array };

export const createPublicKey = ({ key }: { key: Uint8Array }): KeyObject => ({ key: key.slice(-KEY_BYTES) });

/** RFC 8032 §5.1.7, as strictly as the runtime. */
export const verify = (_: null, message: Uint8Array, { key }: KeyObject, signature: Uint8Array): boolean =>
  ed25519.verify(signature, message, key, { zip215: false });

const absent = (): never => {
  throw new Error("nothing is signed in a browser");
};
export const createPrivateKey = absent;
export const sign = absent;
