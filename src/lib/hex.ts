// Hex: lower-case hexadecimal, as every key, hash and signature of the wire is written.
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";

export const toHex = (bytes: Uint8Array): string => bytesToHex(bytes);

/** Throws on anything but an even number of hex digits. */
export const fromHex = (hex: string): Uint8Array => hexToBytes(hex);

/** `count` random bytes as hex. */
export const randomHex = (count: number): string => toHex(crypto.getRandomValues(new Uint8Array(count)));
