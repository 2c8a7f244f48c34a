// Billing: the till of a coordinator that charges, with the keys that its receipts are made with.
import type { Config } from "../config.ts";
import { createTill, type Till } from "../jobs/till.ts";
import { fromBase58 } from "../lib/base58.ts";
import type { Clock } from "../lib/clock.ts";
import { toHex } from "../lib/hex.ts";
import type { Log } from "../lib/log.ts";
import { receiptSigner, signReceiptKey } from "../protocol/receipt-signing.ts";
import { jobSalt, ZERO_32 } from "../protocol/receipts.ts";
import { type ReceiptDelivery, receiptDelivery } from "../registry/receipt-delivery.ts";
import type { ReceiptArchive } from "../settlement/receipt-export.ts";
import type { CoordinatorData } from "./coordinator-data.ts";

/** The chain that receipts name, 32 bytes each; null where they are settled off the chain. */
export type OnChain = { genesis: Uint8Array; mint: Uint8Array };

/** What nodes call the payout address that counts here. */
export const PAYOUT_COIN = { coin: "USDC", network: "solana" };

export type Billing = {
  till: Till;
  receipts: ReceiptDelivery;
};

/** Null where nothing is charged. */
export function openBilling(
  config: Config,
  data: CoordinatorData,
  { clock, log, onChain }: { clock: Clock; log: Log; onChain: OnChain | null },
): Billing | null {
  const { billing, coordinator } = config;
  if (billing.mode === "off") return null;
  const signer = receiptSigner(data.receiptSeed);
  const till = createTill({
    db: data.db,
    issuer: {
      genesis: onChain?.genesis ?? ZERO_32,
      mint: onChain?.mint ?? ZERO_32,
      coordinator: signer.publicKey,
      // From the next receipt on, where a setting changes it.
      get feeBps() {
        return billing.fee_bps;
      },
      sign: signer.sign,
      // What a node wrote there is not always an address.
      addressBytes(address) {
        const bytes = fromBase58(address);
        return bytes?.length === 32 ? bytes : ZERO_32;
      },
      payoutCoin: PAYOUT_COIN,
    },
    saltKey: data.saltKey,
    highestPrice: {
      get input() {
        return coordinator.price_input_max;
      },
      get output() {
        return coordinator.price_output_max;
      },
    },
    owner: data.replica,
    recordOwner: data.sharedAs,
  });
  return {
    till,
    receipts: receiptDelivery({ db: data.db, clock, log, saltOf: till.saltOf }),
  };
}

/** The receipts that were issued here, whether anything is charged now or not. */
export function receiptArchive({ db, identity, receiptSeed, saltKey }: CoordinatorData): ReceiptArchive {
  const key = toHex(receiptSigner(receiptSeed).publicKey);
  return {
    db,
    coordinator: identity.pubkey,
    key: { key, sig: signReceiptKey(identity, key) },
    saltOf: (jobId) => jobSalt(saltKey, jobId),
  };
}
