// Settlement: at a job's end, what it held becomes what it cost. The client pays, each node that delivered earns, the
// platform has its fee, and each attempt gets its receipt: all in the transaction of the job's end state.
import type { Execute } from "../db/executor.ts";
import { fromHex } from "../lib/hex.ts";
import { encodeReceipt, receiptDigest, splitGross, ZERO_32 } from "../protocol/receipts.ts";
import { takeHold } from "./holds.ts";
import {
  clientLedger,
  type LedgerAccountId,
  nodeLedger,
  openLedger,
  SYSTEM_ACCOUNTS,
  writeMovement,
} from "./ledger.ts";

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
 * What the settlements of one transaction have in common: balances and heads of chains are read once and written once,
 * however many jobs end together.
 */
export type Book = {
  readonly execute: Execute;
  readonly issuer: Issuer;
  readonly sums: Map<LedgerAccountId, { balance: bigint; held: bigint }>;
  readonly chains: Map<string, Chain>;
  readonly clients: Map<string, Uint8Array>;
};

export const openBook = (execute: Execute, issuer: Issuer): Book => ({
  execute,
  issuer,
  sums: new Map(),
  chains: new Map(),
  clients: new Map(),
});

/**
 * Settles a job, whose end state the caller has just written: whoever wrote it settles, so it is done once. Nothing is in
 * the balances before `closeBook`. Returns what was charged, µ$.
 */
export async function settle(book: Book, settlement: Settlement): Promise<bigint> {
  const { jobId, accountId, earned } = settlement;
  const gross = earned.reduce((sum, one) => sum + one.gross, 0n);
  const taken = await takeHold(book.execute, jobId, gross);
  const held = taken?.amount ?? 0n;
  if (gross > held) throw new Error(`job ${jobId} costs ${gross} µ$ and holds only ${held}`);
  const payer = clientLedger(accountId);
  if (held > 0n) count(book, payer, -gross, -held);
  for (const one of earned) await issue(book, settlement, payer, one);
  return gross;
}

async function issue(book: Book, settlement: Settlement, payer: LedgerAccountId, earned: Earned): Promise<void> {
  const { execute, issuer } = book;
  const { attempt, node, gross, model } = earned;
  const { fee, nodeAmount } = splitGross(gross, issuer.feeBps);
  const transaction =
    gross === 0n ? null : await moved(book, settlement.finishedMs, { payer, node, attempt, gross, nodeAmount, fee });
  const chain = await chainOf(book, node);
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
    client: await clientBytes(book, settlement.accountId),
    mint: issuer.mint,
    gross,
    nodeAmount,
    fee,
    feeBps: issuer.feeBps,
    promptTokens: earned.promptTokens,
    completionTokens: earned.completionTokens,
    modelHash: earned.modelHash,
    requestHash: settlement.requestHash,
    outputHash: earned.outputHash,
    finishedAtMs: BigInt(settlement.finishedMs),
  });
  const digest = receiptDigest(bytes);
  chain.digest = digest;
  await execute(
    `insert into receipts (node, seq, attempt, account, transaction_id, gross, node_amount, fee, model, finished_ms,
      bytes, digest, signature) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [
      node,
      chain.seq,
      attempt,
      payer,
      transaction,
      gross,
      nodeAmount,
      fee,
      model,
      settlement.finishedMs,
      bytes,
      digest,
      issuer.sign(digest),
    ],
  );
}

type Shares = {
  payer: LedgerAccountId;
  node: string;
  attempt: string;
  gross: bigint;
  nodeAmount: bigint;
  fee: bigint;
};

async function moved(book: Book, atMs: number, shares: Shares): Promise<number> {
  const { payer, attempt, gross, nodeAmount, fee } = shares;
  const node = nodeLedger(shares.node);
  if (!book.sums.has(node)) await openLedger(book.execute, node);
  // The payer's own is lowered with its hold, for all of its attempts together.
  const entries = [{ account: payer, amount: -gross }];
  if (nodeAmount > 0n) entries.push({ account: node, amount: nodeAmount });
  if (fee > 0n) entries.push({ account: SYSTEM_ACCOUNTS.fees, amount: fee });
  count(book, node, nodeAmount, 0n);
  count(book, SYSTEM_ACCOUNTS.fees, fee, 0n);
  return writeMovement(book.execute, { kind: "settlement", cause: attempt, atMs }, entries);
}

function count({ sums }: Book, account: LedgerAccountId, balance: bigint, held: bigint): void {
  const sum = sums.get(account);
  if (sum) {
    sum.balance += balance;
    sum.held += held;
  } else sums.set(account, { balance, held });
}

async function chainOf({ execute, issuer, chains }: Book, node: string): Promise<Chain> {
  const known = chains.get(node);
  if (known) return known;
  const { coin, network } = issuer.payoutCoin;
  const [head] = await execute("select seq, digest from node_chains where node = ?", [node]);
  const [payout] = await execute(
    "select address from payout_addresses where node_pubkey = ? and coin = ? and network = ?",
    [node, coin, network],
  );
  const seq = Number(head?.[0] ?? 0);
  const chain: Chain = {
    seq,
    first: seq,
    digest: head ? bytesOf(head[1]) : ZERO_32,
    wallet: payout ? issuer.addressBytes(payout[0] as string) : ZERO_32,
  };
  chains.set(node, chain);
  return chain;
}

const bytesOf = (blob: unknown): Uint8Array => new Uint8Array(blob as Uint8Array);

/** The wallet that pays, or the hash of the account's id where none does. */
async function clientBytes({ execute, issuer, clients }: Book, accountId: string): Promise<Uint8Array> {
  const known = clients.get(accountId);
  if (known) return known;
  const [row] = await execute("select wallet from ledger_accounts where id = ?", [clientLedger(accountId)]);
  const wallet = row?.[0] as string | null | undefined;
  const bytes = wallet
    ? issuer.addressBytes(wallet)
    : new Uint8Array(new Bun.CryptoHasher("sha256").update(accountId).digest());
  clients.set(accountId, bytes);
  return bytes;
}

/** Writes the balances and the heads of the chains. Throws, and all of it is undone, where somebody else was quicker. */
export async function closeBook({ execute, sums, chains }: Book): Promise<void> {
  for (const [account, { balance, held }] of sums) {
    if (balance === 0n && held === 0n) continue;
    await execute("update ledger_accounts set balance = balance + ?, held = held + ? where id = ?", [
      balance,
      held,
      account,
    ]);
  }
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
