// Signer: an ed25519 key of 32 secret bytes as one that signs transactions. The bytes stay with the runtime's crypto.
import type { Signer } from "./chain.ts";

/** `seed`: 32 secret bytes, e.g. derived from the master key with a label of its own. */
export async function solanaSigner(seed: Uint8Array): Promise<Signer> {
  const { createKeyPairSignerFromPrivateKeyBytes } = await import("@solana/web3.js");
  const { address, keyPair } = await createKeyPairSignerFromPrivateKeyBytes(seed);
  return { address, keyPair };
}
