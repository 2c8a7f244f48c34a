// Token balances, as the RPC gives them beside a transaction and for an account.

import type { Address } from "@solana/web3.js";
import { getMintDecoder, getTokenDecoder, TOKEN_PROGRAM_ADDRESS, type Token } from "@solana-program/token";
import type { Account } from "./vm.ts";

const TOKEN_ACCOUNT_BYTES = 165;
const MINT_BYTES = 82;

export type UiAmount = { amount: string; decimals: number; uiAmount: number; uiAmountString: string };
export type TokenBalance = {
  accountIndex: number;
  mint: Address;
  owner: Address;
  programId: Address;
  uiTokenAmount: UiAmount;
};
type Read = (address: Address) => Account | null;

/** A token account's content; null for everything else. */
export function tokenOf(account: Account | null): Token | null {
  const isToken = account?.owner === TOKEN_PROGRAM_ADDRESS && account.data.length === TOKEN_ACCOUNT_BYTES;
  return isToken ? getTokenDecoder().decode(account.data) : null;
}

export function tokenBalances(read: Read, addresses: readonly Address[]): TokenBalance[] {
  return addresses.flatMap((address, accountIndex) => {
    const token = tokenOf(read(address));
    if (token === null) return [];
    const { mint, owner, amount } = token;
    return [
      { accountIndex, mint, owner, programId: TOKEN_PROGRAM_ADDRESS, uiTokenAmount: uiAmount(read, mint, amount) },
    ];
  });
}

export function uiAmount(read: Read, mint: Address, amount: bigint): UiAmount {
  const decimals = mintOf(read(mint))?.decimals ?? 0;
  const digits = amount.toString().padStart(decimals + 1, "0");
  const whole = digits.slice(0, digits.length - decimals);
  const fraction = digits.slice(digits.length - decimals).replace(/0+$/, "");
  const uiAmountString = fraction === "" ? whole : `${whole}.${fraction}`;
  return { amount: amount.toString(), decimals, uiAmount: Number(uiAmountString), uiAmountString };
}

/** A mint's content; null for everything else. */
export function mintOf(account: Account | null): { supply: bigint; decimals: number } | null {
  const isMint = account?.owner === TOKEN_PROGRAM_ADDRESS && account.data.length === MINT_BYTES;
  return isMint ? getMintDecoder().decode(account.data) : null;
}
