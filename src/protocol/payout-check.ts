// Payout check: what a node looks at before it agrees to a payout: that it pays exactly the receipts that it is for, that
// those are the coordinator's word about this node, and that the money goes where the node wants it.
import { toBase58 } from "../lib/base58.ts";
import { toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { merkleRoot } from "./merkle.ts";
import { type PayoutJson, TREASURY_SOURCE } from "./payouts.ts";
import type { Pubkey } from "./primitives.ts";
import { brokenLink, openReceipt, verifyReceiptKey } from "./receipt-signing.ts";
import type { Receipt } from "./receipts.ts";

export type PayoutReceipt = { seq: number; bytes: Uint8Array; signature: Uint8Array };
export type Expected = {
  coordinator: Pubkey;
  node: Pubkey;
  /** Where this node wants its money. */
  wallet: string;
  /** The key of the coordinator's receipts, as it certified it. */
  receiptKey: { key: string; sig: string };
};

/** Says what does not hold, or what the payout's receipts come to. */
export function checkPayout(
  payout: PayoutJson,
  receipts: readonly PayoutReceipt[],
  { coordinator, node, wallet, receiptKey }: Expected,
): Result<{ firstSeq: number; lastSeq: number }, string> {
  if (payout.wallet !== wallet) return err(`it pays to ${payout.wallet}, not to this node's wallet ${wallet}`);
  if (!verifyReceiptKey(receiptKey.sig, coordinator, receiptKey.key))
    return err("the coordinator did not certify the key that its receipts are signed with");
  const opened = openAll(receipts, node, receiptKey.key);
  if (!opened.ok) return opened;
  const root = toHex(merkleRoot(opened.value.map(({ digest }) => digest)));
  if (root !== payout.root) return err(`its root is not that of its ${receipts.length} receipts, ${root}`);
  const wrong = wrongSums(
    payout,
    opened.value.map(({ receipt }) => receipt),
  );
  const [first, last] = [receipts[0], receipts.at(-1)];
  if (wrong !== undefined || !first || !last) return err(wrong ?? "it has no receipts");
  return ok({ firstSeq: first.seq, lastSeq: last.seq });
}

type Opened = { receipt: Receipt; digest: Uint8Array };

function openAll(receipts: readonly PayoutReceipt[], node: Pubkey, key: string): Result<Opened[], string> {
  const opened: Opened[] = [];
  for (const { seq, bytes, signature } of receipts) {
    const read = openReceipt(bytes, signature);
    if (!read.ok) return err(`receipt ${seq}: ${read.error}`);
    const { receipt, digest } = read.value;
    const before = opened.at(-1);
    if (receipt.seq !== BigInt(seq)) return err(`receipt ${seq} has number ${receipt.seq}`);
    if (toHex(receipt.node) !== node) return err(`receipt ${seq} is another node's`);
    if (toHex(receipt.coordinator) !== key)
      return err(`receipt ${seq} is signed with another key than the coordinator's`);
    if (before && receipt.seq <= before.receipt.seq)
      return err(`receipt ${seq} does not come after ${before.receipt.seq}`);
    // Receipts of clients that cannot pay now are in other payouts, so that numbers may be missing here.
    if (before && receipt.seq === before.receipt.seq + 1n) {
      const broken = brokenLink({ seq: before.receipt.seq, digest: before.digest }, receipt);
      if (broken !== undefined) return err(`receipt ${seq}: ${broken}`);
    }
    opened.push({ receipt, digest });
  }
  return ok(opened);
}

/** Compares what is paid, in all and by each source, with what the receipts say. The split was checked with each. */
function wrongSums({ node_amount, fee, legs }: PayoutJson, receipts: readonly Receipt[]): string | undefined {
  const owed = receipts.reduce((sum, { nodeAmount }) => sum + nodeAmount, 0n);
  const fees = receipts.reduce((sum, each) => sum + each.fee, 0n);
  if (BigInt(node_amount) !== owed) return `it pays ${node_amount} µ$; its receipts say ${owed}`;
  if (BigInt(fee) !== fees) return `its fee is ${fee} µ$; its receipts say ${fees}`;
  const sources = new Set(legs.map(({ source }) => source));
  const bySource = new Map<string, bigint>();
  for (const { client, nodeAmount } of receipts) {
    const named = toBase58(client);
    const source = sources.has(named) ? named : TREASURY_SOURCE;
    bySource.set(source, (bySource.get(source) ?? 0n) + nodeAmount);
  }
  for (const { source, node_amount: part } of legs) {
    const said = bySource.get(source) ?? 0n;
    if (BigInt(part) !== said) return `${source} pays ${part} µ$; its receipts say ${said}`;
    bySource.delete(source);
  }
  const left = [...bySource].find(([, sum]) => sum > 0n);
  return left === undefined ? undefined : `nobody pays ${left[1]} µ$ of its receipts`;
}
