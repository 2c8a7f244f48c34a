// Paid world: a chain, a coordinator that settles on it, and a node that serves a scripted model at a price.

import { AccountRole } from "@solana/web3.js";
import { getTransferCheckedInstruction } from "@solana-program/token";
import { createLocalChain, type LocalChain } from "../local-chain/chain.ts";
import { serveChain } from "../local-chain/server.ts";
import { type ChainStage, chainStage } from "../local-chain/stage.ts";
import type { FaultBackend } from "./fault-backend.ts";
import type { Instance } from "./instance.ts";
import { type Books, booksOf } from "./money.ts";
import type { Stage } from "./stage.ts";
import { waitFor } from "./wait-for.ts";

export const MODEL = "scripted-model";
/** µ$ for each token of output; the prompt is free. */
export const TOKEN = 50;

export type PaidWorld = {
  chain: LocalChain;
  on: ChainStage;
  coordinator: Instance;
  node: Instance;
  /** Of the chain's RPC. */
  rpcUrl: string;
  backend: FaultBackend;
  books: Books;
  key: string;
  /** Of the treasury's wallet. */
  treasuryAccount: Awaited<ReturnType<ChainStage["ata"]>>;
  /** The coordinator's own key on the chain, with lamports. */
  settlement: string;
  /** A request with the key; JSON in and out. */
  ask(path: string, options?: { method?: string; body?: object }): Promise<{ status: number; json: Json }>;
};
/** What came back, to be looked into by a test. */
// biome-ignore lint/suspicious/noExplicitAny: a test says what it expects by looking.
export type Json = any;

/** `more`: lines after those of `[solana]`, or what makes them. `pollS`: seconds between two looks at the chain. */
export async function openPaidWorld(
  stage: Stage,
  more: string | ((on: ChainStage) => Promise<string>) = "",
  pollS = 1,
): Promise<PaidWorld> {
  const chain = createLocalChain();
  const server = serveChain(chain);
  stage.onClose(() => server[Symbol.asyncDispose]());
  const on = await chainStage(server.url);
  const treasury = await on.wallet(0n);
  const treasuryAccount = await on.ata(treasury.address);
  await on.finalize();
  const lines = typeof more === "string" ? more : await more(on);
  const toml = `[coordinator]
price_output_max = ${TOKEN * 1_000_000}
[billing]
mode = "solana"
[solana]
rpc_urls = ["${server.url}"]
mint = "${on.mint}"
treasury = "${treasury.address}"
poll_s = ${pollS}
${lines}`;
  const { coordinator, key } = await stage.coordinator(toml);
  const backend = stage.backend();
  const node = await stage.node(
    coordinator,
    [backend.url],
    `[node]\nprobe = false\nprice_output = ${TOKEN * 1_000_000}`,
  );
  await stage.served(coordinator, MODEL);
  const books = await booksOf(coordinator.dataDirectory);
  stage.onClose(() => books.close());
  const ask: PaidWorld["ask"] = async (path, { method = "GET", body } = {}) => {
    const response = await fetch(coordinator.url + path, {
      method,
      headers: { authorization: `Bearer ${key}` },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, json: await response.json() };
  };
  const settlement = (await ask("/api/v1/funding/allowance")).json.delegates[0].address as string;
  await on.control("local_airdrop", settlement, 1_000_000_000n);
  await on.finalize();
  const { url: rpcUrl } = server;
  return { chain, on, rpcUrl, coordinator, node, backend, books, key, treasuryAccount, settlement, ask };
}

/** Has the chain go on until it holds. */
export const waitOnChain = <T>({ on }: PaidWorld, what: string, look: () => Promise<T | undefined | false>) =>
  waitFor(what, async () => {
    await on.advance(40);
    return look();
  });

type Address = PaidWorld["treasuryAccount"];

/** Pays as a wallet does that has read the Solana Pay URL. */
export async function payUrl({ on }: PaidWorld, url: string, amount: bigint): Promise<void> {
  const asked = new URL(url);
  const owner = await on.wallet();
  const source = await on.ata(owner.address);
  await on.mintTo(source, amount);
  const transfer = getTransferCheckedInstruction({
    ...{ source, mint: on.mint, authority: owner, amount, decimals: 6 },
    destination: await on.ataOf(asked.pathname as Address),
  });
  const reference = { address: asked.searchParams.get("reference") as Address, role: AccountRole.READONLY };
  await on.land(owner, [{ ...transfer, accounts: [...transfer.accounts, reference] }]);
}
