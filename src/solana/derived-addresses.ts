// Derived addresses: those that follow from other addresses, so that nothing has to be remembered to find them.

import { createAddressWithSeed } from "@solana/web3.js";
import { SYSTEM_PROGRAM_ADDRESS } from "@solana-program/system";
import { findAssociatedTokenPda, TOKEN_PROGRAM_ADDRESS } from "@solana-program/token";
import type { Address } from "./chain.ts";

/** The owner's associated token account. */
export async function tokenAccountOf(mint: Address, owner: Address): Promise<Address> {
  const [address] = await findAssociatedTokenPda({ mint, owner, tokenProgram: TOKEN_PROGRAM_ADDRESS });
  return address;
}

/** Where only the key of `base` can make an account, once per seed. `seed`: at most 32 bytes. */
export const markerAddress = (base: Address, seed: string): Promise<Address> =>
  createAddressWithSeed({ baseAddress: base, seed, programAddress: SYSTEM_PROGRAM_ADDRESS });
