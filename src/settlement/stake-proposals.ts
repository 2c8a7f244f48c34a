// Stake proposals: a release or a slash of an enforceable stake, with the coordinator's signature. Alone that moves nothing.
import { and, eq, or } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Caller } from "../accounts/caller.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Address, Composed, Signature, Wire } from "../solana/chain.ts";
import { type StakeProposalRow, stakeProposals } from "./funding-schema.ts";
import { bookSlash } from "./pledge-slash.ts";
import {
  compose,
  type StakeMove,
  type StakeTransactionDeps,
  type StakeTransactionRefusal,
  type ToSign,
  toSign,
} from "./stake-transactions.ts";
import { stakeOf } from "./stakes.ts";

type Proposed = StakeMove & { act: "release" | "slash" };

/** Gives a stake back, or takes it, with the coordinator's signature; node or arbiter adds the second. */
export async function proposeStakeTransfer(
  deps: StakeTransactionDeps,
  move: Proposed,
  by: Caller,
): Promise<Result<ToSign, StakeTransactionRefusal>> {
  const { nodePubkey, act, amount } = move;
  const { chain, signer, treasury } = deps;
  const before = move.request === undefined ? undefined : await proposalOf(deps, move.request);
  if (before) return await again(deps, before, move);
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
  const stored = await storeProposal(deps, move, composed, by);
  return stored === undefined ? ok(await toSign(deps, composed)) : await again(deps, stored, move);
}

/** Gives what was stored before for the same request, where there is such a thing. */
async function storeProposal(
  { db, clock }: StakeTransactionDeps,
  { nodePubkey, act, amount, reason, request }: Proposed,
  { wire, signature, lastValidBlockHeight }: Composed,
  by: Caller,
): Promise<StakeProposalRow | undefined> {
  const atMs = clock.nowMs();
  const id = signature ?? "";
  return await db.writer.transact(async (tx) => {
    const row = {
      id,
      nodePubkey,
      act,
      amount: Number(amount),
      reason,
      wire,
      createdMs: atMs,
      request: request ?? null,
    };
    const added = await tx
      .insert(stakeProposals)
      .values({ ...row, state: "proposed", lastValidHeight: Number(lastValidBlockHeight) })
      .onConflictDoNothing()
      .returning();
    // The same transaction, or another one for the same request.
    if (added.length === 0) {
      const same = or(eq(stakeProposals.id, id), eq(stakeProposals.request, request ?? ""));
      return await tx.select().from(stakeProposals).where(same).get();
    }
    const after = { act, amount: Number(amount), reason, signature };
    await audit(tx, { ...by, atMs, action: "stake.proposed", subject: `node/${nodePubkey}`, after });
    return undefined;
  });
}

const proposalOf = async ({ db }: Pick<StakeTransactionDeps, "db">, request: string) =>
  db.read.select().from(stakeProposals).where(eq(stakeProposals.request, request)).get();

/** What was made for the same request before. */
async function again(
  deps: StakeTransactionDeps,
  row: StakeProposalRow,
  { nodePubkey, act, amount }: Proposed,
): Promise<Result<ToSign, StakeTransactionRefusal>> {
  const { wire, state } = row;
  if (row.nodePubkey !== nodePubkey || row.act !== act || BigInt(row.amount) !== amount || wire === null)
    return err({ code: "id_used" });
  if (state === "done" || state === "failed" || state === "expired") return err({ code: "over", state });
  return ok(await toSign(deps, { wire: wire as Wire, lastValidBlockHeight: BigInt(row.lastValidHeight) }));
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
