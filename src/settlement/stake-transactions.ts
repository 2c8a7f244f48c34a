// Stake transactions: what the parties of a stake sign. The coordinator signs its part of a release or a slash here; alone
// that moves nothing. Whoever signs last sends it, here or anywhere.
import { and, eq } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Drizzle, Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import type { Clock } from "../lib/clock.ts";
import { toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Address, Chain, Composed, Instruction, SendRefusal, Signature, Signer } from "../solana/chain.ts";
import { solanaSigner } from "../solana/signer.ts";
import { type OnceSendRow, type StakeProposalRow, type StakeRow, stakeProposals } from "./funding-schema.ts";
import { type OnceKind, planSend } from "./once.ts";
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
  | { code: "signers_alike" };

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

/** Gives a stake back, or takes it, with the coordinator's signature; node or arbiter adds the second. */
export async function proposeStakeTransfer(
  deps: StakeTransactionDeps,
  { nodePubkey, act, amount, reason }: { nodePubkey: string; act: "release" | "slash"; amount: bigint; reason: string },
  by: Caller,
): Promise<Result<ToSign, StakeTransactionRefusal>> {
  const { db, chain, clock, signer, treasury } = deps;
  const stake = await stakeOf(deps, nodePubkey);
  if (!stake) return err({ code: "no_stake" });
  const { multisig, arbiter } = stake;
  if (multisig === null || arbiter === null) return err({ code: "not_enforceable" });
  if (act === "slash" && treasury === null) return err({ code: "no_treasury" });
  const wallet = stake.wallet as Address;
  const payee = act === "release" ? wallet : (treasury ?? wallet);
  const second = act === "release" ? wallet : (arbiter as Address);
  const transfer = chain.instructions.transfer({
    source: stake.tokenAccount as Address,
    destination: await chain.tokenAccountOf(payee),
    authority: multisig as Address,
    amount,
    multisigSigners: [signer.address, second],
  });
  const opened = await chain.instructions.createTokenAccount({ payer: signer.address, owner: payee });
  const memo = chain.instructions.memo(`infernet:stake:1:${act}:${nodePubkey}`);
  const composed = await compose(deps, signer.address, [opened, transfer, memo], [signer]);
  const made = await toSign(deps, composed);
  const atMs = clock.nowMs();
  await db.writer.transact(async (tx) => {
    await tx.insert(stakeProposals).values({
      ...{ id: composed.signature ?? "", nodePubkey, act, amount: Number(amount), reason, createdMs: atMs },
      ...{ state: "proposed", lastValidHeight: Number(composed.lastValidBlockHeight) },
    });
    const after = { act, amount: Number(amount), reason, signature: composed.signature };
    await audit(tx, { ...by, atMs, action: "stake.proposed", subject: `node/${nodePubkey}`, after });
  });
  return ok(made);
}

async function compose(
  { chain }: StakeTransactionDeps,
  feePayer: Address,
  instructions: Instruction[],
  signers: Signer[],
): Promise<Composed> {
  const composed = await chain.compose({ feePayer, instructions, signers, lifetime: await chain.lifetime() });
  if (!composed.ok) throw new Error(`a stake's transaction has ${composed.error.bytes} bytes`);
  return composed.value;
}

async function toSign({ chain }: StakeTransactionDeps, { wire, lastValidBlockHeight }: Composed): Promise<ToSign> {
  const signers = [...((await chain.decode(wire))?.signers ?? [])];
  const missing = signers.flatMap(([address, state]) => (state === "signed" ? [] : [address as string]));
  return { transaction: wire, missing, lastValidBlockHeight };
}

/** Sends what all have signed. It need not be one of ours: whoever pays its fee may send what they like. */
export async function submitStakeTransaction(
  { chain }: StakeTransactionDeps,
  transaction: string,
): Promise<Result<Signature, SendRefusal | { code: "not_a_transaction" } | { code: "unsigned"; missing: string[] }>> {
  const read = await chain.decode(transaction);
  if (read === null) return err({ code: "not_a_transaction" });
  const missing = [...read.signers].flatMap(([address, state]) => (state === "signed" ? [] : [address as string]));
  if (missing.length > 0) return err({ code: "unsigned", missing });
  return chain.send(read.wire, { check: true });
}

/** Follows what was proposed until it is final or can land no more. */
export async function followProposals(deps: StakeTransactionDeps): Promise<void> {
  const { db, chain } = deps;
  const open = await db.read
    .select()
    .from(stakeProposals)
    .where(eq(stakeProposals.state, "proposed"))
    .limit(MAX_FOLLOWED);
  if (open.length === 0) return;
  const { blockHeight } = await chain.finalized([]);
  const statuses = await chain.statuses(open.map(({ id }) => id as Signature));
  for (const [at, row] of open.entries()) {
    const status = statuses[at] ?? null;
    if (status?.commitment === "finalized") await end(deps, row, status.failure === null ? "done" : "failed");
    // Long past its last block: statuses of that time are all known.
    else if (status === null && blockHeight > BigInt(row.lastValidHeight) + EXPIRY_MARGIN)
      await end(deps, row, "expired");
  }
}

const MAX_FOLLOWED = 256;
const EXPIRY_MARGIN = 150n;

async function end({ db, clock }: StakeTransactionDeps, row: StakeProposalRow, state: StakeProposalRow["state"]) {
  const atMs = clock.nowMs();
  await db.writer.transact(async (tx, execute) => {
    const here = and(eq(stakeProposals.id, row.id), eq(stakeProposals.state, "proposed"));
    const ended = await tx.update(stakeProposals).set({ state }).where(here).returning();
    if (ended.length === 0 || state !== "done") return;
    if (row.act === "slash") await bookSlash(execute, row.id, BigInt(row.amount), row.reason, atMs);
    const action = row.act === "slash" ? "stake.slashed" : "stake.released";
    const after = { amount: row.amount, reason: row.reason, signature: row.id };
    await audit(tx, { actor: "system", from: "", atMs, action, subject: `node/${row.nodePubkey}`, after });
  });
}

/** The treasury has what was slashed. */
async function bookSlash(execute: Execute, id: string, amount: bigint, reason: string, atMs: number): Promise<void> {
  await post(execute, {
    ...{ kind: "slash", cause: `slash/${id}`, atMs, reason },
    entries: [
      { account: SYSTEM_ACCOUNTS.treasury, amount: -amount },
      { account: SYSTEM_ACCOUNTS.slashed, amount },
    ],
  });
}

/** Plans to take so much of a pledge; what came of it is in the books once it is final. Gives its id. */
export async function slashPledge(
  { db, clock, random, treasury }: StakeTransactionDeps,
  { nodePubkey, amount, reason }: { nodePubkey: string; amount: bigint; reason: string },
  by: Caller,
): Promise<Result<string, StakeTransactionRefusal | { code: "enforceable" }>> {
  const stake = await stakeOf({ db }, nodePubkey);
  if (!stake) return err({ code: "no_stake" });
  if (stake.kind !== "pledge") return err({ code: "enforceable" });
  if (treasury === null) return err({ code: "no_treasury" });
  const id = toHex(random(16));
  const atMs = clock.nowMs();
  const memo = `infernet:stake:1:slash:${nodePubkey}`;
  await db.writer.transact(async (tx) => {
    await planSend(tx, { id, kind: "slash", subject: nodePubkey, amount: Number(amount), memo, reason }, atMs);
    const after = { act: "slash", amount: Number(amount), reason, id };
    await audit(tx, { ...by, atMs, action: "stake.proposed", subject: `node/${nodePubkey}`, after });
  });
  return ok(id);
}

/** How a pledge is slashed (once.ts). Where it was revoked or used up meanwhile, that is the end of it. */
export function slashKind(deps: Pick<StakeTransactionDeps, "db" | "chain" | "signer" | "treasury">): OnceKind {
  const { db, chain, signer, treasury } = deps;
  return {
    async instructions({ subject, amount }: OnceSendRow) {
      const stake: StakeRow | undefined = await stakeOf({ db }, subject);
      if (stake?.kind !== "pledge" || treasury === null) return null;
      const payer = signer.address;
      const destination = await chain.tokenAccountOf(treasury);
      const source = stake.tokenAccount as Address;
      return [
        await chain.instructions.createTokenAccount({ payer, owner: treasury }),
        chain.instructions.transfer({ source, destination, authority: payer, amount: BigInt(amount) }),
      ];
    },
    givesUp: ({ reason }) => reason !== "lamports_too_low" && reason !== "blockhash_expired",
    async done(tx: Drizzle, execute: Execute, row: OnceSendRow, atMs: number) {
      await bookSlash(execute, row.id, BigInt(row.amount), row.reason, atMs);
      const after = { amount: row.amount, reason: row.reason, signature: row.signature };
      await audit(tx, {
        actor: "system",
        from: "",
        atMs,
        action: "stake.slashed",
        subject: `node/${row.subject}`,
        after,
      });
    },
  };
}
