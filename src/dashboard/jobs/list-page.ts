// List page: `/jobs` and `/admin/jobs`, their updates, and the same as a file.
import { JobsPage, NowCard } from "../../../web/pages/jobs.tsx";
import { Partial } from "../../../web/parts/partial.tsx";
import { rowResponse } from "../../http/account/row-stream.ts";
import type { SignedInCall } from "../../http/routes.ts";
import { idAt, JOB_WINDOW, type JobFilter, jobsAfter, listJobs } from "../../jobs/list.ts";
import { pageAnswer } from "../answer.ts";
import type { DashboardDeps } from "../deps.ts";
import { readerOf } from "../reader.ts";
import { viewerOf } from "../viewer.ts";
import { type JobLine, jobAtHand, jobsNow, linesOf } from "./lines.ts";
import { jobsPath, jobsQuery } from "./query.ts";
import { recorded } from "./shown.ts";

/** Of the account that one acts for, or of everybody: admins only, as the route says. */
export type Whose = "mine" | "all";
const PATHS = { mine: "/jobs", all: "/admin/jobs" } as const;
const PAGE = 50;

const scopeOf = (whose: Whose, { human }: SignedInCall) =>
  whose === "all" ? ("all" as const) : { accountId: human.account.id };

export async function showJobs(deps: DashboardDeps, call: SignedInCall, whose: Whose): Promise<Response> {
  const { db, clock } = deps;
  const nowMs = clock.nowMs();
  const query = await jobsQuery(db, call.query, scopeOf(whose, call), nowMs);
  const { asked, filter, cursor } = query;
  const path = PATHS[whose];
  const isPlain = jobsPath(path, asked, cursor) === path;
  const window = { limit: PAGE, window: JOB_WINDOW };
  const none = { rows: [], older: null, newer: null, looked: null };
  const now = isPlain ? await jobsNow(deps, whose === "all" ? null : call.human.account.id) : null;
  // A chat's record is written a moment after its end: what has ended by now says so.
  await recorded(deps);
  const page = query.unknown ? none : await listJobs(db, filter, { ...window, ...cursor });
  // What lives, or ended since, stands above.
  const above = new Set(now?.lines.map(({ id }) => id));
  const rows = now === null ? page.rows : page.rows.filter(({ id }) => !above.has(id) && !jobAtHand(deps, id));
  const view = {
    viewer: viewerOf(deps, call),
    path,
    asked,
    models: modelsOf(deps),
    lines: await linesOf(deps, rows, whose === "all"),
    older: page.older === null ? null : jobsPath(path, asked, { before: page.older }),
    newer: page.newer === null ? null : jobsPath(path, asked, { after: page.newer }),
    looked: page.looked,
    unknown: query.unknown,
    first: cursor.before === undefined && cursor.after === undefined,
    now,
    nowMs,
    live: `/live${path}`,
  };
  return pageAnswer(call.request, JobsPage(view));
}

/** For the choice in the form; any other may be written into the address. */
const MAX_MODELS = 200;
const modelsOf = ({ registry }: DashboardDeps): string[] => [...registry.models.keys()].slice(0, MAX_MODELS).sort();

const UPDATE_MS = 2_000;
/** New jobs that are counted in one go; more are many. */
const MOST_NEW = 1_000;

/** The jobs that live, and how many ended since somebody began to look. */
export async function watchJobs(deps: DashboardDeps, call: SignedInCall, whose: Whose): Promise<Response> {
  const accountId = whose === "all" ? null : call.human.account.id;
  let newest = idAt(deps.clock.nowMs());
  let ended = 0;
  /** Those that lived at the last look. */
  let before: string[] = [];
  return deps.live.open(readerOf(deps, call), {
    key: `jobs/${accountId ?? "all"}`,
    everyMs: UPDATE_MS,
    async render() {
      await deps.jobs.recorded();
      const made = await jobsAfter(deps.db, accountId, newest, MOST_NEW);
      newest = made.at(-1) ?? newest;
      ended += new Set([...before, ...made].filter((id) => !jobAtHand(deps, id))).size;
      before = [...deps.jobs.ending, ...deps.jobs.live.values()]
        .filter((job) => accountId === null || job.accountId === accountId)
        .map(({ id }) => id);
      const now = await jobsNow(deps, accountId);
      const card = NowCard({ now, all: whose === "all", nowMs: deps.clock.nowMs() });
      const data = String(await Partial({ target: "#now-card", swap: "outerMorph", children: await card }));
      return [{ data }, { event: "ended", data: String(ended) }];
    },
  });
}

/** Jobs of one file. */
const MAX_FILE = 100_000;
const FILE_PAGE = 1_000;
const TITLES = [
  "id",
  "created",
  "kind",
  "model",
  "state",
  "account",
  "node",
  "node_name",
  "tries",
  "first_token_ms",
  "completion_tokens",
  "charged_micro_usd",
] as const;

export async function jobsFile(deps: DashboardDeps, call: SignedInCall, whose: Whose): Promise<Response> {
  const { filter, unknown } = await jobsQuery(deps.db, call.query, scopeOf(whose, call), deps.clock.nowMs());
  return rowResponse(call.request, new URLSearchParams("format=csv"), {
    name: "jobs",
    head: {},
    tail: () => ({}),
    rows: unknown ? nothing() : fileLines(deps, filter),
    csv: {
      titles: TITLES,
      cells: (line) => [
        line.id,
        new Date(line.createdMs).toISOString(),
        ...[line.kind, line.model, line.state, line.accountId],
        ...[line.node?.pubkey ?? null, line.node?.name ?? null],
        ...[line.tries, line.firstTokenMs, line.tokensOut, line.charged],
      ],
    },
  });
}

async function* nothing(): AsyncGenerator<JobLine> {}

async function* fileLines(deps: DashboardDeps, filter: JobFilter): AsyncGenerator<JobLine> {
  let left = MAX_FILE;
  for (let before: string | undefined; left > 0; ) {
    const limit = Math.min(left, FILE_PAGE);
    const { rows, older } = await listJobs(deps.db, filter, { limit, window: JOB_WINDOW, before });
    yield* await linesOf(deps, rows, false);
    left -= Math.max(1, rows.length);
    if (older === null) return;
    before = older;
  }
}
