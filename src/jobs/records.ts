// Records: what is kept of jobs in the database. Chats are written behind, in groups and once where they are short;
// asynchronous jobs are created and ended durably, and leased by a conditional write.
import { and, desc, eq, isNull, lt, notInArray, or } from "drizzle-orm";
import type { StoredSecrets } from "../accounts/stored-secrets.ts";
import type { Drizzle, Execute, ExecuteMany, SqlValue } from "../db/executor.ts";
import { insertOf } from "../db/insert.ts";
import type { Db } from "../db/open.ts";
import { type HoldRefusal, hold, release, releaseOwned } from "../ledger/holds.ts";
import { type HoldRow, holds } from "../ledger/schema.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { nextTurn } from "../lib/turns.ts";
import { type AttemptRecord, type Job, type JobError, NODE_ERRORS } from "./job.ts";
import { chargeFor } from "./metering.ts";
import { type JobContentRow, type JobRow, jobContent, jobs, whereLive } from "./schema.ts";
import type { JobEnd } from "./settle.ts";
import { isEnd, type JobState, LIVE_STATES } from "./states.ts";
import type { Till } from "./till.ts";
import { addWebhook, endedWebhooksDue, sealAddress, webhookDue } from "./webhooks.ts";

export type NewAsyncJob = {
  /** Who is to be told of its end. */
  webhook: string | null;
  idempotencyKey: string | null;
  /** sha256 of the request, hex: the same key with another request is refused. */
  requestHash: string | null;
};

export type JobRecords = {
  /** Notes that a chat changed; written within `WRITE_BEHIND_MS`, together with whatever else changed. */
  touch(job: Job): void;
  /** Stores an asynchronous job and its request, durably, and holds what it may cost. */
  create(job: Job, extra: NewAsyncJob): Promise<Result<void, NotCreated>>;
  /**
   * Of a job that was refused because storing it, or what it holds, failed: nothing is left of it, should the database
   * have it all the same. It says yes once, and that may be lost on the way.
   */
  undo(job: Pick<Job, "id" | "kind">): Promise<void>;
  /** The job of the last 24 h that has this idempotency key. */
  withKey(accountId: string, idempotencyKey: string): Promise<JobRow | undefined>;
  /** Claims a queued job for this attempt. False: somebody else has it, or it has ended. */
  lease(job: Job): Promise<boolean>;
  /**
   * Stores the end of an asynchronous job with its answer, or of a chat that is charged for, durably and with what it
   * cost. False: it had ended already.
   */
  end(job: Job, end: JobEnd): Promise<boolean>;
  /** Writes what is noted now. */
  flush(): Promise<void>;
  close(): Promise<void>;
};

/** With a used idempotency key: the job that has it. */
export type NotCreated = { code: "idempotency_key_used"; row: JobRow } | HoldRefusal;

export type RecordsDeps = {
  db: Db;
  /** For the addresses of webhooks. */
  secrets: StoredSecrets;
  clock: Clock;
  log: Log;
  /** The answer of a job as it is kept: JSON. */
  answerOf: (job: Job) => string | null;
  readonly retainContentMs: number;
  /** Null where nothing is charged. */
  till: Till | null;
  /** This coordinator, where several share the database. */
  owner: string | null;
};

const WRITE_BEHIND_MS = 10;
/** Rows written in one go; the event loop turns between two. */
const ROWS_AT_ONCE = 32;
/** After a fault of the database. */
const RETRY_MS = 1_000;
/** Chats whose record could not be written yet; beyond, the oldest are given up, and said so. */
const MAX_NOTED = 20_000;
/** Content stays at least this long after the end, whatever the configuration says. */
const MIN_RETAIN_MS = 10 * 60_000;
/** An idempotency key is remembered for this long. */
export const IDEMPOTENCY_MS = 24 * 3_600_000;

const COLUMNS = [
  "id",
  "account_id",
  "key_id",
  "kind",
  "task",
  "state",
  "model",
  "stream",
  "max_tokens",
  "attempt",
  "node_pubkey",
  "attempts",
  "error_code",
  "error_message",
  "finish_reason",
  "prompt_tokens",
  "completion_tokens",
  "charged_micro_usd",
  "owner",
  "created_ms",
  "dispatched_ms",
  "first_delta_ms",
  "ended_ms",
] as const;
/** What may change after the first write; the rest is as it was created. */
const CHANGING = COLUMNS.slice(COLUMNS.indexOf("state")).filter(
  (column) => column !== "created_ms" && column !== "owner",
);
const upsert = insertOf(
  `jobs (${COLUMNS.join(", ")})`,
  `(${COLUMNS.map(() => "?").join(", ")})`,
  `on conflict (id) do update set ${CHANGING.map((column) => `${column} = excluded.${column}`).join(", ")}
  where jobs.state in (${LIVE_STATES.map((state) => `'${state}'`).join(", ")})`,
);

/** Of a job as it stands, or as it ends: one whose end has to be stored first knows it a moment before the database. */
const ENDED = `select id from jobs where id in (select value from json_each(?)) and not (state in (${LIVE_STATES.map((state) => `'${state}'`).join(", ")}))`;

function rowOf(job: Job, owner: string | null, state: JobState = job.state, charged = job.charged): SqlValue[] {
  const ended = isEnd(state);
  return [
    job.id,
    job.accountId,
    job.keyId,
    job.kind,
    job.task,
    state,
    job.model,
    job.stream ? 1 : 0,
    job.maxTokens,
    job.attempt,
    nodeOf(job.attempts),
    JSON.stringify(keptAttempts(job.attempts)),
    ended ? (job.error?.code ?? null) : null,
    ended ? keptMessage(job.error) : null,
    job.finish[0]?.reason ?? null,
    job.usage?.prompt_tokens ?? null,
    job.usage?.completion_tokens ?? null,
    ended ? charged : null,
    owner,
    job.createdMs,
    job.dispatchedMs,
    job.firstDeltaMs,
    ended ? job.endedMs : null,
  ];
}
/** Writes the ends of chats, and all else that is known of them. False for those that had ended already. */
export async function writeChatEnds(
  execute: Execute,
  many: ExecuteMany,
  owner: string | null,
  ends: readonly { job: Job; end: JobEnd; charged: bigint | null }[],
): Promise<boolean[]> {
  const ended = await execute(ENDED, [JSON.stringify(ends.map(({ job }) => job.id))]);
  const before = new Set(ended.map(([id]) => id));
  const firsts = ends.map(({ job }) => !before.has(job.id));
  await upsert(
    many,
    ends.filter((_, i) => firsts[i]).map(({ job, end, charged }) => rowOf(job, owner, end.state, charged)),
  );
  return firsts;
}

/** A backend may quote the prompt in its complaints, and a chat's content is not kept. */
const keptMessage = (error: JobError | null): string | null =>
  error === null || NODE_ERRORS.includes(error.code) ? null : error.message;

/** Attempts as they are stored: of what went wrong the code, without a backend's words. */
const keptAttempts = (attempts: readonly AttemptRecord[]): readonly AttemptRecord[] =>
  attempts.some(({ error }) => error !== null)
    ? attempts.map((attempt) => ({
        ...attempt,
        error: attempt.error && { code: attempt.error.code, message: keptMessage(attempt.error) ?? "" },
      }))
    : attempts;

const nodeOf = (attempts: readonly AttemptRecord[]): string | null => attempts[attempts.length - 1]?.node ?? null;

export function jobRecords(deps: RecordsDeps): JobRecords {
  const { db, clock, log } = deps;
  let noted = new Set<Job>();
  let timer: (() => void) | null = null;
  let writing: Promise<void> = Promise.resolve();

  const write = async (): Promise<void> => {
    timer?.();
    timer = null;
    const group = [...noted];
    noted = new Set();
    let written = 0;
    try {
      for (; written < group.length; written += ROWS_AT_ONCE) {
        if (written > 0) await nextTurn();
        const rows = group.slice(written, written + ROWS_AT_ONCE).map((job) => rowOf(job, deps.owner));
        await db.writer.transact((_tx, _execute, many) => upsert(many, rows), { durable: false });
      }
    } catch (error) {
      const left = new Set([...group.slice(written), ...noted]);
      const lost = Math.max(0, left.size - MAX_NOTED);
      log.error("records of chats could not be written; they are kept in memory for now", {
        err: error,
        records: left.size - lost,
        given_up: lost,
      });
      noted = new Set([...left].slice(lost));
      schedule(RETRY_MS);
    }
  };
  const schedule = (delayMs: number) => {
    timer ??= clock.after(delayMs, () => {
      writing = writing.then(write);
    });
  };

  return {
    touch(job) {
      noted.add(job);
      schedule(WRITE_BEHIND_MS);
    },
    create: (job, extra) => create(deps, job, extra),
    async undo({ id, kind }) {
      await db.writer.transact(async (tx, execute) => {
        // Not where another coordinator took it up meanwhile.
        const unbegun = and(eq(jobs.id, id), eq(jobs.attempt, 0), whereLive);
        const undone = await tx.delete(jobs).where(unbegun).returning({ id: jobs.id });
        if (kind === "chat" || undone.length > 0) await release(execute, id);
      });
    },
    async withKey(accountId, idempotencyKey) {
      const [same] = await db.read.select().from(jobs).where(hasKey(accountId, idempotencyKey));
      return same && isRemembered(same, clock) ? same : undefined;
    },
    async lease(job) {
      // As it is now: when the write has its turn, the job may be at its next attempt, which has a lease of its own.
      const { attempt, dispatchedMs } = job;
      // Readers of an answer that is taken over still see it running.
      const state = job.state === "running" ? "running" : "dispatched";
      const attempts = [...keptAttempts(job.attempts)];
      const node = nodeOf(attempts);
      // What was noted of it is older than this; the fence below must not meet it afterwards.
      noted.delete(job);
      const leased = await db.writer.transact(
        (tx) =>
          tx
            .update(jobs)
            .set({
              state,
              attempt,
              nodePubkey: node,
              attempts,
              dispatchedMs,
            })
            // A retry finds the row as its last attempt left it; the attempt's number says whose it is.
            .where(and(eq(jobs.id, job.id), lt(jobs.attempt, attempt), whereLive))
            .returning({ id: jobs.id }),
        { durable: false },
      );
      return leased.length === 1;
    },
    end(job, end) {
      noted.delete(job);
      if (job.kind === "chat" && deps.till) return deps.till.end(job, end);
      return db.writer.transact((tx, execute) => storeEnd(deps, tx, execute, job, end));
    },
    flush() {
      writing = writing.then(write);
      return writing;
    },
    async close() {
      writing = writing.then(write);
      await writing;
      timer?.();
    },
  };
}

const hasKey = (accountId: string, idempotencyKey: string) =>
  and(eq(jobs.accountId, accountId), eq(jobs.idempotencyKey, idempotencyKey));
/** This coordinator's; where it has the database for itself, all are. */
const isOf = (owner: string) => or(isNull(jobs.owner), eq(jobs.owner, owner));
const isRemembered = (row: JobRow, clock: Clock): boolean => row.createdMs > clock.nowMs() - IDEMPOTENCY_MS;

async function create(
  { db, secrets, clock, till, owner }: RecordsDeps,
  job: Job,
  extra: NewAsyncJob,
): Promise<Result<void, NotCreated>> {
  return db.writer.transact(async (tx, execute) => {
    if (extra.idempotencyKey !== null) {
      const [same] = await tx.select().from(jobs).where(hasKey(job.accountId, extra.idempotencyKey));
      if (same && isRemembered(same, clock)) return err({ code: "idempotency_key_used", row: same });
      if (same) await tx.update(jobs).set({ idempotencyKey: null }).where(eq(jobs.id, same.id));
    }
    const wanted = till && job.held ? till.holdOf(job, job.held) : null;
    const held = wanted ? await hold(execute, wanted) : ok(undefined);
    if (!held.ok) return held;
    const webhook = extra.webhook === null ? null : sealAddress(secrets, job.id, extra.webhook);
    await tx.insert(jobs).values({
      id: job.id,
      accountId: job.accountId,
      keyId: job.keyId,
      kind: "async",
      task: job.task,
      model: job.model,
      state: "queued",
      stream: job.stream,
      maxTokens: job.maxTokens,
      owner,
      createdMs: job.createdMs,
      ...extra,
      webhook,
    });
    await tx.insert(jobContent).values({ jobId: job.id, request: job.bodyJson });
    if (webhook !== null) await addWebhook(tx, job.id, webhook);
    return ok(undefined);
  });
}

async function storeEnd(
  deps: RecordsDeps,
  tx: Drizzle,
  execute: Execute,
  job: Job,
  { state, shares }: JobEnd,
): Promise<boolean> {
  const ended = await tx
    .update(jobs)
    .set({
      state,
      model: job.model,
      attempt: job.attempt,
      nodePubkey: nodeOf(job.attempts),
      attempts: [...keptAttempts(job.attempts)],
      errorCode: job.error?.code ?? null,
      errorMessage: job.error?.message ?? null,
      finishReason: job.finish[0]?.reason ?? null,
      promptTokens: job.usage?.prompt_tokens ?? null,
      completionTokens: job.usage?.completion_tokens ?? null,
      chargedMicroUsd: deps.till ? Number(chargeFor(job, shares)) : null,
      dispatchedMs: job.dispatchedMs,
      firstDeltaMs: job.firstDeltaMs,
      endedMs: job.endedMs,
    })
    .where(and(eq(jobs.id, job.id), whereLive))
    .returning({ webhook: jobs.webhook });
  const [row] = ended;
  if (!row) return false;
  const expiresMs = (job.endedMs ?? 0) + Math.max(MIN_RETAIN_MS, deps.retainContentMs);
  await tx
    .update(jobContent)
    .set({ output: deps.answerOf(job), expiresMs })
    .where(eq(jobContent.jobId, job.id));
  // Where nothing is charged any more, what it held when something was.
  if (deps.till) await deps.till.settleIn(execute, job, shares);
  else await release(execute, job.id);
  if (row.webhook !== null) await webhookDue(tx, job.id, job.endedMs ?? 0);
  return true;
}

/**
 * Chats that were under way when the last coordinator died can not be answered any more, nor asynchronous jobs whose
 * request is gone (backups leave content out); what was held for them is let go. Only those of `owner`, this coordinator.
 * How many there were.
 */
export async function failInterruptedChats(db: Db, nowMs: number, owner: string): Promise<number> {
  const error: JobError = { code: "coordinator_restarted", message: "the coordinator was restarted while it ran" };
  const failed = await db.writer.transact(async (tx, execute) => {
    const rows = await tx
      .update(jobs)
      .set({ state: "failed", errorCode: error.code, errorMessage: error.message, endedMs: nowMs })
      .where(
        and(
          isOf(owner),
          or(eq(jobs.kind, "chat"), notInArray(jobs.id, tx.select({ id: jobContent.jobId }).from(jobContent))),
          whereLive,
        ),
      )
      .returning({ id: jobs.id });
    await endedWebhooksDue(tx, nowMs);
    for (const { id } of rows) await release(execute, id);
    // Those that no record tells of yet.
    await releaseOwned(execute, owner);
    return rows;
  });
  return failed.length;
}

/** An unfinished job whose stored request this version cannot read: it fails, and the rest goes on. */
export async function failUnreadable(db: Db, id: string, nowMs: number): Promise<void> {
  const message = "the stored request cannot be read by this version of infernet; send it again";
  await db.writer.transact(async (tx, execute) => {
    await tx
      .update(jobs)
      .set({ state: "failed", errorCode: "invalid_request", errorMessage: message, endedMs: nowMs })
      .where(and(eq(jobs.id, id), whereLive));
    await release(execute, id);
    await endedWebhooksDue(tx, nowMs);
  });
}

/**
 * Asynchronous jobs of `owner`, this coordinator, that still want something, with their requests and what they hold. What
 * others on this database have under way is theirs. Newest first: each is taken up at the head of its account's lane, so
 * that the oldest is in front in the end.
 */
export function unfinishedJobs(
  db: Db,
  owner: string,
): Promise<{ job: JobRow; content: JobContentRow; hold: HoldRow | null }[]> {
  return db.read
    .select({ job: jobs, content: jobContent, hold: holds })
    .from(jobs)
    .innerJoin(jobContent, eq(jobContent.jobId, jobs.id))
    .leftJoin(holds, eq(holds.jobId, jobs.id))
    .where(and(eq(jobs.kind, "async"), isOf(owner), whereLive))
    .orderBy(desc(jobs.id));
}

/** One of the account's jobs, or of everybody's (null), with its content while that is retained. */
export async function findJob(
  db: Db,
  accountId: string | null,
  id: string,
): Promise<{ job: JobRow; content: JobContentRow | null } | undefined> {
  const [found] = await db.read
    .select({ job: jobs, content: jobContent })
    .from(jobs)
    .leftJoin(jobContent, eq(jobContent.jobId, jobs.id))
    .where(and(eq(jobs.id, id), accountId === null ? undefined : eq(jobs.accountId, accountId)));
  return found;
}
