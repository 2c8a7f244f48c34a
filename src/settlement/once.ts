// Once: transactions of the coordinator itself that must land once: a pledge that is slashed, an epoch's root. Written down
// before it is sent, told from what made its marker on the chain, signed anew only when what was signed can land no more.
import { eq, inArray } from "drizzle-orm";
import type { Drizzle, Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import type { Chain, Instruction, Signer, TransactionFailure, Wire } from "../solana/chain.ts";
import { type OnceSendRow, onceSends } from "./funding-schema.ts";
import { type MarkerChain, markerStory } from "./markers.ts";

export type OnceDeps = {
  db: Db;
  clock: Clock;
  log: Log;
  chain: MarkerChain & Pick<Chain, "finalized" | "rentExempt" | "prepare" | "send">;
  signer: Signer;
};
/** What one kind of them does. */
export type OnceKind = {
  /** Beside marker and memo; null: it cannot be done any more, and has failed. */
  instructions(row: OnceSendRow): Promise<Instruction[] | null>;
  /** Whether such a failure ends it; else it is tried again. */
  givesUp(failure: TransactionFailure): boolean;
  /** It is final: what follows, in the transaction that says so. */
  done(tx: Drizzle, execute: Execute, row: OnceSendRow, atMs: number): Promise<void>;
};
export type OnceKinds = Record<OnceSendRow["kind"], OnceKind>;

export type NewSend = Pick<OnceSendRow, "id" | "kind" | "subject" | "amount" | "memo" | "reason">;

/** Plans it inside the caller's transaction. False: it was planned before. */
export async function planSend(tx: Drizzle, send: NewSend, atMs: number): Promise<boolean> {
  const row = { ...send, state: "planned", createdMs: atMs } as const;
  const planned = await tx.insert(onceSends).values(row).onConflictDoNothing().returning({ id: onceSends.id });
  return planned.length === 1;
}

/** One step of each that is not over. Where the chain cannot be asked nothing changes. */
export async function advanceSends(deps: OnceDeps, kinds: OnceKinds): Promise<void> {
  const { db, log } = deps;
  const open = await db.read
    .select()
    .from(onceSends)
    .where(inArray(onceSends.state, ["planned", "signed"]));
  for (const row of open) {
    try {
      await advance(deps, kinds[row.kind], row);
    } catch (error) {
      log.warn("a transaction of this coordinator waits; it is tried again", {
        kind: row.kind,
        id: row.id,
        err: error,
      });
    }
  }
}

async function advance(deps: OnceDeps, kind: OnceKind, row: OnceSendRow): Promise<void> {
  const { chain, signer } = deps;
  const marker = await chain.markerAddress(signer.address, row.id);
  const { blockHeight, get } = await chain.finalized([marker]);
  const isOver = row.state === "planned" || blockHeight > BigInt(row.lastValidHeight ?? 0);
  if (get(marker) !== null) return lookAt(deps, kind, row, isOver);
  if (row.state === "planned") return sign(deps, kind, row);
  if (isOver) return change(deps, row, { state: "planned" });
  await chain.send((row.wire ?? "") as Wire);
}

/** The marker is there: by this attempt, by one of a life that the database forgot, or by a stranger's lamports. */
async function lookAt(deps: OnceDeps, kind: OnceKind, row: OnceSendRow, isOver: boolean): Promise<void> {
  const { made, taken } = await markerStory(deps.chain, deps.signer.address, row.id);
  if (made?.memos.includes(row.memo)) return finish(deps, kind, { ...row, signature: made.signature });
  if (made !== null) {
    const error = `${made.signature} did it otherwise: this database is older than the chain`;
    return change(deps, row, { state: "failed", error });
  }
  if (taken && isOver) return change(deps, row, { state: "failed", error: "a stranger took its marker's address" });
  const error = "its marker is there, and the transaction that made it is not found";
  if (row.error !== error) await change(deps, row, { error });
}

/** It landed. */
async function finish({ db, clock }: OnceDeps, kind: OnceKind, row: OnceSendRow): Promise<void> {
  const atMs = clock.nowMs();
  await db.writer.transact(async (tx, execute) => {
    const ended = await execute(
      `update once_sends set state = 'done', signature = ?, done_ms = ?, error = null
       where id = ? and state in ('planned', 'signed') returning id`,
      [row.signature, atMs, row.id],
    );
    if (ended.length === 1) await kind.done(tx, execute, row, atMs);
  });
}

async function sign(deps: OnceDeps, kind: OnceKind, row: OnceSendRow): Promise<void> {
  const { chain, signer } = deps;
  const own = await kind.instructions(row);
  if (own === null) return change(deps, row, { state: "failed", error: "it cannot be done any more" });
  const payer = signer.address;
  const lamports = await chain.rentExempt(0);
  const prepared = await chain.prepare({
    feePayer: payer,
    signers: [signer],
    instructions: [
      await chain.instructions.createMarker({ payer, base: payer, seed: row.id, lamports }),
      ...own,
      chain.instructions.memo(row.memo),
    ],
  });
  if (!prepared.ok) {
    const { error } = prepared;
    const detail =
      error.code === "too_large" ? `${error.bytes} bytes` : `${error.failure.reason}: ${error.failure.detail}`;
    // Nothing of it is signed that could still land.
    const isOver = error.code === "too_large" || kind.givesUp(error.failure);
    return change(deps, row, { state: isOver ? "failed" : "planned", error: detail });
  }
  const { wire, signature, lastValidBlockHeight } = prepared.value;
  const lastValidHeight = Number(lastValidBlockHeight);
  if (await changed(deps, row, { state: "signed", wire, signature, lastValidHeight })) await chain.send(wire);
}

type Change = Partial<Pick<OnceSendRow, "state" | "wire" | "signature" | "lastValidHeight" | "error">>;

/** False: another coordinator on the same database was quicker. */
async function changed({ db }: OnceDeps, { id, state, wire }: OnceSendRow, change: Change): Promise<boolean> {
  return await db.writer.transact(async (tx, execute) => {
    const same = await execute("select 1 from once_sends where id = ? and state = ? and wire is ?", [id, state, wire]);
    if (same.length === 0) return false;
    await tx.update(onceSends).set(change).where(eq(onceSends.id, id));
    return true;
  });
}

async function change(deps: OnceDeps, row: OnceSendRow, to: Change): Promise<void> {
  await changed(deps, row, to);
}
