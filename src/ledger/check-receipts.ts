// Check of the receipts: each against its own bytes, its chain and the money that it says was moved. Read in pages: there
// may be millions.
import type { Execute, SqlRow } from "../db/executor.ts";
import { toHex } from "../lib/hex.ts";
import { nextTurn } from "../lib/turns.ts";
import { pubkeySchema } from "../protocol/primitives.ts";
import { brokenLink, type ChainHead, EMPTY_CHAIN, openReceipt, verifyHead } from "../protocol/receipt-signing.ts";
import type { Receipt } from "../protocol/receipts.ts";
import { checkRows, findings, type LedgerCheck, type LedgerLook } from "./check.ts";
import { SYSTEM_ACCOUNTS } from "./ledger.ts";

const PAGE = 200;

/** Receipts verified at a stretch: some 2 ms, so that an instance that looks at its own books goes on serving. */
const AT_ONCE = 25;

export const receiptLooks = (): LedgerLook[] => [checkEach, checkSettlements, checkHeads, checkVouched];

/** A receipt's row, with what the books say of its transaction. */
type Row = {
  node: string;
  seq: number;
  attempt: string;
  transaction: number | null;
  gross: number;
  nodeAmount: number;
  fee: number;
  finishedMs: number;
  bytes: Uint8Array;
  digest: Uint8Array;
  signature: Uint8Array;
  kind: string | null;
  cause: string | null;
  paid: number | null;
  earned: number | null;
  taken: number | null;
};

const EACH = `select r.node, r.seq, r.attempt, r.transaction_id, r.gross, r.node_amount, r.fee, r.finished_ms, r.bytes, r.digest,
    r.signature, t.kind, t.cause, p.amount, n.amount, f.amount
  from receipts r
  left join ledger_transactions t on t.id = r.transaction_id
  left join ledger_entries p on p.account = r.account and p.transaction_id = r.transaction_id
  left join ledger_entries n on n.account = 'node/' || r.node and n.transaction_id = r.transaction_id
  left join ledger_entries f on f.account = '${SYSTEM_ACCOUNTS.fees}' and f.transaction_id = r.transaction_id
  where (r.node, r.seq) > (?, ?) order by r.node, r.seq limit ${PAGE}`;

function rowOf(row: SqlRow): Row {
  const [
    node,
    seq,
    attempt,
    transaction,
    gross,
    nodeAmount,
    fee,
    finishedMs,
    bytes,
    digest,
    signature,
    kind,
    ...moved
  ] = row;
  const [cause, paid, earned, taken] = moved;
  return {
    ...{ node, seq, attempt, transaction, gross, nodeAmount, fee, finishedMs },
    ...{ bytes: blob(bytes), digest: blob(digest), signature: blob(signature), kind, cause, paid, earned, taken },
  } as Row;
}
/** Whatever stands there: a row that was changed by hand may hold anything. */
const blob = (value: unknown): Uint8Array => (value instanceof Uint8Array ? new Uint8Array(value) : new Uint8Array(0));

async function checkEach(execute: Execute): Promise<LedgerCheck> {
  const found = findings("each receipt holds, follows the one before, and says what was moved");
  let at: [string, number] = ["", 0];
  let head: ChainHead = EMPTY_CHAIN;
  for (;;) {
    const rows = (await execute(EACH, at)).map(rowOf);
    for (const [i, row] of rows.entries()) {
      if (i % AT_ONCE === 0) await nextTurn();
      if (row.node !== at[0]) head = EMPTY_CHAIN;
      at = [row.node, row.seq];
      const name = `receipt ${row.seq} of node ${row.node} (${row.attempt})`;
      const opened = openReceipt(row.bytes, row.signature);
      if (!opened.ok) found.fault(name, `its bytes do not hold: ${opened.error}`);
      else {
        const link = brokenLink(head, opened.value.receipt);
        if (link) found.fault(name, `the chain is broken: ${link}; a receipt is missing, or was put in between`);
        const said = contradiction(row, opened.value);
        if (said) found.fault(name, said);
      }
      const moved = wrongMoney(row);
      if (moved) found.fault(name, moved);
      head = { seq: BigInt(row.seq), digest: row.digest };
    }
    found.looked(rows.length);
    if (rows.length < PAGE) return found.check;
  }
}

/** Where the row says something else than the receipt itself. */
function contradiction(row: Row, { receipt, digest }: { receipt: Receipt; digest: Uint8Array }): string | undefined {
  const pairs: [string, string | number, string | number][] = [
    ["digest", toHex(row.digest), toHex(digest)],
    ["node", row.node, toHex(receipt.node)],
    ["number", row.seq, Number(receipt.seq)],
    ["job", row.attempt.split(".")[0]?.replaceAll("-", "") ?? "", toHex(receipt.jobId)],
    ["gross", row.gross, Number(receipt.gross)],
    ["node's amount", row.nodeAmount, Number(receipt.nodeAmount)],
    ["fee", row.fee, Number(receipt.fee)],
    ["time", row.finishedMs, Number(receipt.finishedAtMs)],
  ];
  const wrong = pairs.find(([, kept, signed]) => kept !== signed);
  return wrong && `its ${wrong[0]} is kept as ${wrong[1]}, and signed as ${wrong[2]}`;
}

/** Where the books moved something else than the row says. */
function wrongMoney({ transaction, gross, nodeAmount, fee, attempt, ...moved }: Row): string | undefined {
  if (transaction === null) return gross === 0 ? undefined : `nothing was moved for its ${gross} µ$`;
  if (moved.kind !== "settlement")
    return `its transaction ${transaction} is ${moved.kind ?? "not there"}, and no settlement`;
  if (moved.cause !== attempt) return `its transaction ${transaction} was for ${moved.cause}`;
  const [paid, earned, taken] = [moved.paid ?? 0, moved.earned ?? 0, moved.taken ?? 0];
  if (paid === -gross && earned === nodeAmount && taken === fee) return undefined;
  return `its transaction ${transaction} took ${-paid} µ$ from the client for the node's ${earned} and a fee of ${taken}; it says ${gross}, ${nodeAmount} and ${fee}`;
}

const checkSettlements = (execute: Execute) =>
  checkRows(execute, "each settlement has its receipt", {
    count: "select count(*) from ledger_transactions where kind = 'settlement'",
    wrong: `select t.id, t.cause from ledger_transactions t left join receipts r on r.attempt = t.cause
      where t.kind = 'settlement' and (r.attempt is null or r.transaction_id is not t.id)`,
    tell: ([id, cause]) => ({
      row: `transaction ${id} (settlement, ${cause})`,
      message: "no receipt belongs to it: the node cannot prove what it earned",
    }),
  });

const checkHeads = (execute: Execute) =>
  checkRows(execute, "each chain of receipts ends where its head says", {
    count: "select count(*) from node_chains",
    wrong: `select coalesce(c.node, l.node), c.seq, l.seq, c.countersigned_seq from node_chains c
      full join (select node, max(seq) as seq from receipts group by node) l on l.node = c.node
      left join receipts r on r.node = c.node and r.seq = c.seq
      where c.seq is not l.seq or r.digest is not c.digest or c.countersigned_seq > c.seq
        or (c.countersigned_seq > 0) <> (c.countersigned_sig is not null)`,
    tell: ([node, head, last, countersigned]) => ({
      row: `chain of node ${node}`,
      message:
        head === last
          ? `its head ${head}, signed for up to ${countersigned}, is not the receipt of that number`
          : `its head is ${head ?? "nowhere"}, its last receipt ${last ?? "nowhere"}: receipts were cut off or put in`,
    }),
  });

async function checkVouched(execute: Execute): Promise<LedgerCheck> {
  const found = findings("each node's word for its receipts is its own");
  const rows = await execute(
    `select c.node, c.countersigned_seq, c.countersigned_sig, r.digest from node_chains c
      left join receipts r on r.node = c.node and r.seq = c.countersigned_seq where c.countersigned_seq > 0`,
    [],
  );
  found.looked(rows.length);
  for (const [node, seq, sig, digest] of rows) {
    const head = { seq: BigInt(Number(seq)), digest: blob(digest) };
    const pubkey = pubkeySchema.safeParse(node);
    if (pubkey.success && verifyHead(toHex(blob(sig)), head, pubkey.data)) continue;
    found.fault(`chain of node ${node}`, `its signature for receipt ${seq} is not that node's over this chain`);
  }
  return found.check;
}
