// View: everything that the overview shows, read once for all admins who look.
import { type LoadNow, type LoadPoint, type LoadSum, RANGES, type Range } from "../../stats/stats.ts";
import type { DashboardDeps } from "../deps.ts";
import { type Need, needsOf } from "./needs.ts";
import { type RecentJob, recentJobs } from "./recent.ts";
import { type NodeTiles, nodeTiles } from "./tiles.ts";

export type OverviewView = {
  range: Range;
  now: LoadNow;
  /** Of the range. */
  sum: LoadSum;
  /** Of the range, oldest first; without the one under way. */
  points: readonly LoadPoint[];
  /** Of this day (UTC); null where nothing is charged. */
  money: { gross: number; nodes: number; fee: number; receipts: number } | null;
  feeBps: number;
  needs: readonly Need[];
  /** Jobs that may wait for one model. */
  queueLimit: number;
  nodes: NodeTiles;
  /** Those that share the database, this one first; empty where there is no other. */
  coordinators: readonly CoordinatorLine[];
  jobs: readonly RecentJob[];
  billing: boolean;
  /** That this instance runs. */
  version: string;
  nowMs: number;
};

export type CoordinatorLine = {
  id: string;
  version: string;
  startedMs: number;
  /** When it was heard of last; null: it lives. */
  silentSinceMs: number | null;
  /** Linked to it, wherever else they are. */
  nodes: number;
  /** Null where its version tells it otherwise. */
  running: number | null;
};

const DAY_MS = 86_400_000;

/** A span that has just begun looks like a fall: it is left out, but where there is no other. */
export function completePoints(points: readonly LoadPoint[], nowMs: number): readonly LoadPoint[] {
  const complete = points.filter(({ atS, spanS }) => (atS + spanS) * 1000 <= nowMs);
  return complete.length > 0 ? complete : points;
}

export const rangeOf = (query: URLSearchParams): Range => RANGES.find((one) => one === query.get("r")) ?? "1h";

/** `lastAudit`: what the last look at the audit log found wrong, in words. */
export async function overviewView(
  deps: DashboardDeps,
  range: Range,
  lastAudit: { broken: string | null },
): Promise<OverviewView> {
  const { stats, clock, registry } = deps;
  const nowMs = clock.nowMs();
  const now = stats.now();
  const isHour = range === "1h";
  const [sum, points, money, needs, jobs] = await Promise.all([
    isHour ? now.hour : stats.sum(range),
    isHour ? now.minutes : stats.series(range),
    deps.billing === "off" ? null : stats.money(Math.floor(nowMs / DAY_MS)),
    needsOf(deps, now, lastAudit),
    recentJobs(deps),
  ]);
  return {
    ...{ range, now, sum, points: completePoints(points, nowMs), money, needs, jobs, nowMs },
    feeBps: deps.feeBps,
    version: deps.version,
    // Each has a queue of its own.
    queueLimit: deps.queueLimit() * now.coordinators,
    coordinators: coordinatorsOf(deps),
    nodes: nodeTiles(registry, stats, nowMs),
    billing: deps.billing !== "off",
  };
}

/** A node that is linked to several counts at each. */
function coordinatorsOf({ presence, registry, stats, version, startedMs }: DashboardDeps): CoordinatorLine[] {
  const others = presence.others();
  if (others.length === 0) return [];
  const linked = [...registry.nodes.values()].filter(({ channel }) => channel !== null).length;
  return [
    { id: "", version, startedMs, silentSinceMs: null, nodes: linked, running: stats.figures().running },
    ...others.map(({ id, version, startedMs, isSilent, heardMs, linked: nodes, figures }) => ({
      ...{ id, version, startedMs, silentSinceMs: isSilent ? heardMs : null, nodes },
      running: figures?.running ?? null,
    })),
  ];
}
