// Payout stage: a local chain with clients and nodes, a database, and receipts as jobs leave them, for tests of payouts.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { createLocalChain } from "../../../e2e/local-chain/chain.ts";
import { serveChain } from "../../../e2e/local-chain/server.ts";
import { type ChainStage, chainStage, type Wallet } from "../../../e2e/local-chain/stage.ts";
import { migrateDatabase } from "../../db/migrate.ts";
import { type Db, openDatabase } from "../../db/open.ts";
import { hold } from "../../ledger/holds.ts";
import { clientLedger, openLedger, post, SYSTEM_ACCOUNTS } from "../../ledger/ledger.ts";
import { type Issuer, settleOne } from "../../ledger/settlement.ts";
import { fromBase58 } from "../../lib/base58.ts";
import { type Clock, manualClock, systemClock } from "../../lib/clock.ts";
import { toHex } from "../../lib/hex.ts";
import type { Log } from "../../lib/log.ts";
import { receiptSigner } from "../../protocol/receipt-signing.ts";
import { ZERO_32 } from "../../protocol/receipts.ts";
import { pubkeyOf } from "../../protocol/schnorr.ts";
import { addressOf } from "../../solana/address.ts";
import type { Address, Chain } from "../../solana/chain.ts";
import { clusterMemory } from "../../solana/cluster.ts";
import { connectChain } from "../../solana/connect.ts";
import { solanaSigner } from "../../solana/signer.ts";
import { addressTables } from "../address-tables.ts";
import type { AdvanceDeps } from "../advance.ts";
import type { Coin } from "../payee.ts";
import type { PayoutChain } from "../payout-chain.ts";
import { solanaPayouts } from "../solana-payouts.ts";

export const COIN: Coin = { coin: "USDC", network: "solana" };
const FEE_BPS = 1_200;

export type Client = { accountId: string; owner: Wallet; account: Address };
export type Node = { pubkey: string; secret: Uint8Array; wallet: Address; account: Address };

const sha = (text: string): Uint8Array => new Uint8Array(createHash("sha256").update(text).digest());
/** The same id for the same name, of the shape of a UUIDv7. */
const uuid = (name: string): string => {
  const hex = toHex(sha(name));
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-7${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
};

/** Signs receipts of tests. */
export const issuer: Issuer = (() => {
  const signer = receiptSigner(sha("receipts of tests"));
  return {
    genesis: ZERO_32,
    coordinator: signer.publicKey,
    mint: ZERO_32,
    feeBps: FEE_BPS,
    sign: signer.sign,
    addressBytes: (address: string) => fromBase58(address) ?? ZERO_32,
    payoutCoin: COIN,
  };
})();

/** A node's row and where it is paid. */
export async function addNode(db: Db, stage: ChainStage, name: string): Promise<Node> {
  const secret = sha(`node/${name}`);
  const pubkey = pubkeyOf(secret);
  const wallet = (await stage.wallet(0n)).address;
  await db.writer.transact(async (_, execute) => {
    await execute(
      `insert into nodes (pubkey, role, name, status, account_id, specs, slots, first_seen_ms, auth_v2_seen)
       values (?, 'provider', ?, 'approved', 'local', '{}', 1, 0, 1)`,
      [pubkey, name],
    );
    await execute("insert into payout_addresses (node_pubkey, coin, network, address, set_ms) values (?, ?, ?, ?, 0)", [
      pubkey,
      COIN.coin,
      COIN.network,
      wallet,
    ]);
  });
  return { pubkey, secret, wallet, account: await stage.ataOf(wallet) };
}

/** A client whose token account holds `amount`, all of which `delegate` may spend; the ledger says the same. */
export async function addClient(
  db: Db,
  stage: ChainStage,
  { name, delegate, amount }: { name: string; delegate: Address; amount: bigint },
): Promise<Client> {
  const { owner, account } = await stage.client({ amount, delegate, allowed: amount });
  const accountId = uuid(`account/${name}`);
  await db.writer.transact(async (_, execute) => {
    await openLedger(execute, clientLedger(accountId));
    await execute("update ledger_accounts set wallet = ? where id = ?", [account, clientLedger(accountId)]);
    await credit(execute, SYSTEM_ACCOUNTS.allowances, accountId, amount);
  });
  return { accountId, owner, account };
}

/** An account with credits, which the treasury pays for. */
export async function addCreditor(db: Db, name: string, amount: bigint): Promise<string> {
  const accountId = uuid(`account/${name}`);
  await db.writer.transact((_, execute) => credit(execute, SYSTEM_ACCOUNTS.treasury, accountId, amount));
  return accountId;
}

type Execute = Parameters<typeof post>[0];
async function credit(
  execute: Execute,
  from: typeof SYSTEM_ACCOUNTS.allowances | typeof SYSTEM_ACCOUNTS.treasury,
  accountId: string,
  amount: bigint,
): Promise<void> {
  const posted = await post(execute, {
    kind: from === SYSTEM_ACCOUNTS.treasury ? "deposit" : "allowance",
    cause: `stage/${accountId}`,
    atMs: 0,
    entries: [
      { account: from, amount: -amount },
      { account: clientLedger(accountId), amount },
    ],
  });
  if (!posted.ok) throw new Error(posted.error);
}

/** One job of the client that the node answered: its receipt. */
export async function earn(
  db: Db,
  {
    node,
    accountId,
    gross,
    job,
    atMs = 1_760_000_000_000,
    model = "test",
  }: {
    node: string;
    accountId: string;
    gross: bigint;
    /** Another name, another job. */
    job: string;
    atMs?: number;
    model?: string;
  },
): Promise<void> {
  const jobId = uuid(`job/${job}`);
  await db.writer.transact(async (_, execute) => {
    const held = await hold(execute, {
      jobId,
      account: clientLedger(accountId),
      amount: gross,
      price: { input: 0, output: 0 },
      budgets: [],
      owner: null,
      atMs,
    });
    if (!held.ok) throw new Error(held.error.code);
    await settleOne(execute, issuer, {
      jobId,
      accountId,
      requestHash: ZERO_32,
      finishedMs: atMs,
      earned: [
        {
          attempt: `${jobId}.1`,
          node,
          gross,
          promptTokens: 1,
          completionTokens: 1,
          model,
          modelHash: ZERO_32,
          outputHash: ZERO_32,
        },
      ],
    });
  });
}

/** Opens a database file, with all tables. */
export async function openStageDatabase(path: string, clock: Clock): Promise<Db> {
  const db = await openDatabase({ path });
  await migrateDatabase({ db, clock });
  return db;
}

const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {}, child: () => SILENT };

/** A database, a chain behind RPC, and payouts between them. */
export type PayoutWorld = Awaited<ReturnType<typeof payoutWorld>>;

export type WorldOptions = {
  mode?: "instant" | "mempool";
  /** Of random ids. */
  random?: (bytes: number) => Uint8Array;
  treasury?: boolean;
};

/** Everything that a payout needs. `client`, `payoutsOver` and `depsOver` make another coordinator's view of it. */
export async function payoutWorld({ mode = "instant", random = randomBytes, treasury = true }: WorldOptions = {}) {
  const directory = mkdtempSync(path.join(tmpdir(), "infernet-payouts-"));
  const clock = manualClock();
  const chain = createLocalChain();
  const server = serveChain(chain);
  // The stage's own calls never fail.
  const calm = serveChain(chain);
  const stage = await chainStage(calm.url);
  const seed = sha("settlement key of tests");
  const settlement = await solanaSigner(seed);
  const feeOwner = (await stage.wallet(0n)).address;
  chain.airdrop(settlement.address, 1_000_000_000_000n);
  const treasuryAccount = treasury ? await stage.ata(settlement.address) : null;
  await stage.finalize();
  const file = path.join(directory, "infernet.db");
  const db = await openStageDatabase(file, clock);

  /** The chain as a coordinator sees it. */
  async function client(over: Db, url = server.url): Promise<Chain> {
    const connected = await connectChain(
      { clock: systemClock, cluster: clusterMemory({ db: over, clock }) },
      {
        rpcUrls: [url],
        mint: stage.mint as Address,
        priorityFee: { percentile: 75, maxLamports: 100_000n },
        timeoutMs: 30_000,
      },
    );
    if (!connected.ok) throw new Error(connected.error.message);
    return connected.value;
  }
  const payoutsOver = (over: Chain): PayoutChain =>
    solanaPayouts({
      ...{ chain: over, settlement, feeOwner, treasury: treasuryAccount },
      tables: addressTables({ db, clock, chain: over, settlement }),
    });
  const depsOver = (over: Db, payouts: PayoutChain): AdvanceDeps => ({
    ...{ db: over, clock, random, markerKey: sha("markers of tests"), log: SILENT, chain: payouts, addressText },
  });
  const deps = depsOver(db, payoutsOver(await client(db, calm.url)));
  chain.mode = mode;
  return {
    ...{ directory, file, clock, chain, server, stage, settlement, feeOwner, treasuryAccount, db, deps, seed },
    ...{ client, payoutsOver, depsOver, calmUrl: calm.url },
    feeAccount: await stage.ataOf(feeOwner),
    async [Symbol.asyncDispose]() {
      await db.close();
      await server[Symbol.asyncDispose]();
      await calm[Symbol.asyncDispose]();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

const randomBytes = (bytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(bytes));
const addressText = (bytes: Uint8Array): string => addressOf(bytes);
