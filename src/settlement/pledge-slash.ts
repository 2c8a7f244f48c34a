// Pledge slash: a pledge is taken by the coordinator alone, once.
import { createHash } from "node:crypto";
import { eq } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Caller } from "../accounts/caller.ts";
import type { Drizzle, Execute } from "../db/executor.ts";
import { post, SYSTEM_ACCOUNTS } from "../ledger/ledger.ts";
import { toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Address } from "../solana/chain.ts";
import { type OnceSendRow, onceSends, type StakeRow } from "./funding-schema.ts";
import { type OnceKind, planSend } from "./once.ts";
import type { StakeMove, StakeTransactionDeps, StakeTransactionRefusal } from "./stake-transactions.ts";
import { stakeOf } from "./stakes.ts";

/** The treasury has what was slashed. */
export async function bookSlash(
  execute: Execute,
  id: string,
  amount: bigint,
  reason: string,
  atMs: number,
): Promise<void> {
  await post(execute, {
    ...{ kind: "slash", cause: `slash/${id}`, atMs, reason },
    entries: [
      { account: SYSTEM_ACCOUNTS.treasury, amount: -amount },
      { account: SYSTEM_ACCOUNTS.slashed, amount },
    ],
  });
}

/** Plans to take so much of a pledge; what came of it is in the books once it is final. */
export async function slashPledge(
  { db, clock, random, treasury }: StakeTransactionDeps,
  { nodePubkey, amount, reason, request }: StakeMove,
  by: Caller,
): Promise<Result<{ id: string; repeated: boolean }, StakeTransactionRefusal | { code: "enforceable" }>> {
  const stake = await stakeOf({ db }, nodePubkey);
  if (!stake) return err({ code: "no_stake" });
  if (stake.kind !== "pledge") return err({ code: "enforceable" });
  if (treasury === null) return err({ code: "no_treasury" });
  const id = toHex(request === undefined ? random(16) : seedOf(request));
  const atMs = clock.nowMs();
  const memo = `infernet:stake:1:slash:${nodePubkey}`;
  const send = { id, kind: "slash", subject: nodePubkey, amount: Number(amount), memo, reason } as const;
  return await db.writer.transact(
    async (tx): Promise<Result<{ id: string; repeated: boolean }, { code: "id_used" }>> => {
      if (!(await planSend(tx, send, atMs))) {
        const before = await tx.select().from(onceSends).where(eq(onceSends.id, id)).get();
        const isSame = before?.kind === "slash" && before.subject === nodePubkey && before.amount === send.amount;
        return isSame ? ok({ id, repeated: true }) : err({ code: "id_used" });
      }
      const after = { act: "slash", amount: Number(amount), reason, id };
      await audit(tx, { ...by, atMs, action: "stake.proposed", subject: `node/${nodePubkey}`, after });
      return ok({ id, repeated: false });
    },
  );
}

/** A request's marker: nobody who does not know the request knows where it will be. */
const seedOf = (request: string): Uint8Array =>
  createHash("sha256").update(`infernet/stake-slash/${request}`).digest().subarray(0, 16);

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
