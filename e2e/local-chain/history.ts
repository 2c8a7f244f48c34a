// History: the transactions that landed, found by signature and by the addresses they name.
import type { Address } from "@solana/web3.js";
import type { ParsedTransaction } from "./parsed-transaction.ts";
import type { TokenBalance } from "./token-balances.ts";
import type { TransactionError } from "./transaction-error.ts";

export type Landed = {
  signature: string;
  slot: bigint;
  blockTimeS: bigint;
  error: TransactionError | null;
  /** Null for an airdrop, which is no transaction of anybody's. */
  parsed: ParsedTransaction | null;
  addresses: Address[];
  fee: bigint;
  logs: string[];
  unitsConsumed: bigint;
  before: Balances;
  after: Balances;
  /** Of the first change it made, in the journal. */
  position: number;
};
/** Of a transaction's addresses, in their order. */
export type Balances = { lamports: bigint[]; tokens: TokenBalance[] };

export type History = ReturnType<typeof createHistory>;

export function createHistory() {
  const landed: Landed[] = [];
  const bySignature = new Map<string, Landed>();
  const byAddress = new Map<Address, Landed[]>();

  return {
    find: (signature: string): Landed | undefined => bySignature.get(signature),
    /** Newest first. */
    ofAddress: (address: Address): Landed[] => (byAddress.get(address) ?? []).toReversed(),
    add(entry: Landed): void {
      landed.push(entry);
      bySignature.set(entry.signature, entry);
      for (const address of new Set(entry.addresses)) {
        const of = byAddress.get(address);
        if (of === undefined) byAddress.set(address, [entry]);
        else of.push(entry);
      }
    },
    /** Forgets what landed from that position of the journal on. */
    rollBack(position: number): void {
      for (let last = landed.at(-1); last !== undefined && last.position >= position; last = landed.at(-1)) {
        landed.pop();
        bySignature.delete(last.signature);
        for (const address of new Set(last.addresses)) byAddress.get(address)?.pop();
      }
    },
  };
}
