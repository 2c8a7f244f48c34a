// Funding stage: a database, a chain with real programs, and the keys of a coordinator on it.

import { createLocalChain } from "../../../e2e/local-chain/chain.ts";
import { serveChain } from "../../../e2e/local-chain/server.ts";
import { chainStage } from "../../../e2e/local-chain/stage.ts";
import { LOCAL_ACCOUNT_ID } from "../../accounts/schema.ts";
import { testDatabase } from "../../db/test-database.ts";
import { balanceOf, clientLedger } from "../../ledger/ledger.ts";
import { manualClock, systemClock } from "../../lib/clock.ts";
import { silentLog } from "../../lib/log.ts";
import type { Address } from "../../solana/chain.ts";
import type { ClusterMemory } from "../../solana/cluster.ts";
import { connectChain } from "../../solana/connect.ts";
import { solanaSigner } from "../../solana/signer.ts";

export type FundingStage = Awaited<ReturnType<typeof fundingStage>>;

/** Remembers in memory: what the database would remember is tested beside it. */
function memory(): ClusterMemory {
  let known: string | null = null;
  return {
    genesisHash: async () => known,
    async remember(hash) {
      known ??= hash;
      return known;
    },
  };
}

/** `settlement`: the coordinator's key, with lamports. `treasury`: a wallet whose token account is there. */
export async function fundingStage() {
  const local = createLocalChain();
  const server = serveChain(local);
  const on = await chainStage(server.url);
  const wallet = await on.wallet();
  const treasury = await on.wallet(0n);
  const treasuryAccount = await on.ata(treasury.address);
  await on.finalize();
  const base = await testDatabase();
  const clock = manualClock();
  const connected = await connectChain(
    // RPC servers answer in real time, however far a test moves its own.
    { clock: systemClock, cluster: memory() },
    {
      rpcUrls: [server.url],
      mint: on.mint as Address,
      priorityFee: { percentile: 50, maxLamports: 10_000n },
      timeoutMs: 30_000,
    },
  );
  if (!connected.ok) throw new Error(connected.error.message);
  const { db } = base;
  return {
    ...{ local, server, on, db, clock, chain: connected.value, log: silentLog, treasuryAccount },
    settlement: await solanaSigner(wallet.seed),
    treasury: treasury.address as Address,
    random: (bytes: number) => crypto.getRandomValues(new Uint8Array(bytes)),
    /** A client of the database. */
    async account(id: string): Promise<string> {
      await db.writer.transact(async (_, execute) =>
        execute("insert into accounts (id, kind, name, created_ms) values (?, 'client', ?, 0)", [id, id]),
      );
      return id;
    },
    balance: (accountId = LOCAL_ACCOUNT_ID) => balanceOf(db, clientLedger(accountId)),
    async [Symbol.asyncDispose]() {
      await base[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
