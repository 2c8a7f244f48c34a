// Accounts: what the bytes of an account say, as the programs that own them lay them out.

import { getBase64Encoder } from "@solana/web3.js";
import {
  ADDRESS_LOOKUP_TABLE_PROGRAM_ADDRESS,
  getAddressLookupTableDecoder,
} from "@solana-program/address-lookup-table";
import {
  getMintDecoder,
  getMultisigDecoder,
  getTokenDecoder,
  TOKEN_PROGRAM_ADDRESS,
  AccountState as TokenState,
} from "@solana-program/token";
import type { AccountState, Address, LookupTableState, Multisig, TokenAccount } from "./chain.ts";

const TOKEN_BYTES = 165;
const MINT_BYTES = 82;
const MULTISIG_BYTES = 355;
/** A table in use says so with the highest slot there is. */
const NEVER = 0xffff_ffff_ffff_ffffn;

/** As the RPC gives an account in base64. */
export type RawAccount = { owner: Address; lamports: bigint; data: readonly [string, string] };

export function accountState({ owner, lamports, data }: RawAccount): AccountState {
  const bytes = new Uint8Array(getBase64Encoder().encode(data[0]));
  return { owner, lamports, data: bytes, token: tokenAccount(owner, bytes) };
}

/** Null where it is none, or not made yet. */
function tokenAccount(program: Address, data: Uint8Array): TokenAccount | null {
  if (program !== TOKEN_PROGRAM_ADDRESS || data.length !== TOKEN_BYTES) return null;
  const { mint, owner, amount, delegate, delegatedAmount, state } = getTokenDecoder().decode(data);
  if (state === TokenState.Uninitialized) return null;
  return {
    ...{ mint, owner, amount, delegatedAmount, frozen: state === TokenState.Frozen },
    delegate: delegate.__option === "Some" ? delegate.value : null,
  };
}

/** Decimals of an SPL mint; null where the account is none. */
export function mintDecimals(account: AccountState | null): number | null {
  if (account?.owner !== TOKEN_PROGRAM_ADDRESS || account.data.length !== MINT_BYTES) return null;
  const { isInitialized, decimals } = getMintDecoder().decode(account.data);
  return isInitialized ? decimals : null;
}

export function multisigOf(account: AccountState | null): Multisig | null {
  if (account?.owner !== TOKEN_PROGRAM_ADDRESS || account.data.length !== MULTISIG_BYTES) return null;
  const { m, n, isInitialized, signers } = getMultisigDecoder().decode(account.data);
  return isInitialized ? { required: m, signers: signers.slice(0, n) } : null;
}

export function lookupTableOf(address: Address, account: AccountState | null): LookupTableState | null {
  if (account?.owner !== ADDRESS_LOOKUP_TABLE_PROGRAM_ADDRESS) return null;
  const { authority, addresses, lastExtendedSlot, deactivationSlot } = getAddressLookupTableDecoder().decode(
    account.data,
  );
  return {
    ...{ address, addresses, lastExtendedSlot },
    authority: authority.__option === "Some" ? authority.value : null,
    deactivationSlot: deactivationSlot === NEVER ? null : deactivationSlot,
  };
}
