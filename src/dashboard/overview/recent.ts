// Recent: the newest jobs of everybody: those that live out of memory, the others by their primary key.
import { inArray } from "drizzle-orm";
import { accountName } from "../../../web/parts/text.tsx";
import { accounts } from "../../accounts/schema.ts";
import type { AttemptRecord, Job } from "../../jobs/job.ts";
import { listJobs } from "../../jobs/list.ts";
import type { JobRow } from "../../jobs/schema.ts";
import type { JobState } from "../../jobs/states.ts";
import { nodeNames } from "../../registry/nodes.ts";
import type { DashboardDeps } from "../deps.ts";

export type RecentJob = {
  id: string;
  createdMs: number;
  model: string;
  state: JobState;
  account: { id: string; name: string };
  node: { pubkey: string; name: string } | null;
  tries: number;
  firstTokenMs: number | null;
  outputTokens: number | null;
  /** From the first token on. */
  tokensPerS: number | null;
  /** µ$; null where nothing is charged, or not yet. */
  charged: bigint | null;
  held: bigint | null;
};

type Deps = Pick<DashboardDeps, "db" | "jobs" | "registry" | "clock">;
const SHOWN = 8;

/** The newest first. */
export async function recentJobs(deps: Deps): Promise<RecentJob[]> {
  const { db, jobs } = deps;
  const nowMs = deps.clock.nowMs();
  const live = [...jobs.live.values()].slice(-SHOWN).map((job) => ofLive(job, nowMs));
  const { rows } = await listJobs(db, {}, { limit: SHOWN });
  const known = new Set<string>(live.map(({ id }) => id));
  // What ended since it was read is in both.
  const all = [...live, ...rows.filter(({ id }) => !known.has(id)).map(ofRow)];
  const shown = all.sort((a, b) => (a.id < b.id ? 1 : -1)).slice(0, SHOWN);
  const [owners, names] = await Promise.all([
    db.read
      .select({ id: accounts.id, kind: accounts.kind, name: accounts.name })
      .from(accounts)
      .where(inArray(accounts.id, [...new Set(shown.map(({ accountId }) => accountId))])),
    nodeNames(
      deps,
      shown.flatMap(({ pubkey }) => (pubkey === null ? [] : [pubkey])),
    ),
  ]);
  const nameOf = new Map(owners.map((owner) => [owner.id, accountName(owner)]));
  return shown.map(({ accountId, pubkey, ...job }) => ({
    ...job,
    account: { id: accountId, name: nameOf.get(accountId) || accountId },
    node: pubkey === null ? null : { pubkey, name: names.get(pubkey) || pubkey.slice(0, 8) },
  }));
}

type Bare = Omit<RecentJob, "account" | "node"> & { accountId: string; pubkey: string | null };

function ofLive(job: Job, nowMs: number): Bare {
  const last = job.attempts.at(-1);
  const tokens = last === undefined ? null : job.attempts.reduce((sum, { pieces }) => sum + pieces, 0);
  return {
    ...{ id: job.id, createdMs: job.createdMs, model: job.model, state: job.state, accountId: job.accountId },
    pubkey: job.run === null ? null : (last?.node ?? null),
    tries: job.attempts.length,
    firstTokenMs: job.firstDeltaMs === null ? null : job.firstDeltaMs - job.createdMs,
    outputTokens: tokens,
    tokensPerS: rate(tokens, job.firstDeltaMs, nowMs),
    charged: null,
    held: job.held?.amount ?? null,
  };
}

function ofRow(row: JobRow): Bare {
  return {
    ...{ id: row.id, createdMs: row.createdMs, model: row.model, state: row.state, accountId: row.accountId },
    pubkey: row.nodePubkey,
    tries: (row.attempts as AttemptRecord[]).length,
    firstTokenMs: row.firstDeltaMs === null ? null : row.firstDeltaMs - row.createdMs,
    outputTokens: row.completionTokens,
    tokensPerS: rate(row.completionTokens, row.firstDeltaMs, row.endedMs),
    charged: row.chargedMicroUsd === null ? null : BigInt(row.chargedMicroUsd),
    held: null,
  };
}

/** Too little time tells nothing. */
const LEAST_MS = 50;
const rate = (tokens: number | null, fromMs: number | null, toMs: number | null): number | null =>
  tokens === null || fromMs === null || toMs === null || toMs - fromMs < LEAST_MS
    ? null
    : (tokens * 1_000) / (toMs - fromMs);
