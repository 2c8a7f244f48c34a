// Lines: jobs as lists show them, out of their rows, and out of memory while they live.
import { inArray } from "drizzle-orm";
import { accountName } from "../../../web/parts/text.tsx";
import { accounts } from "../../accounts/schema.ts";
import type { AttemptRecord, Job } from "../../jobs/job.ts";
import type { JobRow } from "../../jobs/schema.ts";
import type { JobState } from "../../jobs/states.ts";
import type { JobId } from "../../protocol/primitives.ts";
import type { DashboardDeps } from "../deps.ts";
import { piecesOf } from "./shown.ts";

export type JobLine = {
  id: string;
  kind: "chat" | "async";
  createdMs: number;
  model: string;
  state: JobState;
  accountId: string;
  /** Null where the list is one account's. */
  account: string | null;
  node: { pubkey: string; name: string } | null;
  tries: number;
  /** Since it was made. */
  firstTokenMs: number | null;
  tokensOut: number | null;
  tokensPerS: number | null;
  charged: number | null;
  held: bigint | null;
};

type Known = Pick<JobLine, "id" | "kind" | "createdMs" | "model" | "state" | "accountId" | "charged" | "held"> & {
  attempts: readonly AttemptRecord[];
  firstDeltaMs: number | null;
  /** Its end, or now. */
  untilMs: number;
  tokens: number | null;
};

function lineOf({ attempts, firstDeltaMs, untilMs, tokens, ...job }: Known, account: string | null): JobLine {
  const last = attempts.at(-1);
  const tokensOut = tokens ?? (attempts.length === 0 ? null : piecesOf(attempts));
  const writingMs = firstDeltaMs === null ? 0 : untilMs - firstDeltaMs;
  return {
    ...job,
    account,
    node: last ? { pubkey: last.node, name: last.node_name } : null,
    tries: attempts.length,
    firstTokenMs: firstDeltaMs === null ? null : Math.max(0, firstDeltaMs - job.createdMs),
    tokensOut,
    tokensPerS: tokensOut !== null && tokensOut > 1 && writingMs > 0 ? (tokensOut * 1000) / writingMs : null,
  };
}

const liveLine = (job: Job, nowMs: number, account: string | null): JobLine =>
  lineOf(
    {
      ...{ id: job.id, kind: job.kind, createdMs: job.createdMs, model: job.model, state: job.state },
      ...{ accountId: job.accountId, charged: null, held: job.held?.amount ?? null },
      ...{ attempts: job.attempts, firstDeltaMs: job.firstDeltaMs, untilMs: nowMs, tokens: null },
    },
    account,
  );

/** A job that this process has at hand: it lives, or its end is not stored yet. */
export function jobAtHand({ jobs }: Pick<DashboardDeps, "jobs">, id: string): Job | undefined {
  const live = jobs.live.get(id as JobId);
  if (live) return live;
  for (const job of jobs.ending) if (job.id === id) return job;
  return undefined;
}

/** Of stored rows; what memory knows of one at hand is newer. */
export async function linesOf(deps: DashboardDeps, rows: readonly JobRow[], named: boolean): Promise<JobLine[]> {
  const names = named
    ? await namesOf(
        deps,
        rows.map(({ accountId }) => accountId),
      )
    : null;
  const nowMs = deps.clock.nowMs();
  return rows.map((row) => {
    const account = names === null ? null : (names.get(row.accountId) ?? row.accountId);
    const live = jobAtHand(deps, row.id);
    if (live) return liveLine(live, nowMs, account);
    return lineOf(
      {
        ...{ id: row.id, kind: row.kind, createdMs: row.createdMs, model: row.model, state: row.state },
        ...{ accountId: row.accountId, charged: row.chargedMicroUsd, held: null },
        attempts: row.attempts as AttemptRecord[],
        firstDeltaMs: row.firstDeltaMs,
        untilMs: row.endedMs ?? nowMs,
        tokens: row.completionTokens,
      },
      account,
    );
  });
}

export type NowShown = { running: number; waiting: number; lines: readonly JobLine[] };
/** Live jobs that are shown; the rest is counted. */
const NOW_LINES = 50;

/** The jobs of an account, or of everybody, that this process has at hand: the newest of them, the newest first. */
export async function jobsNow(deps: DashboardDeps, accountId: string | null): Promise<NowShown> {
  const nowMs = deps.clock.nowMs();
  let running = 0;
  let waiting = 0;
  // A ring of the last ones: there may be very many.
  const newest: Job[] = [];
  let at = 0;
  for (const job of [...deps.jobs.ending, ...deps.jobs.live.values()]) {
    if (accountId !== null && job.accountId !== accountId) continue;
    if (job.state === "queued") waiting++;
    else running++;
    newest[at++ % NOW_LINES] = job;
  }
  newest.sort((a, b) => (a.id < b.id ? 1 : -1));
  const names =
    accountId === null
      ? await namesOf(
          deps,
          newest.map((job) => job.accountId),
        )
      : null;
  const lines = newest.map((job) => liveLine(job, nowMs, names && (names.get(job.accountId) ?? job.accountId)));
  return { running, waiting, lines };
}

async function namesOf({ db }: DashboardDeps, ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const wanted = [...new Set(ids)];
  if (wanted.length === 0) return new Map();
  const rows = await db.read
    .select({ id: accounts.id, kind: accounts.kind, name: accounts.name })
    .from(accounts)
    .where(inArray(accounts.id, wanted));
  return new Map(rows.map((row) => [row.id, accountName(row)]));
}
