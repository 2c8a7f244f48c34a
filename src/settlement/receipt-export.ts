// Receipt export: receipts with all that verifies them elsewhere: whose key signed them, how far their nodes vouch, and
// what paid them. In pages for files, and as one document for a job.
import { and, asc, eq, inArray } from "drizzle-orm";
import type { Db } from "../db/open.ts";
import { headsOf, type IssuedReceipt, type ReceiptFilter, receiptsInOrder } from "../ledger/receipts.ts";
import { receipts } from "../ledger/schema.ts";
import { toHex } from "../lib/hex.ts";
import { merkleProver } from "../protocol/merkle.ts";
import { type Pubkey, pubkeySchema } from "../protocol/primitives.ts";
import type { ExportDocument, ExportedPayout, ExportedReceipt, ExportLine } from "../protocol/receipt-export.ts";
import { type ReceiptKey, sealReceipt } from "../protocol/receipt-frames.ts";
import { payouts } from "./schema.ts";

/** What is known of the receipts of a coordinator. */
export type ReceiptArchive = {
  db: Db;
  /** The identity that certified `key`. */
  coordinator: Pubkey;
  key: ReceiptKey;
  /** What a job's hashes are salted with: 32 bytes. */
  saltOf(jobId: string): Uint8Array;
};

export type ExportOptions = {
  /** Whoever has a salt and guesses a short prompt can tell that it was this one. */
  salts: boolean;
};

/** Where a page ended. */
export type ExportCursor = { node: Pubkey; seq: number };

/** Jobs, or a job, as one document: with its heads, payouts and a proof of each receipt that was paid. */
export async function receiptDocument(
  archive: ReceiptArchive,
  issued: readonly IssuedReceipt[],
  options: ExportOptions,
): Promise<ExportDocument> {
  const paid = await paidBy(archive, issued);
  const proofs = await proofsOf(archive, paid);
  const heads = await headsOf(archive, [...new Set(issued.map(({ node }) => node))]);
  return {
    coordinator: { pubkey: archive.coordinator, ...archive.key },
    heads: heads.map(({ seq, digest, sig }) => ({ seq, digest: toHex(digest), sig: toHex(sig) })),
    payouts: [...paid.values()],
    receipts: issued.map((receipt) => exported(archive, receipt, { ...options, paid, proofs })),
  };
}

/** A page of an export's lines, by node and number, and where the next one begins; null at the end. */
export async function exportPage(
  archive: ReceiptArchive,
  { after, limit, ...filter }: ReceiptFilter & { after: ExportCursor | null; limit: number },
  options: ExportOptions,
): Promise<{ lines: ExportLine[]; next: ExportCursor | null }> {
  const rows = await receiptsInOrder(archive, { ...filter, after, limit });
  const whole = [filter.account, filter.sinceMs, filter.untilMs].every((bound) => bound === undefined);
  const paid = await paidBy(archive, rows);
  const proofs = whole ? NO_PROOFS : await proofsOf(archive, paid);
  const begun = [...new Set(rows.map(({ node }) => node))].filter((node) => node !== after?.node);
  const heads = await headsOf(archive, begun);
  const lines: ExportLine[] = [
    ...(after === null ? [{ t: "coordinator", pubkey: archive.coordinator, ...archive.key, whole } as const] : []),
    ...heads.map(({ seq, digest, sig }) => ({ t: "head", seq, digest: toHex(digest), sig: toHex(sig) }) as const),
    ...Array.from(paid.values(), (payout) => ({ t: "payout", ...payout }) as const),
    ...rows.map((row) => ({ t: "receipt", ...exported(archive, row, { ...options, paid, proofs }) }) as const),
  ];
  const last = rows.at(-1);
  return { lines, next: rows.length < limit || !last ? null : { node: pubkeySchema.parse(last.node), seq: last.seq } };
}

type Proof = NonNullable<ExportedReceipt["proof"]>;
type Proofs = ReadonlyMap<string, Proof>;
const NO_PROOFS: Proofs = new Map();
const keyOf = ({ node, seq }: { node: string; seq: number }): string => `${node}/${seq}`;

type Parts = ExportOptions & { paid: ReadonlyMap<string, ExportedPayout>; proofs: Proofs };

function exported({ saltOf }: ReceiptArchive, receipt: IssuedReceipt, { salts, paid, proofs }: Parts): ExportedReceipt {
  const { bytes, signature, attempt, model, payoutId } = receipt;
  const { salt, ...sealed } = sealReceipt(bytes, signature, salts ? toHex(saltOf(attempt.slice(0, 36))) : "");
  const proof = proofs.get(keyOf(receipt));
  return {
    ...sealed,
    ...(salts ? { salt } : {}),
    attempt,
    model,
    ...(payoutId !== null && paid.has(payoutId) ? { payout: payoutId } : {}),
    ...(proof ? { proof } : {}),
  };
}

/** The payouts of these receipts that are final. */
async function paidBy({ db }: ReceiptArchive, issued: readonly IssuedReceipt[]): Promise<Map<string, ExportedPayout>> {
  const ids = [...new Set(issued.flatMap(({ payoutId }) => payoutId ?? []))];
  if (ids.length === 0) return new Map();
  const rows = await db.read
    .select()
    .from(payouts)
    .where(and(inArray(payouts.id, ids), eq(payouts.state, "paid")));
  return new Map(
    rows.map(({ id, node, root, receipts: count, signature }) => [
      id,
      { id, node: pubkeySchema.parse(node), root, receipts: count, transaction: signature },
    ]),
  );
}

/** Where each of the payouts' receipts stands in its tree. */
async function proofsOf({ db }: ReceiptArchive, paid: ReadonlyMap<string, ExportedPayout>): Promise<Proofs> {
  const proofs = new Map<string, Proof>();
  for (const { id } of paid.values()) {
    const rows = await db.read
      .select({ node: receipts.node, seq: receipts.seq, digest: receipts.digest })
      .from(receipts)
      .where(eq(receipts.payoutId, id))
      .orderBy(asc(receipts.seq));
    const prove = merkleProver(rows.map(({ digest }) => new Uint8Array(digest)));
    for (const [index, row] of rows.entries()) proofs.set(keyOf(row), { index, path: prove(index).map(toHex) });
  }
  return proofs;
}
