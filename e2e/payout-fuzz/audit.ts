// Audit: the chain against the books, by nothing but what landed: who was paid how much, how often, and for which
// receipts. It knows nothing of how payouts are made.
import { checkLedger } from "../../src/admin/check-ledger.ts";
import type { Db } from "../../src/db/open.ts";
import { merkleRoot } from "../../src/protocol/merkle.ts";
import type { PayoutWorld } from "../../src/settlement/testing/payout-stage.ts";

export type Findings = {
  /** Payouts that the chain shows more than once. */
  paidTwice: string[];
  /** Marked paid, and not on the chain as they say. */
  wronglyMarked: string[];
  /** Earned, and neither paid nor given up: or paid, and not marked so. */
  lost: string[];
  /** Everything else that does not add up. */
  faults: string[];
};

type Paid = { signature: string; root: string; changes: Map<string, bigint> };

/** Successful transactions with a payout's memo, by the payout's id, with what they did to token accounts. */
function paymentsOn({ chain, settlement }: PayoutWorld): Map<string, Paid[]> {
  const payments = new Map<string, Paid[]>();
  for (const landed of chain.history.ofAddress(settlement.address as never)) {
    const memo = /infernet:1:([0-9a-f]{32}):([0-9a-f]{64})/.exec(landed.parsed?.memo ?? "");
    if (landed.error !== null || !memo?.[1] || !memo[2]) continue;
    const changes = new Map<string, bigint>();
    for (const [sign, tokens] of [
      [-1n, landed.before.tokens],
      [1n, landed.after.tokens],
    ] as const) {
      for (const { accountIndex, uiTokenAmount } of tokens) {
        const account = landed.addresses[accountIndex] ?? "";
        changes.set(account, (changes.get(account) ?? 0n) + sign * BigInt(uiTokenAmount.amount));
      }
    }
    payments.set(memo[1], [...(payments.get(memo[1]) ?? []), { signature: landed.signature, root: memo[2], changes }]);
  }
  return payments;
}

type Expected = { id: string; state: string; root: string; changes: Map<string, bigint> };

/** What the database says of its payouts: which roots, and what they did to token accounts. */
async function booked(db: Db, world: PayoutWorld, accountOf: (wallet: string) => Promise<string>): Promise<Expected[]> {
  const rows = await db.query("select id, state, wallet from payouts");
  return await Promise.all(
    (rows as [string, string, string][]).map(async ([id, state, wallet]) => {
      const digests = await db.query("select digest from receipts where payout_id = ? order by seq", [id]);
      const root = Buffer.from(merkleRoot(digests.map(([digest]) => new Uint8Array(digest as Uint8Array)))).toString(
        "hex",
      );
      const changes = new Map<string, bigint>();
      const add = (account: string, amount: bigint) => changes.set(account, (changes.get(account) ?? 0n) + amount);
      for (const row of await db.query("select source, node_amount, fee from payout_legs where payout_id = ?", [id])) {
        const [source, nodeAmount, fee] = [String(row[0]), BigInt(row[1] as number), BigInt(row[2] as number)];
        const isTreasury = source === "treasury";
        add(await accountOf(wallet), nodeAmount);
        add(isTreasury ? String(world.treasuryAccount) : source, -(nodeAmount + (isTreasury ? 0n : fee)));
        if (!isTreasury) add(world.feeAccount, fee);
      }
      return { id, state, root, changes };
    }),
  );
}

/** All that is wrong. The chain must be final. */
export async function auditPayouts(world: PayoutWorld, db: Db): Promise<Findings> {
  const { stage } = world;
  const payments = paymentsOn(world);
  const expected = await booked(db, world, (wallet) => stage.ataOf(wallet as never));
  const known = new Set(expected.map(({ id }) => id));
  const findings: Findings = { paidTwice: [], wronglyMarked: [], lost: [], faults: [] };
  for (const { id, state, root, changes } of expected) {
    const paid = payments.get(id) ?? [];
    if (paid.length > 1) findings.paidTwice.push(id);
    const isRight = paid.some((one) => one.root === root && sameChanges(one.changes, changes));
    if (state === "paid" && !isRight) findings.wronglyMarked.push(id);
    if (state !== "paid" && paid.length > 0) findings.lost.push(`${id} was paid and is ${state}`);
    if (state === "due" || state === "planned" || state === "stuck") findings.lost.push(`${id} is still ${state}`);
  }
  for (const id of payments.keys())
    if (!known.has(id)) findings.faults.push(`${id} was paid, and the database has no such payout`);
  const [unassigned] = await db.query("select count(*) from receipts where payout_id is null and gross > 0");
  if (Number(unassigned?.[0]) > 0) findings.lost.push(`${unassigned?.[0]} receipts have no payout`);
  findings.faults.push(...(await balances(world, db, expected)));
  const { checks } = await checkLedger(db, world.clock.nowMs());
  for (const { name, faults } of checks)
    for (const { row, message } of faults) findings.faults.push(`${name}: ${row}: ${message}`);
  return findings;
}

const sameChanges = (a: Map<string, bigint>, b: Map<string, bigint>): boolean =>
  [...new Set([...a.keys(), ...b.keys()])].every((account) => (a.get(account) ?? 0n) === (b.get(account) ?? 0n));

/** Each node's and the platform's token account has what paid payouts brought it, to the unit; the ledger agrees. */
async function balances({ stage, feeAccount }: PayoutWorld, db: Db, payouts: readonly Expected[]): Promise<string[]> {
  const sums = new Map<string, bigint>();
  for (const { state, changes } of payouts) {
    if (state === "paid")
      for (const [account, amount] of changes) sums.set(account, (sums.get(account) ?? 0n) + amount);
  }
  const wrong: string[] = [];
  for (const [account, sum] of sums) {
    // Sources are filled up and drained by their owners; each payment out of them was compared above.
    if (sum <= 0n && account !== feeAccount) continue;
    const has = await stage.balance(account as never);
    if (has !== sum) wrong.push(`${account} has ${has} and should have ${sum}`);
  }
  const [owed] = await db.query("select coalesce(sum(balance), 0) from ledger_accounts where kind = 'node'");
  const [open] = await db.query(
    "select coalesce(sum(node_amount), 0) from payouts where state in ('planned', 'due', 'stuck')",
  );
  const [free] = await db.query("select coalesce(sum(node_amount), 0) from receipts where payout_id is null");
  if (Number(owed?.[0]) !== Number(open?.[0]) + Number(free?.[0]))
    wrong.push(
      `the ledger owes nodes ${owed?.[0]}, their open payouts and free receipts are of ${open?.[0]} and ${free?.[0]}`,
    );
  return wrong;
}
