// Wallet proof: the owner of a wallet says, by an ed25519 signature over a text that wallets show to people, what it is to
// be used for. No transaction begins like this text, so nothing that can be sent is ever signed by mistake.
import { createPublicKey, verify } from "node:crypto";
import { fromBase58 } from "../lib/base58.ts";

/** Before a public key in SPKI (RFC 8410 §4). */
const SPKI = Buffer.from("302a300506032b6570032100", "hex");
/** How long a proof can be handed in, and how far clocks may differ. */
export const WALLET_PROOF_TTL_MS = 10 * 60_000;
const MAX_AHEAD_MS = 60_000;

export type WalletProof = {
  /** `allowance`: pays for an account's jobs. `stake`: of a node. */
  purpose: "allowance" | "stake";
  /** The account's id, or the node's public key. */
  subject: string;
  /** Public key of the coordinator that it is for. */
  coordinator: string;
  /** Base58, like the two below. */
  wallet: string;
  tokenAccount: string;
  delegate: string;
  issuedMs: number;
};

const WHAT = {
  allowance: "My token account pays for what this account of the coordinator uses.",
  stake: "My token account is the stake of this node at the coordinator.",
} as const;

/** The text that the wallet signs, UTF-8. */
export function walletProofText(proof: WalletProof): string {
  const { purpose, subject, coordinator, wallet, tokenAccount, delegate, issuedMs } = proof;
  return [
    "infernet wallet proof v1",
    WHAT[purpose],
    `${purpose === "stake" ? "node" : "account"}: ${subject}`,
    `coordinator: ${coordinator}`,
    `wallet: ${wallet}`,
    `token account: ${tokenAccount}`,
    `delegate: ${delegate}`,
    `issued: ${issuedMs}`,
  ].join("\n");
}

/** Whether the wallet signed it (64 bytes, base58) and it is of now. Never throws. */
export function verifyWalletProof(proof: WalletProof, signature: string, nowMs: number): boolean {
  if (proof.issuedMs > nowMs + MAX_AHEAD_MS || proof.issuedMs < nowMs - WALLET_PROOF_TTL_MS) return false;
  const [key, bytes] = [fromBase58(proof.wallet), fromBase58(signature)];
  if (key?.length !== 32 || bytes?.length !== 64) return false;
  try {
    const publicKey = createPublicKey({ key: Buffer.concat([SPKI, key]), format: "der", type: "spki" });
    return verify(null, Buffer.from(walletProofText(proof)), publicKey, bytes);
  } catch {
    // No point of the curve: an address that nobody has the key of.
    return false;
  }
}
