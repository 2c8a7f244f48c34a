// Chain stage: what a test needs on a chain before it can begin: wallets with lamports, a mint, token accounts, money in
// them, allowances. It speaks plain RPC, so it works on a chain in this process and on one in another.

import {
  type Address,
  appendTransactionMessageInstructions,
  createKeyPairSignerFromPrivateKeyBytes,
  createSolanaRpc,
  createTransactionMessage,
  getBase64EncodedWireTransaction,
  getBase64Encoder,
  getSignatureFromTransaction,
  type IInstruction,
  type KeyPairSigner,
  pipe,
  type Rpc,
  type SolanaRpcApi,
  setTransactionMessageFeePayerSigner,
  setTransactionMessageLifetimeUsingBlockhash,
  signTransactionMessageWithSigners,
} from "@solana/web3.js";
import { getCreateAccountInstruction, getTransferSolInstruction } from "@solana-program/system";
import {
  findAssociatedTokenPda,
  getApproveCheckedInstruction,
  getCreateAssociatedTokenIdempotentInstruction,
  getInitializeAccount3Instruction,
  getInitializeMint2Instruction,
  getMintSize,
  getMintToInstruction,
  getRevokeInstruction,
  getTokenDecoder,
  getTokenSize,
  getTransferCheckedInstruction,
  TOKEN_PROGRAM_ADDRESS,
  type Token,
} from "@solana-program/token";
import type { Commitment } from "./commitment.ts";
import { parseJson, stringify } from "./json.ts";
import { sha256 } from "./vm.ts";

const ONE_SOL = 1_000_000_000n;
const PROCESSED = { commitment: "processed" } as const;

/** A key pair whose 32-byte seed a test may write into a key file. */
export type Wallet = KeyPairSigner & { seed: Uint8Array };
export type ChainStage = Awaited<ReturnType<typeof chainStage>>;

export type StageOptions = {
  /** Of the mint. */
  decimals?: number;
  /** Wallets of another label are other wallets. */
  label?: string;
};

/** A mint on the chain behind `url`, and an admin who mints. The chain is in `instant` mode while this is awaited. */
export async function chainStage(url: string, { decimals = 6, label = "stage" }: StageOptions = {}) {
  const rpc: Rpc<SolanaRpcApi> = createSolanaRpc(url);
  let wallets = 0;

  /** The methods that only a local chain has, e.g. `control("local_advance", 40)`. */
  async function control(method: `local_${string}`, ...params: unknown[]): Promise<unknown> {
    const body = stringify({ jsonrpc: "2.0", id: 1, method, params });
    const response = await fetch(url, { method: "POST", body });
    const { result, error } = parseJson(await response.text()) as { result?: unknown; error?: { message: string } };
    if (error !== undefined) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** A new wallet, the same ones in every run, with so many SOL. */
  async function wallet(sol = 10n): Promise<Wallet> {
    const seed = sha256(new TextEncoder().encode(`${label}/${wallets++}`));
    const signer = await createKeyPairSignerFromPrivateKeyBytes(seed);
    if (sol > 0n) await control("local_airdrop", signer.address, sol * ONE_SOL);
    return Object.freeze({ ...signer, seed });
  }

  /** Signs and sends; past the preflight, so that what fails lands, too. Returns the signature. */
  async function send(payer: KeyPairSigner, instructions: IInstruction[]): Promise<string> {
    const { value: lifetime } = await rpc.getLatestBlockhash(PROCESSED).send();
    const signed = await pipe(
      createTransactionMessage({ version: 0 }),
      (message) => setTransactionMessageFeePayerSigner(payer, message),
      (message) => setTransactionMessageLifetimeUsingBlockhash(lifetime, message),
      (message) => appendTransactionMessageInstructions(instructions, message),
      (message) => signTransactionMessageWithSigners(message),
    );
    const wire = getBase64EncodedWireTransaction(signed);
    await rpc.sendTransaction(wire, { encoding: "base64", skipPreflight: true }).send();
    return getSignatureFromTransaction(signed);
  }

  /** As `send`, for what must work. */
  async function land(payer: KeyPairSigner, instructions: IInstruction[]): Promise<string> {
    const signature = await send(payer, instructions);
    const [status] = (await rpc.getSignatureStatuses([signature as never]).send()).value;
    if (status == null || status.err !== null)
      throw new Error(`${signature}: ${stringify(status?.err ?? "did not land")}`);
    return signature;
  }

  const admin = await wallet(1_000n);
  const mint = await createMint(decimals);

  async function createMint(ofDecimals: number): Promise<Address> {
    const newMint = await wallet(0n);
    const space = BigInt(getMintSize());
    const lamports = await rpc.getMinimumBalanceForRentExemption(space).send();
    const programAddress = TOKEN_PROGRAM_ADDRESS;
    await land(admin, [
      getCreateAccountInstruction({ payer: admin, newAccount: newMint, lamports, space, programAddress }),
      getInitializeMint2Instruction({ mint: newMint.address, decimals: ofDecimals, mintAuthority: admin.address }),
    ]);
    return newMint.address;
  }

  const ataOf = async (owner: Address, ofMint = mint): Promise<Address> =>
    (await findAssociatedTokenPda({ mint: ofMint, owner, tokenProgram: TOKEN_PROGRAM_ADDRESS }))[0];

  /** The owner's associated token account, made where it is missing. */
  async function ata(owner: Address, ofMint = mint): Promise<Address> {
    const account = await ataOf(owner, ofMint);
    await land(admin, [
      getCreateAssociatedTokenIdempotentInstruction({ payer: admin, ata: account, mint: ofMint, owner }),
    ]);
    return account;
  }

  /** A token account beside the associated one, as for a dedicated allowance. */
  async function tokenAccount(owner: Address): Promise<Address> {
    const account = await wallet(0n);
    const space = BigInt(getTokenSize());
    const lamports = await rpc.getMinimumBalanceForRentExemption(space).send();
    const programAddress = TOKEN_PROGRAM_ADDRESS;
    await land(admin, [
      getCreateAccountInstruction({ payer: admin, newAccount: account, lamports, space, programAddress }),
      getInitializeAccount3Instruction({ account: account.address, mint, owner }),
    ]);
    return account.address;
  }

  const mintTo = (token: Address, amount: bigint): Promise<string> =>
    land(admin, [getMintToInstruction({ mint, token, mintAuthority: admin, amount })]);

  /** Lets `delegate` spend up to `amount` from the account; replaces whom it was before. */
  const approve = (owner: KeyPairSigner, source: Address, delegate: Address, amount: bigint): Promise<string> =>
    land(owner, [getApproveCheckedInstruction({ source, mint, delegate, owner, amount, decimals })]);

  const revoke = (owner: KeyPairSigner, source: Address): Promise<string> =>
    land(owner, [getRevokeInstruction({ source, owner })]);

  const transfer = (owner: KeyPairSigner, source: Address, destination: Address, amount: bigint): Promise<string> =>
    land(owner, [getTransferCheckedInstruction({ source, mint, destination, authority: owner, amount, decimals })]);

  /** Lamports from a wallet to any address, as anybody may send them. */
  const fund = (payer: KeyPairSigner, destination: Address, lamports: bigint): Promise<string> =>
    land(payer, [getTransferSolInstruction({ source: payer, destination, amount: lamports })]);

  /** A token account's content, as of now unless said; null: there is none. */
  async function token(of: Address, commitment: Commitment = "processed"): Promise<Token | null> {
    const { value } = await rpc.getAccountInfo(of, { commitment, encoding: "base64" }).send();
    return value === null ? null : getTokenDecoder().decode(getBase64Encoder().encode(value.data[0]));
  }

  /** Base units in a token account; 0 where there is none. */
  const balance = async (of: Address, commitment: Commitment = "processed"): Promise<bigint> =>
    (await token(of, commitment))?.amount ?? 0n;

  /** A wallet with a token account that holds `amount`, of which `delegate` may spend `allowed`. */
  async function client({ amount, delegate, allowed }: { amount: bigint; delegate: Address; allowed: bigint }) {
    const owner = await wallet(1n);
    const account = await ata(owner.address);
    await mintTo(account, amount);
    await approve(owner, account, delegate, allowed);
    return { owner, account };
  }

  return {
    ...{ url, rpc, admin, mint, decimals, control, wallet, send, land, createMint, ataOf, ata, tokenAccount },
    ...{ mintTo, approve, revoke, transfer, fund, token, balance, client },
    /** So many blocks later. */
    advance: (blocks: number) => control("local_advance", blocks),
    /** Until all that landed is final. */
    finalize: () => control("local_advance", 33),
  };
}
