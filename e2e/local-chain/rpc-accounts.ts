// RPC, accounts: their content at a commitment.

import { type Address, address } from "@solana/web3.js";
import { TOKEN_PROGRAM_ADDRESS } from "@solana-program/token";
import { z } from "zod";
import type { LocalChain } from "./chain.ts";
import type { Commitment } from "./commitment.ts";
import { configOf, encode, INVALID_PARAMS, type Methods, type Params, RpcError, withContext } from "./rpc-shapes.ts";
import { mintOf, tokenOf, uiAmount } from "./token-balances.ts";
import type { Account } from "./vm.ts";

/** What a cluster writes for accounts that pay no rent. */
const RENT_EPOCH = 18_446_744_073_709_551_615n;
/** Most accounts of one getMultipleAccounts. */
const MAX_ACCOUNTS = 100;

const filterSchema = z.union([z.object({ mint: z.string() }), z.object({ programId: z.string() })]);

export const addressOf = (value: unknown): Address => {
  const text = z.string().parse(value);
  try {
    return address(text);
  } catch (cause) {
    throw new RpcError(INVALID_PARAMS, "Invalid param: Invalid", { cause: String(cause) });
  }
};

export function accountMethods(chain: LocalChain): Methods {
  const readAt = (commitment: Commitment) => (of: Address) => chain.account(of, commitment);

  function tokenAccounts(params: Params, holder: "owner" | "delegate") {
    const { bank, commitment, encoding } = configOf(chain, params[2]);
    const filter = filterSchema.parse(params[1]);
    const of = addressOf(params[0]);
    const found = chain.addressesOwnedBy(TOKEN_PROGRAM_ADDRESS, commitment).flatMap((pubkey) => {
      const account = chain.account(pubkey, commitment);
      const token = tokenOf(account);
      if (token === null || ("mint" in filter && token.mint !== filter.mint)) return [];
      const delegate = token.delegate.__option === "Some" ? token.delegate.value : null;
      return (holder === "owner" ? token.owner : delegate) === of
        ? [{ pubkey, account: asJson(account, encoding) }]
        : [];
    });
    return withContext(bank, found);
  }

  return {
    getBalance(params) {
      const { bank, commitment } = configOf(chain, params[1]);
      return withContext(bank, chain.account(addressOf(params[0]), commitment)?.lamports ?? 0n);
    },
    getAccountInfo(params) {
      const { bank, commitment, encoding } = configOf(chain, params[1]);
      return withContext(bank, asJson(chain.account(addressOf(params[0]), commitment), encoding));
    },
    getMultipleAccounts(params) {
      const { bank, commitment, encoding } = configOf(chain, params[1]);
      const addresses = z.array(z.string()).parse(params[0]);
      if (addresses.length > MAX_ACCOUNTS)
        throw new RpcError(INVALID_PARAMS, `Too many inputs provided; max ${MAX_ACCOUNTS}`);
      const accounts = addresses.map((of) => asJson(chain.account(addressOf(of), commitment), encoding));
      return withContext(bank, accounts);
    },
    getTokenAccountBalance(params) {
      const { bank, commitment } = configOf(chain, params[1]);
      const token = tokenOf(chain.account(addressOf(params[0]), commitment));
      if (token === null) throw new RpcError(INVALID_PARAMS, "Invalid param: could not find account");
      return withContext(bank, uiAmount(readAt(commitment), token.mint, token.amount));
    },
    getTokenSupply(params) {
      const { bank, commitment } = configOf(chain, params[1]);
      const mint = addressOf(params[0]);
      const { supply } = mintOf(chain.account(mint, commitment)) ?? {};
      if (supply === undefined) throw new RpcError(INVALID_PARAMS, "Invalid param: could not find mint");
      return withContext(bank, uiAmount(readAt(commitment), mint, supply));
    },
    getTokenAccountsByOwner: (params) => tokenAccounts(params, "owner"),
    getTokenAccountsByDelegate: (params) => tokenAccounts(params, "delegate"),
  };
}

function asJson(account: Account | null, encoding: string | undefined) {
  if (account === null) return null;
  const { owner, lamports, data, executable } = account;
  const space = BigInt(data.length);
  return { data: encode(data, encoding), executable, lamports, owner, rentEpoch: RENT_EPOCH, space };
}
