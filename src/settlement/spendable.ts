// Spendable: what a delegate can take out of a token account, and why it is nothing.
import { least } from "../lib/amounts.ts";
import type { AccountState, Address } from "../solana/chain.ts";
import type { Unspendable } from "./funding-schema.ts";

/** Whose account it should be, and who should be allowed to spend from it. */
export type Expected = { mint: Address; wallet: string; delegate: string };
export type Spendable = { amount: bigint; why: Unspendable | null };

const nothing = (why: Unspendable): Spendable => ({ amount: 0n, why });

/** min(balance, delegated) of what is there, where it is as it should be. */
export function spendableIn(state: AccountState | null, { mint, wallet, delegate }: Expected): Spendable {
  const token = state?.token ?? null;
  if (token === null || token.mint !== mint) return nothing("gone");
  if (token.owner !== wallet) return nothing("other_owner");
  if (token.frozen) return nothing("frozen");
  if (token.delegate === null) return nothing("revoked");
  if (token.delegate !== delegate) return nothing("other_delegate");
  return { amount: least(token.amount, token.delegatedAmount), why: null };
}
