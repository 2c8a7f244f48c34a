// Test archive: the receipts of a coordinator whose keys are a test's.
import type { Db } from "../../db/open.ts";
import { fromHex, toHex } from "../../lib/hex.ts";
import { receiptSigner, signReceiptKey } from "../../protocol/receipt-signing.ts";
import { jobSalt } from "../../protocol/receipts.ts";
import { pubkeyOf } from "../../protocol/schnorr.ts";
import type { ReceiptArchive } from "../receipt-export.ts";

const secretKey = fromHex("2".padStart(64, "0"));
const IDENTITY = { secretKey, pubkey: pubkeyOf(secretKey) };
/** Signs what the archive's coordinator issues. */
export const TEST_SIGNER = receiptSigner(new Uint8Array(32).fill(7));
export const TEST_SALT_KEY: Uint8Array = new Uint8Array(32).fill(9);

export function testArchive(db: Db): ReceiptArchive {
  const key = toHex(TEST_SIGNER.publicKey);
  return {
    db,
    coordinator: IDENTITY.pubkey,
    key: { key, sig: signReceiptKey(IDENTITY, key) },
    saltOf: (jobId) => jobSalt(TEST_SALT_KEY, jobId),
  };
}
