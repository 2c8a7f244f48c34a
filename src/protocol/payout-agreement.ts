// Payout agreement: a node's word that it was shown a payout, has the receipts that its root stands for, and wants it
// paid to that wallet. The coordinator sends nothing that was asked for by hand before it has it.
import type { Pubkey } from "./primitives.ts";
import { signText, verifyText } from "./schnorr.ts";

const DOMAIN = "infernet-payout-v1";

export type PayoutAgreement = {
  coordinator: Pubkey;
  node: Pubkey;
  /** 32 hex digits. */
  payoutId: string;
  /** Merkle root over its receipts' digests, 64 hex digits. */
  root: string;
  /** Base58. */
  wallet: string;
  /** µ$ for the node. */
  nodeAmount: bigint;
};

/** The text whose sha256 the node signs. */
export const agreementMessage = ({ coordinator, node, payoutId, root, wallet, nodeAmount }: PayoutAgreement): string =>
  [DOMAIN, coordinator, node, payoutId, root, wallet, nodeAmount].join("\n");

/** 128 hex digits (BIP-340). */
export const signAgreement = (nodeSecret: Uint8Array, agreement: PayoutAgreement, auxRand?: Uint8Array): string =>
  signText(nodeSecret, agreementMessage(agreement), auxRand);
/** Whether the node agreed to exactly this. Never throws. */
export const verifyAgreement = (sig: string, agreement: PayoutAgreement): boolean =>
  verifyText(sig, agreementMessage(agreement), agreement.node);
