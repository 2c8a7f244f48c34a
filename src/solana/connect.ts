// Connect: the chain of a configuration, checked before it is used: the right cluster, and a mint whose base unit is 1 µ$.
import { createSolanaRpcFromTransport, type Rpc, type RpcTransport, type SolanaRpcApi } from "@solana/web3.js";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { mintDecimals } from "./accounts.ts";
import { type Address, type Chain, ChainUnreachable } from "./chain.ts";
import type { ClusterMemory } from "./cluster.ts";
import { markerAddress, tokenAccountOf } from "./derived-addresses.ts";
import { createEndpoints, type Endpoints } from "./endpoints.ts";
import { createInstructions, DECIMALS } from "./instructions.ts";
import { createReads } from "./reads.ts";
import { compose, cosign, decode } from "./transaction.ts";
import { createWrites, type PriorityFee } from "./writes.ts";

export type ChainSettings = {
  /** Asked in this order; all of one cluster. */
  rpcUrls: readonly string[];
  mint: Address;
  priorityFee: PriorityFee;
  /** Milliseconds that one server may take for one answer. */
  timeoutMs: number;
};
export type ConnectDeps = { clock: Clock; cluster: ClusterMemory };

/** Why there is no chain, with the mend. */
export type ConnectRefusal = {
  code: "chain_unreachable" | "other_cluster" | "wrong_mint";
  message: string;
  hint: string;
};

/**
 * Asks the chain who it is; refuses another cluster than before, and a mint that is no 6-decimal SPL token. Where no server
 * answers and the cluster is known from before, there is a chain all the same: it looks at the mint before it does
 * anything else, and throws until that is right.
 */
export async function connectChain(
  { clock, cluster }: ConnectDeps,
  settings: ChainSettings,
): Promise<Result<Chain, ConnectRefusal>> {
  const endpoints = createEndpoints(clock, { urls: settings.rpcUrls, timeoutMs: settings.timeoutMs });
  const { mint } = settings;
  const bare = createSolanaRpcFromTransport(endpoints.transport);
  const look = mintLook(createReads({ rpc: bare, mint }), mint);
  const guarded = async (request: Request) => {
    const wrong = await look();
    if (wrong !== null) throw new Error(wrong.message);
    return await endpoints.transport(request);
  };
  const chainOf = (genesisHash: string): Chain =>
    chainOver(createSolanaRpcFromTransport(guarded as RpcTransport), endpoints, genesisHash, settings);
  const remembered = await cluster.genesisHash();
  try {
    if (remembered !== null) endpoints.expect(remembered);
    const genesisHash = remembered ?? (await bare.getGenesisHash().send());
    endpoints.expect(genesisHash);
    const wrong = await look();
    if (wrong !== null) return err(wrong);
    // Only now, so that a slip in a first configuration is not remembered.
    const agreed = await cluster.remember(genesisHash);
    if (agreed !== genesisHash) return err(otherCluster(`the database is on ${agreed}`));
    return ok(chainOf(genesisHash));
  } catch (fault) {
    if (!(fault instanceof ChainUnreachable)) throw fault;
    if (endpoints.health().some(({ state }) => state === "other_cluster")) return err(otherCluster(fault.message));
    return remembered === null ? err(unreachable(fault.message)) : ok(chainOf(remembered));
  }
}

type Request = Parameters<RpcTransport>[0];

/** What is wrong with the mint, null where nothing is: then it is not asked for again. */
function mintLook(reads: Pick<Chain, "finalized">, mint: Address): () => Promise<ConnectRefusal | null> {
  let isRight = false;
  return async () => {
    if (isRight) return null;
    const decimals = mintDecimals((await reads.finalized([mint])).get(mint));
    isRight = decimals === DECIMALS;
    return isRight ? null : wrongMint(mint, decimals);
  };
}

function chainOver(
  rpc: Rpc<SolanaRpcApi>,
  endpoints: Endpoints,
  genesisHash: string,
  { mint, priorityFee }: ChainSettings,
): Chain {
  const reads = createReads({ rpc, mint });
  return {
    ...{ genesisHash, mint, decimals: DECIMALS, instructions: createInstructions(mint) },
    ...reads,
    ...createWrites({ rpc, mint, priorityFee }, reads.lifetime),
    tokenAccountOf: (owner) => tokenAccountOf(mint, owner),
    ...{ markerAddress, compose, cosign, decode, endpoints: endpoints.health },
  };
}

const unreachable = (message: string): ConnectRefusal => ({
  code: "chain_unreachable",
  message: `the chain cannot be reached: ${message}`,
  hint: "check solana.rpc_urls, and that this machine reaches them; several servers of different operators are safest",
});

const otherCluster = (message: string): ConnectRefusal => ({
  code: "other_cluster",
  message: `solana.rpc_urls lead to another cluster than the one this database's money is on: ${message}`,
  hint: "set the RPC URLs of the cluster that was used before; another cluster wants a data directory of its own",
});

const wrongMint = (mint: Address, decimals: number | null): ConnectRefusal => ({
  code: "wrong_mint",
  message:
    decimals === null
      ? `solana.mint ${mint} is no mint of the SPL Token program on this cluster`
      : `solana.mint ${mint} has ${decimals} decimals; amounts here are millionths of a dollar, so it must have ${DECIMALS}`,
  hint: "set solana.mint to a token of 6 decimals that is worth a dollar, such as USDC of that cluster",
});
