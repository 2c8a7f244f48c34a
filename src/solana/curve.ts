// Curve: whether an address can have a private key.
import { ed25519 } from "@noble/curves/ed25519.js";
import { addressBytes } from "./address.ts";
import type { Address } from "./chain.ts";

/**
 * Whether its bytes are a point of ed25519, read as the chain's runtime reads them (RFC 8032 §5.1.3, y not reduced).
 * Others belong to programs: token accounts, vaults, multisigs.
 */
export function isOnCurve(address: Address): boolean {
  try {
    ed25519.Point.fromBytes(addressBytes(address), true);
    return true;
  } catch {
    // No point has these bytes.
    return false;
  }
}
