// Legs: who pays for receipts, and what a payout of them comes to.
import { merkleRoot, payoutMemo } from "../protocol/merkle.ts";
import { RECEIPT_FIELDS, textHash } from "../protocol/receipts.ts";
import type { AddressText, Leg, PayoutOrder } from "./payout-chain.ts";
import { type PayoutLegRow, type PayoutRow, TREASURY } from "./schema.ts";

/** What a payout needs to know of a receipt. */
export type PayableReceipt = {
  seq: number;
  /** Ledger account of the client. */
  account: string;
  gross: bigint;
  nodeAmount: bigint;
  fee: bigint;
  digest: Uint8Array;
  /** Its field `client`. */
  client: Uint8Array;
};

/** SQL of the columns that `payableReceipt` reads. SQLite counts bytes from 1. */
const client = RECEIPT_FIELDS.find(({ name }) => name === "client") ?? { at: 0, size: 0 };
export const PAYABLE_COLUMNS = `seq, account, gross, node_amount, fee, digest, substr(bytes, ${client.at + 1}, ${client.size})`;
export const payableReceipt = (row: readonly unknown[]): PayableReceipt => ({
  seq: Number(row[0]),
  account: String(row[1]),
  gross: BigInt(row[2] as number),
  nodeAmount: BigInt(row[3] as number),
  fee: BigInt(row[4] as number),
  digest: new Uint8Array(row[5] as Uint8Array),
  client: new Uint8Array(row[6] as Uint8Array),
});

/** Where the receipt says that its money comes from: the client's token account, or the treasury for all others. */
export function sourceOf({ account, client: named }: PayableReceipt, addressText: AddressText): string {
  const accountId = account.replace(/^account\//, "");
  return Buffer.compare(named, textHash(accountId)) === 0 ? TREASURY : addressText(named);
}

/** Receipts of one payout and what it comes to. */
export type Share = {
  receipts: PayableReceipt[];
  legs: Leg[];
  nodeAmount: bigint;
  fee: bigint;
  /** Hex. */
  root: string;
};

/** Receipts by number, paid by sources as `source` says. Those of nothing need no leg. */
export function shareOf(receipts: readonly PayableReceipt[], source: (receipt: PayableReceipt) => string): Share {
  const legs = new Map<string, Leg>();
  for (const receipt of receipts) {
    if (receipt.gross === 0n) continue;
    const from = source(receipt);
    const leg = legs.get(from) ?? { source: from, nodeAmount: 0n, fee: 0n };
    legs.set(from, { source: from, nodeAmount: leg.nodeAmount + receipt.nodeAmount, fee: leg.fee + receipt.fee });
  }
  const sorted = [...receipts].sort((a, b) => a.seq - b.seq);
  return {
    receipts: sorted,
    legs: [...legs.values()],
    nodeAmount: sum(receipts.map(({ nodeAmount }) => nodeAmount)),
    fee: sum(receipts.map(({ fee }) => fee)),
    root: Buffer.from(merkleRoot(sorted.map(({ digest }) => digest))).toString("hex"),
  };
}

const sum = (amounts: readonly bigint[]): bigint => amounts.reduce((total, amount) => total + amount, 0n);

/** Transfers that a leg takes in its payout's transaction. */
export const transfersOf = ({ source, nodeAmount, fee }: Leg): number =>
  (nodeAmount > 0n ? 1 : 0) + (fee > 0n && source !== TREASURY ? 1 : 0);

export const legOf = ({ source, nodeAmount, fee }: PayoutLegRow): Leg => ({
  source,
  nodeAmount: BigInt(nodeAmount),
  fee: BigInt(fee),
});

/** What the payout's transaction is to do. */
export const orderOf = (
  { id, wallet, root }: PayoutRow,
  legs: readonly PayoutLegRow[],
  opens: boolean,
): PayoutOrder => ({
  id,
  wallet,
  memo: payoutMemo(id, new Uint8Array(Buffer.from(root, "hex"))),
  legs: legs.map(legOf),
  opens,
});
