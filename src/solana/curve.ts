// Curve: whether an address can have a private key.
import { ed25519 } from "@noble/curves/ed25519.js";
import { addressBytes } from "./address.ts";
import type { Address } from "./chain.ts";

/**
 * Whether its bytes are a public key that somebody may have made: a multiple of ed25519's base point (RFC 8032 §5.1.5), as
 * that is written. Not those that programs derive (token accounts, vaults, multisigs), nor most names that were only
 * written down: the system program is a point of the curve, too, and has no key.
 */
export function mayHaveKey(address: Address): boolean {
  try {
    const point = ed25519.Point.fromBytes(addressBytes(address));
    return point.isTorsionFree() && !point.isSmallOrder();
  } catch {
    // No point has these bytes.
    return false;
  }
}
