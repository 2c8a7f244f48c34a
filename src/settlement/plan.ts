// Plan: gives a node's unpaid receipts to payouts, in one transaction. Nothing is signed here, and nothing is sent.
import { and, asc, eq } from "drizzle-orm";
import { audit } from "../accounts/audit.ts";
import type { Execute } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { hold, release } from "../ledger/holds.ts";
import { nodeLedger } from "../ledger/ledger.ts";
import { toHex } from "../lib/hex.ts";
import { err, ok, type Result } from "../lib/result.ts";
import {
  PAYABLE_COLUMNS,
  type PayableReceipt,
  payableReceipt,
  type Share,
  shareOf,
  sourceOf,
  transfersOf,
} from "./legs.ts";
import type { AddressText } from "./payout-chain.ts";
import { type PayoutState, payoutFronts, payouts, TREASURY } from "./schema.ts";

export type PlanDeps = {
  db: Db;
  clock: { nowMs(): number };
  random: (bytes: number) => Uint8Array;
  addressText: AddressText;
};
export type PlanRules = {
  /** Least that the node must get, µ$. */
  minimum: bigint;
  /** Most transfers of one payout. */
  maxTransfers: number;
  /** Most receipts of one payout. */
  maxReceipts: number;
  /** Whether there is one, to pay what no allowance pays. */
  treasury: boolean;
};
export type Planned = { id: string; nodeAmount: bigint; fee: bigint; receipts: number };
export type PlanRefusal =
  | { code: "nothing_unpaid" }
  | { code: "below_minimum"; unpaid: bigint; minimum: bigint }
  /** An earlier payout of the node cannot be sent now: with more of them it would hold up everybody's. */
  | { code: "earlier_waits" }
  /** The ledger says that the node is owed less than its receipts do: somebody settled them otherwise. */
  | { code: "settled_otherwise"; unpaid: bigint };

/** Receipts looked at in one go. */
const PAGE = 2_000;
/** Receipts of one plan; the next one goes on from there. */
const MAX_PLANNED = 50_000;

/**
 * Plans all that the node is owed, to be paid to `wallet`. `state`: `planned` waits for the node's agreement, `due` does
 * not. Plans that the node never agreed to are made anew, where they would differ: asking again and again leaves no traces.
 */
export async function planPayouts(
  deps: PlanDeps,
  rules: PlanRules,
  { node, wallet, state }: { node: string; wallet: string; state: Extract<PayoutState, "planned" | "due"> },
): Promise<Result<Planned[], PlanRefusal>> {
  const { db } = deps;
  const waiting = await db.query(
    "select 1 from payouts where node = ? and state = 'due' and trouble is not null limit 1",
    [node],
  );
  if (waiting.length > 0) return err({ code: "earlier_waits" });
  for (;;) {
    const standing = state === "planned" ? await standingPlans(deps, rules, node, wallet) : [];
    if (standing.length > 0) return ok(standing);
    await dissolvePlans(deps, node);
    const front = await frontOf(db, node);
    const unpaid = await unpaidReceipts(deps, node, front, rules.treasury);
    const owed = unpaid.reduce((total, { nodeAmount }) => total + nodeAmount, 0n);
    if (owed === 0n) return err({ code: "nothing_unpaid" });
    if (owed < rules.minimum) return err({ code: "below_minimum", unpaid: owed, minimum: rules.minimum });
    const shares = divide(unpaid, rules, (receipt) => sourceOf(receipt, deps.addressText));
    const planned = await assign(deps, { node, wallet, state, shares });
    if (planned === "settled_otherwise") return err({ code: planned, unpaid: owed });
    if (planned !== "changed_meanwhile") return ok(planned);
  }
}

/** What the node was shown and has not agreed to, where that is all it is owed, to the same wallet; else none. */
async function standingPlans(deps: PlanDeps, rules: PlanRules, node: string, wallet: string): Promise<Planned[]> {
  const { db } = deps;
  const mine = and(eq(payouts.node, node), eq(payouts.state, "planned"));
  const plans = await db.read.select().from(payouts).where(mine).orderBy(asc(payouts.createdMs), asc(payouts.id));
  if (plans.length === 0 || plans.some((plan) => plan.wallet !== wallet)) return [];
  const free = await unpaidReceipts(deps, node, await frontOf(db, node), rules.treasury);
  if (free.some(({ nodeAmount }) => nodeAmount > 0n)) return [];
  return plans.map(({ id, nodeAmount, fee, receipts }) => ({
    ...{ id, receipts },
    nodeAmount: BigInt(nodeAmount),
    fee: BigInt(fee),
  }));
}

/** Takes back what the node was shown and has not agreed to: of that, nothing was ever signed. */
async function dissolvePlans({ db }: PlanDeps, node: string): Promise<void> {
  const [any] = await db.query("select 1 from payouts where state = 'planned' and node = ? limit 1", [node]);
  if (!any) return;
  await db.writer.transact(async (_, execute) => {
    const plans = await execute("select id, first_seq from payouts where state = 'planned' and node = ?", [node]);
    for (const [id, firstSeq] of plans as [string, number][]) {
      await execute("update receipts set payout_id = null where payout_id = ?", [id]);
      await execute("delete from payout_legs where payout_id = ?", [id]);
      await execute("delete from payouts where id = ?", [id]);
      await execute("update payout_fronts set seq = min(seq, ?) where node = ?", [Number(firstSeq) - 1, node]);
      await release(execute, holdOf(id));
    }
  });
}

/** The hold on what a node is owed for as long as a payout of it is open. */
export const holdOf = (payoutId: string): string => `payout/${payoutId}`;

async function frontOf({ read }: Db, node: string): Promise<number> {
  const row = await read.select().from(payoutFronts).where(eq(payoutFronts.node, node)).get();
  return row?.seq ?? 0;
}

/** Those that have no payout and that somebody here can pay, in order. */
async function unpaidReceipts(
  { db, addressText }: PlanDeps,
  node: string,
  after: number,
  treasury: boolean,
): Promise<PayableReceipt[]> {
  const found: PayableReceipt[] = [];
  for (let seq = after; found.length < MAX_PLANNED; ) {
    const rows = await db.query(
      `select ${PAYABLE_COLUMNS}, payout_id is null from receipts where node = ? and seq > ? order by seq limit ${PAGE}`,
      [node, seq],
    );
    for (const row of rows) {
      if (Number(row[7]) !== 1) continue;
      const receipt = payableReceipt(row);
      if (treasury || sourceOf(receipt, addressText) !== TREASURY) found.push(receipt);
    }
    if (rows.length < PAGE) break;
    seq = Number(rows.at(-1)?.[0]);
  }
  return found;
}

/** Cuts receipts into payouts that fit a transaction each. A source's receipts stay together as far as they may. */
function divide(
  receipts: readonly PayableReceipt[],
  { maxTransfers, maxReceipts }: PlanRules,
  source: (receipt: PayableReceipt) => string,
): Share[] {
  const bySource = new Map<string, PayableReceipt[]>();
  for (const receipt of receipts) {
    const from = source(receipt);
    const others = bySource.get(from);
    if (others) others.push(receipt);
    else bySource.set(from, [receipt]);
  }
  const groups: PayableReceipt[][] = [];
  let transfers = 0;
  for (const [from, all] of bySource) {
    const needed = all.some(({ gross }) => gross > 0n) ? (from === TREASURY ? 1 : 2) : 0;
    for (let at = 0; at < all.length; at += maxReceipts) {
      const part = all.slice(at, at + maxReceipts);
      const last = groups.at(-1);
      const fits = last && last.length + part.length <= maxReceipts && transfers + needed <= maxTransfers;
      if (fits) last.push(...part);
      else {
        groups.push(part);
        transfers = 0;
      }
      transfers += needed;
    }
  }
  // A group of nothing but free receipts goes with the next payout.
  return groups.map((group) => shareOf(group, source)).filter(({ legs }) => legs.some((leg) => transfersOf(leg) > 0));
}

type Assignment = { node: string; wallet: string; state: PayoutState; shares: readonly Share[] };

class ChangedMeanwhile extends Error {}
class SettledOtherwise extends Error {}

async function assign(
  { db, clock, random }: PlanDeps,
  { node, wallet, state, shares }: Assignment,
): Promise<Planned[] | "changed_meanwhile" | "settled_otherwise"> {
  const atMs = clock.nowMs();
  try {
    return await db.writer.transact(async (tx, execute) => {
      const planned: Planned[] = [];
      for (const share of shares) {
        const id = toHex(random(16));
        await writePayout(execute, { id, node, wallet, state, reason: null, share, atMs });
        const held = await hold(execute, {
          jobId: holdOf(id),
          account: nodeLedger(node),
          amount: share.nodeAmount,
          price: { input: 0, output: 0 },
          budgets: [],
          owner: null,
          atMs,
        });
        if (!held.ok) throw new SettledOtherwise();
        planned.push({ id, nodeAmount: share.nodeAmount, fee: share.fee, receipts: share.receipts.length });
        await audit(tx, {
          atMs,
          actor: "system",
          action: "payout.planned",
          subject: `node/${node}`,
          after: {
            payout: id,
            wallet,
            node_amount: Number(share.nodeAmount),
            fee: Number(share.fee),
            root: share.root,
          },
        });
      }
      await moveFront(execute, node);
      return planned;
    });
  } catch (error) {
    if (error instanceof ChangedMeanwhile) return "changed_meanwhile";
    if (error instanceof SettledOtherwise) return "settled_otherwise";
    throw error;
  }
}

export type NewPayout = {
  id: string;
  node: string;
  wallet: string;
  state: PayoutState;
  reason: string | null;
  share: Share;
  atMs: number;
  /** The payout that had the receipts until now. */
  outOf?: string;
};

/** Rows of a payout whose receipts are free, or another's (`outOf`). Throws, to be undone, where somebody was quicker. */
export async function writePayout(
  execute: Execute,
  { id, node, wallet, state, reason, share, atMs, outOf }: NewPayout,
): Promise<void> {
  const { nodeAmount, fee, root, receipts, legs } = share;
  await execute(
    `insert into payouts (id, node, wallet, state, node_amount, fee, root, receipts, first_seq, reason, created_ms)
     values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    [id, node, wallet, state, nodeAmount, fee, root, receipts.length, receipts[0]?.seq ?? 0, reason, atMs],
  );
  for (const leg of legs) {
    await execute("insert into payout_legs (payout_id, source, node_amount, fee) values (?, ?, ?, ?)", [
      id,
      leg.source,
      leg.nodeAmount,
      leg.fee,
    ]);
  }
  const moved = await execute(
    `update receipts set payout_id = ? where node = ? and payout_id is ? and seq in (select value from json_each(?)) returning seq`,
    [id, node, outOf ?? null, JSON.stringify(receipts.map(({ seq }) => seq))],
  );
  if (moved.length !== receipts.length) throw new ChangedMeanwhile();
}

/** Notes how far all receipts have their payout: up to the first that has none. */
async function moveFront(execute: Execute, node: string): Promise<void> {
  const [front] = await execute("select seq from payout_fronts where node = ?", [node]);
  const from = Number(front?.[0] ?? 0);
  const [next] = await execute(
    "select seq from receipts where node = ? and seq > ? and payout_id is null order by seq limit 1",
    [node, from],
  );
  const [last] = await execute("select max(seq) from receipts where node = ?", [node]);
  const seq = next ? Number(next[0]) - 1 : Number(last?.[0] ?? from);
  await execute(
    "insert into payout_fronts (node, seq) values (?, ?) on conflict (node) do update set seq = excluded.seq",
    [node, seq],
  );
}
