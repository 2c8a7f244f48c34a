// Solana stage: the real chain client over a local chain that runs the real programs, with a settlement key that has SOL.
import { createLocalChain, type LocalChain } from "../../../e2e/local-chain/chain.ts";
import { type ChainServer, serveChain } from "../../../e2e/local-chain/server.ts";
import { type ChainStage, chainStage, type Wallet } from "../../../e2e/local-chain/stage.ts";
import { type ManualClock, manualClock } from "../../lib/clock.ts";
import type { Address, Chain, Instruction, LookupTable, Prepared, Signer } from "../chain.ts";
import type { ClusterMemory } from "../cluster.ts";
import { connectChain } from "../connect.ts";
import { solanaSigner } from "../signer.ts";

export type SolanaStage = {
  /** The chain as it is, to move and to break. */
  local: LocalChain;
  /** Servers of it, in the order they are asked. */
  servers: readonly ChainServer[];
  /** Wallets, mint, token accounts and allowances, without the client under test. */
  on: ChainStage;
  chain: Chain;
  clock: ManualClock;
  settlement: Signer;
  signerOf(wallet: Wallet): Promise<Signer>;
  /** Prepares, sends and makes final; throws where the chain would refuse. */
  land(instructions: readonly Instruction[], options?: LandOptions): Promise<Prepared>;
  [Symbol.asyncDispose](): Promise<void>;
};
export type LandOptions = { signers?: readonly Signer[]; lookupTables?: readonly LookupTable[] };

/** Remembers in this process only. */
export function forgetfulCluster(genesisHash: string | null = null): ClusterMemory {
  let known = genesisHash;
  return {
    genesisHash: async () => known,
    async remember(hash) {
      known ??= hash;
      return known;
    },
  };
}

export const NO_PRIORITY_FEE = { percentile: 75, maxLamports: 100_000n };

/** `servers`: how many RPC URLs lead to the chain. */
export async function solanaStage({ servers: count = 1 } = {}): Promise<SolanaStage> {
  const local = createLocalChain();
  const servers = Array.from({ length: count }, () => serveChain(local));
  const on = await chainStage(servers[0]?.url ?? "");
  await on.finalize();
  const clock = manualClock();
  const connected = await connectChain(
    { clock, cluster: forgetfulCluster() },
    { rpcUrls: servers.map(({ url }) => url), mint: on.mint, priorityFee: NO_PRIORITY_FEE, timeoutMs: 5_000 },
  );
  if (!connected.ok) throw new Error(connected.error.message);
  const chain = connected.value;
  const settlement = await solanaSigner(new Uint8Array(32).fill(7));
  local.airdrop(settlement.address, 100_000_000_000n);

  async function land(instructions: readonly Instruction[], { signers = [], lookupTables = [] }: LandOptions = {}) {
    const all = [settlement, ...signers];
    const what = { feePayer: settlement.address, instructions, signers: all, lookupTables };
    const prepared = await chain.prepare(what);
    if (!prepared.ok) throw new Error(JSON.stringify(prepared.error));
    const sent = await chain.send(prepared.value.wire);
    if (!sent.ok) throw new Error(JSON.stringify(sent.error));
    local.finalize();
    return prepared.value;
  }

  return {
    ...{ local, servers, on, chain, clock, settlement, land },
    signerOf: (wallet) => solanaSigner(wallet.seed),
    async [Symbol.asyncDispose]() {
      for (const server of servers) await server[Symbol.asyncDispose]();
    },
  };
}

/** Two transfers of one client in one transaction: what a settlement is made of. */
export const settle = (
  chain: Chain,
  { source, node, fee, authority }: { source: Address; node: Address; fee: Address; authority: Address },
  [toNode, toFee]: [bigint, bigint],
): Instruction[] => [
  chain.instructions.transfer({ source, destination: node, authority, amount: toNode }),
  chain.instructions.transfer({ source, destination: fee, authority, amount: toFee }),
];
