// Desk: what a node asks of its payouts, put together. Who asks was checked before.
import type { Db } from "../db/open.ts";
import type { Clock } from "../lib/clock.ts";
import { ok, type Result } from "../lib/result.ts";
import type { PayoutJson } from "../protocol/payouts.ts";
import { type Coin, payeeOf } from "./payee.ts";
import type { AddressText } from "./payout-chain.ts";
import { attemptsOf, legsOf, listPayouts, payoutsIn } from "./payouts.ts";
import { type PlanRefusal, type PlanRules, planPayouts } from "./plan.ts";
import type { PayoutRow } from "./schema.ts";

/** Payouts on the chain, as this coordinator makes them. */
export type Payouts = {
  coin: Coin;
  rules: PlanRules;
  addressText: AddressText;
  /** Base58. */
  genesisHash: string;
  mint: string;
  /** Has those that are due go on now. */
  nudge(): void;
};
export type DeskDeps = { db: Db; clock: Pick<Clock, "nowMs">; random: (bytes: number) => Uint8Array };

export type PrepareRefusal =
  /** The node has set no address for this coin and network. */
  | "no_wallet"
  /** It has set another one. */
  | "wallet_differs";
export type Prepared = { planned: PayoutJson[]; open: PayoutJson[]; nothing: PlanRefusal | null };

/** Plans what the node is owed, to be paid where it says; it has to agree to each. */
export async function prepareFor(
  deps: DeskDeps,
  payouts: Payouts,
  node: string,
  wallet: string,
): Promise<Result<Prepared, PrepareRefusal>> {
  const payee = await payeeOf(deps.db, node, payouts.coin);
  if (payee === null) return { ok: false, error: "no_wallet" };
  if (payee !== wallet) return { ok: false, error: "wallet_differs" };
  const { addressText, rules } = payouts;
  const planned = await planPayouts({ ...deps, addressText }, rules, { node, wallet, state: "planned" });
  const all = (await payoutsIn(deps, ["planned", "due", "stuck"])).filter((row) => row.node === node);
  const told = await Promise.all(all.map((row) => payoutJson(deps, row)));
  return ok({
    planned: told.filter(({ state }) => state === "planned"),
    open: told.filter(({ state }) => state !== "planned"),
    nothing: planned.ok ? null : planned.error,
  });
}

/** A payout as it is told. */
export async function payoutJson(deps: Pick<DeskDeps, "db">, row: PayoutRow): Promise<PayoutJson> {
  const live = row.state === "due" ? (await attemptsOf(deps, row.id)).find(({ state }) => state === "live") : undefined;
  const legs = await legsOf(deps, row.id);
  return {
    id: row.id,
    state: live ? "sending" : row.state,
    node_amount: row.nodeAmount,
    fee: row.fee,
    receipts: row.receipts,
    root: row.root,
    wallet: row.wallet,
    legs: legs.map(({ source, nodeAmount, fee }) => ({ source, node_amount: nodeAmount, fee })),
    reason: row.reason,
    trouble: row.trouble,
    created_ms: row.createdMs,
    ended_ms: row.endedMs,
    signature: row.signature ?? live?.signature ?? null,
  };
}

/** The newest first. */
export async function payoutsOf(deps: Pick<DeskDeps, "db">, node: string, limit: number): Promise<PayoutJson[]> {
  const rows = await listPayouts(deps, limit, { node });
  return await Promise.all(rows.map((row) => payoutJson(deps, row)));
}
