// Settlement: at a job's end, what it held becomes what it cost. The client pays, each node that delivered earns, the
// platform has its fee, and each attempt gets its receipt: all in the transaction of the job's end state.
import type { Execute, ExecuteMany, SqlValue } from "../db/executor.ts";
import { insertOf } from "../db/insert.ts";
import { fromHex } from "../lib/hex.ts";
import { encodeReceipt, receiptDigest, splitGross, textHash, ZERO_32 } from "../protocol/receipts.ts";
import { oneByOne, takeHold } from "./holds.ts";
import { clientLedger, type LedgerAccountId, nodeLedger, openLedger, SYSTEM_ACCOUNTS } from "./ledger.ts";

/** Who signs receipts, and for which chain. Each 32 bytes. */
export type Issuer = {
  genesis: Uint8Array;
  /** ed25519 public key that `sign` signs with. */
  coordinator: Uint8Array;
  mint: Uint8Array;
  feeBps: number;
  /** ed25519 over a digest: 64 bytes. */
  sign(digest: Uint8Array): Uint8Array;
  /** The 32 bytes that a wallet's base58 address stands for. */
  addressBytes(address: string): Uint8Array;
  /** `coin` and `network` of the payout address that receipts name. */
  payoutCoin: { coin: string; network: string };
};

/** One attempt that delivered. */
export type Earned = {
  /** `<job id>.<attempt number>`. */
  attempt: string;
  node: string;
  /** µ$. */
  gross: bigint;
  promptTokens: number;
  completionTokens: number;
  model: string;
  modelHash: Uint8Array;
  outputHash: Uint8Array;
};
export type Settlement = {
  jobId: string;
  /** `accounts.id`. */
  accountId: string;
  requestHash: Uint8Array;
  finishedMs: number;
  earned: readonly Earned[];
};

type Chain = { seq: number; first: number; digest: Uint8Array; wallet: Uint8Array };

/**
 * The settlements of one transaction: what they need is read once and what they change is written once, however many
 * jobs end together.
 */
export type Book = {
  readonly execute: Execute;
  readonly many: ExecuteMany;
  readonly issuer: Issuer;
  /** µ$ to be added, by ledger account. */
  readonly sums: Map<LedgerAccountId, { balance: bigint; held: bigint }>;
  readonly chains: Map<string, Chain>;
  /** What receipts call a client, by account id. */
  readonly clients: Map<string, Uint8Array>;
  /** Number of the last transaction. */
  last: number;
  readonly transactions: SqlValue[][];
  /** Those with all three shares; the others entry by entry. */
  readonly threefold: SqlValue[][];
  readonly entries: SqlValue[][];
  readonly receipts: SqlValue[][];
};

/** Reads what settlements of these accounts and nodes need. */
export async function openBook(
  execute: Execute,
  many: ExecuteMany,
  issuer: Issuer,
  { accountIds, nodes }: { accountIds: ReadonlySet<string>; nodes: ReadonlySet<string> },
): Promise<Book> {
  for (const node of nodes) await openLedger(execute, nodeLedger(node));
  const [last] = await execute("select coalesce(max(id), 0) from ledger_transactions", []);
  return {
    execute,
    many,
    issuer,
    sums: new Map(),
    chains: await readChains(execute, issuer, nodes),
    clients: await readClients(execute, issuer, accountIds),
    last: Number(last?.[0] ?? 0),
    transactions: [],
    threefold: [],
    entries: [],
    receipts: [],
  };
}

async function readChains(execute: Execute, issuer: Issuer, nodes: ReadonlySet<string>): Promise<Map<string, Chain>> {
  const { coin, network } = issuer.payoutCoin;
  const rows = await execute(
    `select n.value, c.seq, c.digest, p.address from json_each(?) n
     left join node_chains c on c.node = n.value
     left join payout_addresses p on p.node_pubkey = n.value and p.coin = ? and p.network = ?`,
    [JSON.stringify([...nodes]), coin, network],
  );
  return new Map(
    rows.map(([node, head, digest, address]) => {
      const seq = Number(head ?? 0);
      const wallet = address === null ? ZERO_32 : issuer.addressBytes(address as string);
      return [node as string, { seq, first: seq, digest: seq === 0 ? ZERO_32 : bytesOf(digest), wallet }];
    }),
  );
}

const bytesOf = (blob: unknown): Uint8Array => new Uint8Array(blob as Uint8Array);

/** The wallet that pays, or the hash of the account's id where none does. */
async function readClients(
  execute: Execute,
  issuer: Issuer,
  accountIds: ReadonlySet<string>,
): Promise<Map<string, Uint8Array>> {
  const clients = new Map([...accountIds].map((id) => [id, textHash(id)]));
  const rows = await execute(
    `select a.value, l.wallet from json_each(?) a
     join ledger_accounts l on l.id = 'account/' || a.value where l.wallet is not null`,
    [JSON.stringify([...accountIds])],
  );
  for (const [id, wallet] of rows) clients.set(id as string, issuer.addressBytes(wallet as string));
  return clients;
}

/**
 * Settles a job that held `held` µ$, whose hold is taken away and whose end state is written in the same transaction:
 * whoever wrote it settles, so it is done once. Nothing is in the database before `closeBook`. Gives what was charged, µ$.
 */
export function settle(book: Book, settlement: Settlement, held: bigint): bigint {
  const { jobId, accountId, earned } = settlement;
  const gross = earned.reduce((sum, one) => sum + one.gross, 0n);
  if (gross > held) throw new Error(`job ${jobId} costs ${gross} µ$ and holds only ${held}`);
  const payer = clientLedger(accountId);
  if (held > 0n) count(book, payer, -gross, -held);
  for (const one of earned) issue(book, settlement, payer, one);
  return gross;
}

/** Takes the job's hold away and settles it, in the caller's transaction, by itself. Gives what was charged, µ$. */
export async function settleOne(execute: Execute, issuer: Issuer, settlement: Settlement): Promise<bigint> {
  const { jobId, accountId, earned } = settlement;
  const gross = earned.reduce((sum, one) => sum + one.gross, 0n);
  const taken = await takeHold(execute, jobId, gross);
  const parties = { accountIds: new Set([accountId]), nodes: new Set(earned.map(({ node }) => node)) };
  const book = await openBook(execute, oneByOne(execute), issuer, parties);
  settle(book, settlement, taken?.amount ?? 0n);
  await closeBook(book);
  return gross;
}

function issue(book: Book, settlement: Settlement, payer: LedgerAccountId, earned: Earned): void {
  const { issuer } = book;
  const { attempt, node, gross } = earned;
  const chain = book.chains.get(node);
  const client = book.clients.get(settlement.accountId);
  if (!chain || !client) throw new Error(`the book was not opened for node ${node} and this account`);
  const split = splitGross(gross, issuer.feeBps);
  const transaction = gross === 0n ? null : move(book, settlement.finishedMs, payer, earned, split);
  chain.seq += 1;
  const bytes = encodeReceipt({
    version: 1,
    genesis: issuer.genesis,
    coordinator: issuer.coordinator,
    jobId: fromHex(settlement.jobId.replaceAll("-", "")),
    seq: BigInt(chain.seq),
    previous: chain.digest,
    node: fromHex(node),
    nodeWallet: chain.wallet,
    client,
    mint: issuer.mint,
    gross,
    ...split,
    feeBps: issuer.feeBps,
    promptTokens: earned.promptTokens,
    completionTokens: earned.completionTokens,
    modelHash: earned.modelHash,
    requestHash: settlement.requestHash,
    outputHash: earned.outputHash,
    finishedAtMs: BigInt(settlement.finishedMs),
  });
  chain.digest = receiptDigest(bytes);
  book.receipts.push([
    node,
    chain.seq,
    attempt,
    payer,
    transaction,
    gross,
    split.nodeAmount,
    split.fee,
    earned.model,
    settlement.finishedMs,
    bytes,
    chain.digest,
    issuer.sign(chain.digest),
  ]);
}

/** The payer's own balance is lowered with its hold, for all of its attempts together. */
function move(
  book: Book,
  atMs: number,
  payer: LedgerAccountId,
  { attempt, node, gross }: Earned,
  { nodeAmount, fee }: { nodeAmount: bigint; fee: bigint },
): number {
  const earner = nodeLedger(node);
  count(book, earner, nodeAmount, 0n);
  count(book, SYSTEM_ACCOUNTS.fees, fee, 0n);
  const id = ++book.last;
  book.transactions.push([id, attempt, atMs]);
  if (nodeAmount > 0n && fee > 0n) {
    book.threefold.push([payer, id, -gross, earner, id, nodeAmount, SYSTEM_ACCOUNTS.fees, id, fee]);
  } else {
    book.entries.push([payer, id, -gross]);
    book.entries.push(nodeAmount > 0n ? [earner, id, nodeAmount] : [SYSTEM_ACCOUNTS.fees, id, fee]);
  }
  return id;
}

function count({ sums }: Book, account: LedgerAccountId, balance: bigint, held: bigint): void {
  const sum = sums.get(account);
  if (sum) {
    sum.balance += balance;
    sum.held += held;
  } else sums.set(account, { balance, held });
}

const insertTransactions = insertOf("ledger_transactions (id, kind, cause, created_ms)", "(?, 'settlement', ?, ?)");
const ENTRIES = "ledger_entries (account, transaction_id, amount)";
const insertEntries = insertOf(ENTRIES, "(?, ?, ?)");
const insertThreefold = insertOf(ENTRIES, "(?, ?, ?), (?, ?, ?), (?, ?, ?)");
const insertReceipts = insertOf(
  `receipts (node, seq, attempt, account, transaction_id, gross, node_amount, fee, model, finished_ms,
    bytes, digest, signature)`,
  "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
);

/** Writes it all. Throws, and all of it is undone, where an account is not covered or somebody else was quicker. */
export async function closeBook(book: Book): Promise<void> {
  const { execute, many, sums, chains } = book;
  await insertTransactions(many, book.transactions);
  await insertThreefold(many, book.threefold);
  await insertEntries(many, book.entries);
  await insertReceipts(many, book.receipts);
  await many(
    "update ledger_accounts set balance = balance + ?, held = held + ? where id = ?",
    [...sums].map(([account, { balance, held }]) => [balance, held, account]),
  );
  for (const [node, { seq, first, digest }] of chains) {
    if (seq === first) continue;
    const rows = await execute(
      `insert into node_chains (node, seq, digest) values (?, ?, ?)
       on conflict (node) do update set seq = excluded.seq, digest = excluded.digest where seq = ? returning node`,
      [node, seq, digest, first],
    );
    if (rows.length === 0) throw new Error(`the receipts of node ${node} were numbered by somebody else meanwhile`);
  }
}
