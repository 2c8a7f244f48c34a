// View: the models as an admin sees them, private pools included: who serves them, how they fare, what leads to them.

import type { Db } from "../../db/open.ts";
import { inTurns } from "../../lib/turns.ts";
import { freeSlots, nodeState } from "../../registry/node-state.ts";
import type { Offer, Registry } from "../../registry/registry.ts";
import { PUBLIC_POOL } from "../../scheduler/wishes.ts";
import type { LoadNow } from "../../stats/stats.ts";
import { eachModel } from "../catalogue.ts";
import type { AliasFault } from "./aliases.ts";

export type ModelRow = {
  name: string;
  nodes: number;
  /** Of them those that take work now. */
  ready: number;
  slots: number;
  free: number;
  running: number;
  queued: number;
  outputPerS: number;
  /** Tokens; null where no node says. */
  context: number | null;
  /** µ$ per million tokens. */
  input: { from: number; to: number };
  output: { from: number; to: number };
  /** Nodes where it failed lately and is left alone for now, and those where one job may try it. */
  open: number;
  aliases: readonly string[];
  pools: readonly string[];
  demo: boolean;
};
export type AliasRow = { name: string; models: readonly { name: string; served: boolean }[] };
export type PoolRow = { name: string; nodes: number; online: number; slots: number; models: number; keys: number };
export type RefusedRow = { pubkey: string; name: string; why: string };

export type AdminModelsView = {
  rows: readonly ModelRow[];
  newer: string | null;
  older: string | null;
  /** Of all. */
  total: number;
  q: string;
  aliases: readonly AliasRow[];
  /** Why they cannot be changed here; null where they can. */
  fixedBy: string | null;
  fault: AliasFault | null;
  pools: readonly PoolRow[];
  prices: readonly { key: string; value: number }[];
  refused: readonly RefusedRow[];
  moreRefused: number;
  charged: boolean;
};

/** By name. `load`: what waits and runs, of the fullest of them. In turns, as the catalogue. */
export async function modelRows(registry: Registry, load: LoadNow["models"], nowMs: number): Promise<ModelRow[]> {
  const loads = new Map(load.map((one) => [one.model, one]));
  const leading = new Map<string, string[]>();
  for (const alias of Object.keys(registry.aliases)) {
    for (const model of registry.modelsNamed(alias)) leading.set(model, [...(leading.get(model) ?? []), alias]);
  }
  const rows: ModelRow[] = [];
  await eachModel(registry, (name, offers) => {
    rows.push(modelRow(name, offers, nowMs, { load: loads.get(name), aliases: leading.get(name) ?? [] }));
  });
  return rows.sort((a, b) => (a.name < b.name ? -1 : 1));
}

type Beside = { load: LoadNow["models"][number] | undefined; aliases: readonly string[] };
function modelRow(name: string, offers: readonly Offer[], nowMs: number, { load, aliases }: Beside): ModelRow {
  const row = { ready: 0, slots: 0, free: 0, running: 0, open: 0, context: null as number | null };
  const input = { from: Infinity, to: 0 };
  const output = { from: Infinity, to: 0 };
  const pools = new Set<string>();
  for (const { node, contextLength, priceInput, priceOutput, openUntilMs } of offers) {
    const state = nodeState(node, nowMs);
    if (state === "serving" || state === "idle" || state === "full") row.ready++;
    row.slots += node.slots;
    row.free += freeSlots(node);
    row.running += node.running;
    if (openUntilMs > nowMs) row.open++;
    if (contextLength !== null) row.context = Math.max(row.context ?? 0, contextLength);
    input.from = Math.min(input.from, priceInput);
    input.to = Math.max(input.to, priceInput);
    output.from = Math.min(output.from, priceOutput);
    output.to = Math.max(output.to, priceOutput);
    pools.add(poolName(node.pool));
  }
  return {
    ...row,
    ...{ name, input, output, aliases },
    nodes: offers.length,
    running: load?.running ?? row.running,
    queued: load?.queued ?? 0,
    outputPerS: load?.outputPerS ?? 0,
    pools: [...pools].sort(),
    demo: offers.every(({ info }) => info.demo),
  };
}

const NODES_A_TURN = { most: 2_000 };
const poolName = (pool: string): string => (pool === PUBLIC_POOL ? "public" : pool);

/** By name. */
export function aliasRows(registry: Registry): AliasRow[] {
  return Object.entries(registry.aliases)
    .map(([name, models]) => ({
      name,
      models: models.map((model) => ({ name: model, served: registry.offersOf(model).length > 0 })),
    }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Those that nodes are in, or that keys open. */
export async function poolRows(
  registry: Pick<Registry, "nodes">,
  keys: ReadonlyMap<string, number>,
): Promise<PoolRow[]> {
  const pools = new Map<string, { nodes: number; online: number; slots: number; models: Set<string> }>();
  const poolOf = (name: string) => {
    const pool = pools.get(name) ?? { nodes: 0, online: 0, slots: 0, models: new Set<string>() };
    pools.set(name, pool);
    return pool;
  };
  poolOf("public");
  await inTurns(registry.nodes.values(), NODES_A_TURN, (node) => {
    const pool = poolOf(poolName(node.pool));
    pool.nodes++;
    if (node.channel === null) return;
    pool.online++;
    pool.slots += node.slots;
    for (const { model } of node.offers) pool.models.add(model);
  });
  for (const name of keys.keys()) poolOf(name);
  return [...pools]
    .map(([name, { models, ...pool }]) => ({ name, ...pool, models: models.size, keys: keys.get(name) ?? 0 }))
    .sort((a, b) => Number(b.name === "public") - Number(a.name === "public") || (a.name < b.name ? -1 : 1));
}

/** How many keys in force open each private pool. All keys are looked at: off the event loop, and not often. */
export async function keysByPool(db: Pick<Db, "snapshot">, nowMs: number): Promise<Map<string, number>> {
  const sql = `select p.value, count(*) from api_keys k, json_each(k.pools) p
    where k.revoked_ms is null and (k.expires_ms is null or k.expires_ms > ?) group by p.value`;
  const rows = await db.snapshot(async (execute) => await execute(sql, [nowMs]));
  return new Map(rows.map(([pool, count]) => [String(pool), Number(count)]));
}

const MOST_REFUSED = 20;
/** Nodes with offers that the bounds of prices keep from clients. */
export function refusedRows(registry: Pick<Registry, "nodes">): { refused: RefusedRow[]; moreRefused: number } {
  const refused: RefusedRow[] = [];
  let moreRefused = 0;
  for (const { pubkey, name, refused: why, channel } of registry.nodes.values()) {
    if (channel === null || why === null) continue;
    if (refused.length < MOST_REFUSED) refused.push({ pubkey, name, why });
    else moreRefused++;
  }
  return { refused, moreRefused };
}
