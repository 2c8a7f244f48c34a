// Stake transactions: what the parties of a stake sign: its opening, what is put into it, and what sends it all. Whoever
// signs last sends it, here or anywhere.
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Address, Chain, Composed, Instruction, SendRefusal, Signature, Signer } from "../solana/chain.ts";
import { solanaSigner } from "../solana/signer.ts";
import { stakeOf } from "./stakes.ts";

export type StakeTransactionDeps = {
  db: Db;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  chain: Pick<
    Chain,
    | "mint"
    | "instructions"
    | "rentExempt"
    | "lifetime"
    | "compose"
    | "decode"
    | "send"
    | "statuses"
    | "finalized"
    | "tokenAccountOf"
  >;
  signer: Signer;
  arbiter: Address | null;
  /** Wallet that slashed stakes go to. */
  treasury: Address | null;
};

/** A transaction for others to sign. */
export type ToSign = {
  /** Base64. */
  transaction: string;
  /** Whose signatures it lacks. */
  missing: string[];
  /** It can land until the chain is higher. */
  lastValidBlockHeight: bigint;
  /** The multisig and its token account, of `create`. */
  multisig?: Address;
  tokenAccount?: Address;
};
export type StakeTransactionRefusal =
  | { code: "no_stake" }
  | { code: "not_enforceable" }
  | { code: "no_arbiter" }
  | { code: "no_treasury" }
  | { code: "signers_alike" }
  /** The request was for something else. */
  | { code: "id_used" }
  /** What was made for the request has ended. */
  | { code: "over"; state: "done" | "failed" | "expired" };

/** What is to be moved of a node's stake. */
export type StakeMove = {
  nodePubkey: string;
  amount: bigint;
  reason: string;
  /** Asked for again with the same, it is not done again. */
  request?: string | undefined;
};

/** Opens the account of an enforceable stake: two of wallet, coordinator and arbiter sign for it. The wallet pays. */
export async function createStakeTransaction(
  deps: StakeTransactionDeps,
  wallet: Address,
): Promise<Result<ToSign, StakeTransactionRefusal>> {
  const { chain, random, signer, arbiter } = deps;
  if (arbiter === null) return err({ code: "no_arbiter" });
  const signers = [wallet, signer.address, arbiter];
  if (new Set(signers).size !== signers.length) return err({ code: "signers_alike" });
  // Signs for its own making and never again: nobody keeps this key.
  const account = await solanaSigner(random(32));
  const lamports = await chain.rentExempt(MULTISIG_BYTES);
  const tokenAccount = await chain.tokenAccountOf(account.address);
  const instructions = [
    ...chain.instructions.createMultisig({ payer: wallet, account: account.address, required: 2, signers, lamports }),
    await chain.instructions.createTokenAccount({ payer: wallet, owner: account.address }),
  ];
  const composed = await compose(deps, wallet, instructions, [account]);
  return ok({ ...(await toSign(deps, composed)), multisig: account.address, tokenAccount });
}

const MULTISIG_BYTES = 355;

/** Puts more at stake, from the wallet's own token account. */
export async function depositStakeTransaction(
  deps: StakeTransactionDeps,
  nodePubkey: string,
  amount: bigint,
): Promise<Result<ToSign, StakeTransactionRefusal>> {
  const stake = await stakeOf(deps, nodePubkey);
  if (!stake) return err({ code: "no_stake" });
  const wallet = stake.wallet as Address;
  const source = await deps.chain.tokenAccountOf(wallet);
  const destination = stake.tokenAccount as Address;
  const transfer = deps.chain.instructions.transfer({ source, destination, authority: wallet, amount });
  return ok(await toSign(deps, await compose(deps, wallet, [transfer], [])));
}

/** Never too large: it has a handful of accounts. */
export async function compose(
  { chain }: StakeTransactionDeps,
  feePayer: Address,
  instructions: Instruction[],
  signers: Signer[],
): Promise<Composed> {
  const composed = await chain.compose({ feePayer, instructions, signers, lifetime: await chain.lifetime() });
  if (!composed.ok) throw new Error(`a stake's transaction has ${composed.error.bytes} bytes`);
  return composed.value;
}

/** As the parties get it. */
export async function toSign(
  { chain }: StakeTransactionDeps,
  { wire, lastValidBlockHeight }: Pick<Composed, "wire" | "lastValidBlockHeight">,
): Promise<ToSign> {
  return { transaction: wire, missing: await missingSigners({ chain }, wire), lastValidBlockHeight };
}

/** Whose signatures a transaction lacks. */
export async function missingSigners({ chain }: { chain: Pick<Chain, "decode"> }, wire: string): Promise<string[]> {
  const signers = [...((await chain.decode(wire))?.signers ?? [])];
  return signers.flatMap(([address, state]) => (state === "signed" ? [] : [address as string]));
}

/** Sends what all have signed. It need not be one of ours: whoever pays its fee may send what they like. */
export async function submitStakeTransaction(
  { chain }: StakeTransactionDeps,
  transaction: string,
): Promise<Result<Signature, SendRefusal | { code: "not_a_transaction" } | { code: "unsigned"; missing: string[] }>> {
  const read = await chain.decode(transaction);
  if (read === null) return err({ code: "not_a_transaction" });
  const missing = await missingSigners({ chain }, read.wire);
  if (missing.length > 0) return err({ code: "unsigned", missing });
  return chain.send(read.wire, { check: true });
}
