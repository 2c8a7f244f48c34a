// Shown: a job as its page shows it: out of its row, and out of memory while it lives.
import { eq } from "drizzle-orm";
import { accountName } from "../../../web/parts/text.tsx";
import { findApiKey } from "../../accounts/api-keys.ts";
import { accounts } from "../../accounts/schema.ts";
import type { Human } from "../../http/routes.ts";
import { type AttemptRecord, type Job, type JobError, NODE_ERRORS } from "../../jobs/job.ts";
import { findJob } from "../../jobs/records.ts";
import type { JobRow } from "../../jobs/schema.ts";
import { isEnd, type JobState } from "../../jobs/states.ts";
import { type WebhookView, webhookOf } from "../../jobs/webhooks.ts";
import { amountsOfJob, type JobAmount } from "../../ledger/receipts.ts";
import type { JobId } from "../../protocol/primitives.ts";
import type { DashboardDeps } from "../deps.ts";
import { isAdmin } from "../viewer.ts";
import { type ContentShown, contentShown } from "./content.ts";

export type JobShown = Pick<JobRow, "id" | "kind" | "task" | "model" | "stream" | "maxTokens" | "createdMs"> & {
  state: JobState;
  /** It still wants something. */
  live: boolean;
  nowMs: number;
  firstDeltaMs: number | null;
  endedMs: number | null;
  /** Null where it is the viewer's own. */
  account: { id: string; name: string } | null;
  key: { id: string; name: string } | null;
  attempts: readonly AttemptRecord[];
  /** Names of nodes that no attempt names. */
  names: ReadonlyMap<string, string>;
  error: JobError | null;
  finishReason: string | null;
  promptTokens: number | null;
  outputTokens: number | null;
  /** µ$. */
  held: bigint | null;
  charged: bigint | null;
  billing: boolean;
  feeBps: number;
  receipts: readonly JobAmount[];
  /** While it waits: whether anybody is there that could serve it. */
  waitsFor: "room" | "node" | null;
  content: ContentShown;
  webhook: WebhookView | null;
  mayCancel: boolean;
  /** Where its page is asked for by programs. */
  publicUrl: string;
};

/** Writes that have been under way for so long may never end. */
const BUSY_MS = 1_000;
/** Until the records of chats say what has ended by now. Who only looks does not wait for a disk that hangs. */
export async function recorded({ db, jobs }: Pick<DashboardDeps, "db" | "jobs">): Promise<void> {
  if (db.writer.busyMs() < BUSY_MS) await jobs.recorded();
}

/** Undefined where there is no such job, or none that they may see. */
export async function jobShown(deps: DashboardDeps, human: Human, id: string): Promise<JobShown | undefined> {
  const mine = isAdmin(human) ? null : human.account.id;
  let found = await findJob(deps.db, mine, id);
  let live = deps.jobs.live.get(id as JobId);
  if ((!found || !isEnd(found.job.state)) && !live) {
    // A chat's record is written a moment after its end.
    await recorded(deps);
    found = await findJob(deps.db, mine, id);
  } else if (!found && live) {
    await recorded(deps);
    found = await findJob(deps.db, mine, id);
    live = deps.jobs.live.get(id as JobId);
  }
  if (!found) return undefined;
  const { job: row, content } = found;
  const own = row.accountId === human.account.id;
  const state = live?.state ?? row.state;
  const attempts = (live?.attempts ?? (row.attempts as AttemptRecord[])).map((one) => ({
    ...one,
    error: one.error && spoken(one.error, own),
  }));
  const error: JobError | null =
    row.errorCode === null ? null : { code: row.errorCode as JobError["code"], message: row.errorMessage ?? "" };
  return {
    id: row.id,
    kind: row.kind,
    task: row.task,
    model: live?.model ?? row.model,
    stream: row.stream,
    maxTokens: row.maxTokens,
    createdMs: row.createdMs,
    state,
    live: !isEnd(state),
    nowMs: deps.clock.nowMs(),
    firstDeltaMs: live?.firstDeltaMs ?? row.firstDeltaMs,
    endedMs: row.endedMs,
    account: own ? null : await accountOf(deps, row.accountId),
    key: row.keyId === null ? null : await keyOf(deps, row.keyId),
    attempts,
    names: namesOf(deps, attempts),
    error: error && spoken(error, own),
    finishReason: row.finishReason,
    promptTokens: row.promptTokens,
    outputTokens: row.completionTokens ?? (attempts.length === 0 ? null : piecesOf(attempts)),
    held: live?.held?.amount ?? null,
    charged: row.chargedMicroUsd === null ? null : BigInt(row.chargedMicroUsd),
    billing: deps.billing !== "off",
    feeBps: deps.feeBps,
    receipts: isEnd(state) && row.chargedMicroUsd !== null ? await amountsOfJob(deps, row.id) : [],
    waitsFor: live && !live.run ? waitsFor(live) : null,
    content: contentShown(human, own, row, content, live),
    webhook:
      own && row.webhook !== null
        ? await webhookOf({ db: deps.db, secrets: deps.jobsHttp.secrets }, id, row.webhook)
        : null,
    mayCancel: own && live !== undefined && human.memberRole === "owner",
    publicUrl: deps.publicUrl(),
  };
}

/** Nodes and their backends may quote the request in their complaints: that is for its account only. */
const spoken = (error: JobError, own: boolean): JobError =>
  own || !NODE_ERRORS.includes(error.code) ? error : { code: error.code, message: "" };

const waitsFor = ({ unservedMs }: Job): "room" | "node" => (unservedMs === null ? "room" : "node");

/** What attempts gave of the answer as it stands: one that begins it anew makes void what was before. */
export const piecesOf = (attempts: readonly Pick<AttemptRecord, "pieces" | "took_over">[]): number =>
  attempts.reduce((sum, { pieces, took_over: how }) => {
    if (how === "continue") return sum + pieces;
    return how === "replay" ? Math.max(sum, pieces) : pieces;
  }, 0);

async function accountOf({ db }: DashboardDeps, id: string): Promise<{ id: string; name: string }> {
  const [row] = await db.read
    .select({ id: accounts.id, kind: accounts.kind, name: accounts.name })
    .from(accounts)
    .where(eq(accounts.id, id));
  return { id, name: row ? accountName(row) : id };
}

async function keyOf({ db }: DashboardDeps, id: string): Promise<{ id: string; name: string } | null> {
  const key = await findApiKey({ db }, id);
  return key ? { id, name: key.name } : null;
}

function namesOf({ registry }: DashboardDeps, attempts: readonly AttemptRecord[]): ReadonlyMap<string, string> {
  const others = attempts.flatMap(({ why }) => why.other?.node ?? []);
  return new Map(
    others.flatMap((pubkey) => {
      const name = registry.nodes.get(pubkey)?.name;
      return name === undefined ? [] : [[pubkey, name] as const];
    }),
  );
}
