// Set aside: a source that does not pay holds nobody else up. Its receipts go to a payout of their own, which waits until
// the source pays again, or until an admin gives it up.
import { audit } from "../accounts/audit.ts";
import type { Execute } from "../db/executor.ts";
import { hold } from "../ledger/holds.ts";
import { nodeLedger } from "../ledger/ledger.ts";
import { toHex } from "../lib/hex.ts";
import type { Log } from "../lib/log.ts";
import { type PayableReceipt, type Share, shareOf, sourceOf } from "./legs.ts";
import { markerSeed } from "./markers.ts";
import { letGo, type MoveDeps } from "./moves.ts";
import type { AddressText, PayoutChain } from "./payout-chain.ts";
import { getPayout, legsOf, payoutsIn, receiptsOf } from "./payouts.ts";
import { holdOf, writePayout } from "./plan.ts";
import { type PayoutRow, TREASURY } from "./schema.ts";

/**
 * Takes `source` out of a payout without a live attempt; a payout of that source alone becomes stuck itself. Nothing
 * happens where the payout has changed since it was read.
 */
export async function setAside(deps: SetAsideDeps, id: string, source: string, reason: string): Promise<void> {
  const payout = await getPayout(deps, id);
  if (payout?.state !== "due") return;
  const legs = await legsOf(deps, payout.id);
  if (!legs.some((leg) => leg.source === source)) return;
  if (legs.length === 1) await becomeStuck(deps, payout, reason);
  else await split(deps, payout, new Set([source]), { state: "stuck", reason });
}

/** Makes two of a payout whose transaction would be too large, each of half its sources. */
export async function halve(deps: SetAsideDeps, id: string): Promise<void> {
  const payout = await getPayout(deps, id);
  const legs = await legsOf(deps, id);
  if (payout?.state !== "due" || legs.length < 2) return;
  const half = legs.slice(legs.length / 2).map(({ source }) => source);
  await split(deps, payout, new Set(half), { state: "due", reason: null });
}

/**
 * Gives a payout another id, and thereby another marker: a stranger's lamports at the address of its own keep it from
 * being paid. They keep every older copy of the database from paying it, too, as long as they stay, and nobody but the
 * settlement key could take them away.
 */
export async function renew(deps: SetAsideDeps, id: string): Promise<void> {
  const { db, clock, markerKey, addressText } = deps;
  const payout = await getPayout(deps, id);
  if (payout?.state !== "due") return;
  const share = shareOf(await receiptsOf(deps, id), (receipt) => sourceOf(receipt, addressText));
  const { node, wallet, revision } = payout;
  // An older database comes to the same one, and finds what it paid.
  const renewed = markerSeed(markerKey, `payout/${id}`);
  const reason = `a stranger took its marker's address; payout ${renewed} is in its place`;
  const atMs = clock.nowMs();
  await db.writer.transact(async (tx, execute) => {
    const set =
      "state = 'written_off', node_amount = 0, fee = 0, receipts = 0, trouble = null, reason = ?, ended_ms = ?";
    if (!(await change(execute, id, revision, set, [reason, atMs]))) return;
    await execute("delete from payout_legs where payout_id = ?", [id]);
    await letGo(execute, id);
    await writePayout(execute, { id: renewed, node, wallet, state: "due", reason: null, share, atMs, outOf: id });
    await holdFor(execute, { id: renewed, node, amount: share.nodeAmount, atMs });
    const before = { payout: id, root: payout.root, node_amount: payout.nodeAmount };
    const after = { payout: renewed, reason };
    await audit(tx, { atMs, actor: "system", action: "payout.planned", subject: `node/${node}`, before, after });
  });
}

/** Of what was held by the payout whose part this is. */
async function holdFor(
  execute: Execute,
  { id, node, amount, atMs }: { id: string; node: string; amount: bigint; atMs: number },
): Promise<void> {
  const held = await hold(execute, {
    jobId: holdOf(id),
    account: nodeLedger(node),
    amount,
    price: { input: 0, output: 0 },
    budgets: [],
    owner: null,
    atMs,
  });
  if (!held.ok) throw new Error(`what was held does not cover payout ${id}`);
}

export type SetAsideDeps = MoveDeps & {
  random: (bytes: number) => Uint8Array;
  /** Secret: ids of payouts that are renewed follow from it. */
  markerKey: Uint8Array;
  addressText: AddressText;
};

async function becomeStuck({ db, clock }: MoveDeps, { id, node, revision }: PayoutRow, reason: string): Promise<void> {
  const atMs = clock.nowMs();
  await db.writer.transact(async (tx, execute) => {
    if (!(await change(execute, id, revision, "state = 'stuck', trouble = null, reason = ?", [reason]))) return;
    await audit(tx, {
      atMs,
      actor: "system",
      action: "payout.failed",
      subject: `node/${node}`,
      after: { payout: id, reason },
    });
  });
}

/** The one write that changes what a payout pays: only as it was read, and while nothing that was signed can land. */
async function change(
  execute: Execute,
  id: string,
  revision: number,
  set: string,
  params: readonly (string | number | bigint)[],
): Promise<boolean> {
  const rows = await execute(
    `update payouts set ${set}, revision = revision + 1 where id = ? and revision = ? and state = 'due'
       and not exists (select 1 from payout_attempts where payout_id = payouts.id and state = 'live') returning id`,
    [...params, id, revision],
  );
  return rows.length === 1;
}

type Aside = { state: "stuck" | "due"; reason: string | null };

async function split(
  deps: SetAsideDeps,
  payout: PayoutRow,
  sources: ReadonlySet<string>,
  { state, reason }: Aside,
): Promise<void> {
  const { db, clock, random, addressText } = deps;
  const receipts = await receiptsOf(deps, payout.id);
  const from = (receipt: PayableReceipt) => sourceOf(receipt, addressText);
  const isAside = (receipt: PayableReceipt) => receipt.gross > 0n && sources.has(from(receipt));
  const aside = shareOf(receipts.filter(isAside), from);
  const kept = shareOf(
    receipts.filter((receipt) => !isAside(receipt)),
    from,
  );
  const id = toHex(random(16));
  const atMs = clock.nowMs();
  const { node, wallet } = payout;
  await db.writer.transact(async (tx, execute) => {
    if (!(await keepOnly(execute, payout, kept, sources))) return;
    await letGo(execute, payout.id);
    await writePayout(execute, { id, node, wallet, state, reason, share: aside, atMs, outOf: payout.id });
    await holdFor(execute, { id: payout.id, node, amount: kept.nodeAmount, atMs });
    await holdFor(execute, { id, node, amount: aside.nodeAmount, atMs });
    await audit(tx, {
      atMs,
      actor: "system",
      action: state === "stuck" ? "payout.failed" : "payout.planned",
      subject: `node/${node}`,
      before: { payout: payout.id, root: payout.root, node_amount: payout.nodeAmount },
      after: { payout: id, sources: sources.size, reason, root: aside.root, node_amount: Number(aside.nodeAmount) },
    });
  });
}

async function keepOnly(
  execute: Execute,
  payout: PayoutRow,
  kept: Share,
  sources: ReadonlySet<string>,
): Promise<boolean> {
  const { id, revision } = payout;
  const set = "node_amount = ?, fee = ?, root = ?, receipts = ?, first_seq = ?";
  const { nodeAmount, fee, root, receipts } = kept;
  const values = [nodeAmount, fee, root, receipts.length, receipts[0]?.seq ?? 0];
  if (!(await change(execute, id, revision, set, values))) return false;
  await execute("delete from payout_legs where payout_id = ? and source in (select value from json_each(?))", [
    id,
    JSON.stringify([...sources]),
  ]);
  return true;
}

/** Has a stuck payout tried again, whatever was last seen of its source. False where it is not stuck. */
export async function retryNow({ db }: MoveDeps, id: string): Promise<boolean> {
  return await db.writer.transact(async (_, execute) => {
    const rows = await execute(
      "update payouts set state = 'due', reason = null, revision = revision + 1 where id = ? and state = 'stuck' returning id",
      [id],
    );
    return rows.length === 1;
  });
}

export type RetryDeps = MoveDeps & { chain: Pick<PayoutChain, "spendable">; log: Log };

/** Lets stuck payouts go on whose source can pay them again, by what is final. */
export async function retryStuck(deps: RetryDeps): Promise<void> {
  for (const payout of await payoutsIn(deps, ["stuck"])) await retryOne(deps, payout);
}

async function retryOne(deps: RetryDeps, payout: PayoutRow): Promise<void> {
  const [leg] = await legsOf(deps, payout.id);
  if (!leg) return;
  const needed = BigInt(leg.nodeAmount) + (leg.source === TREASURY ? 0n : BigInt(leg.fee));
  if ((await deps.chain.spendable(leg.source)) < needed) return;
  const { id, revision } = payout;
  await deps.db.writer.transact(async (_, execute) => {
    await execute(
      "update payouts set state = 'due', reason = null, revision = revision + 1 where id = ? and revision = ? and state = 'stuck'",
      [id, revision],
    );
  });
  deps.log.info("a payout's source can pay again", { payout: id, source: leg.source });
}
