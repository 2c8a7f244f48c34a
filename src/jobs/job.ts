// Job: one request for inference while it lives in this process, and what every part of jobs/ knows of it.
import type { ModelRule } from "../accounts/key-rights.ts";
import type { TokenReservation } from "../accounts/rate-limits.ts";
import type { Budget, Price } from "../ledger/holds.ts";
import type { Delta, FinishReason, Task, Usage } from "../protocol/generation.ts";
import { attemptId, type JobId, type Pubkey } from "../protocol/primitives.ts";
import type { Trail } from "../protocol/trail.ts";
import type { Offer } from "../registry/registry.ts";
import type { Why } from "../scheduler/choose.ts";
import { type Demand, demandsOf, type Wishes } from "../scheduler/wishes.ts";
import type { AffinityKeys } from "./affinity.ts";
import { nothingShown, type Seam, type Shown, type TakeOver } from "./continuation.ts";
import type { Queued } from "./fair-queue.ts";
import type { JobState } from "./states.ts";

/** Why a job ended badly. `http/errors.ts` maps each to a status. */
export type JobErrorCode =
  | "queue_full"
  | "queue_timeout"
  | "no_nodes_online"
  | "no_matching_node"
  | "node_lost"
  | "first_token_timeout"
  | "stream_timeout"
  | "reader_stalled"
  | "backend_unreachable"
  | "backend_busy"
  | "backend_failed"
  | "model_not_found"
  | "context_length_exceeded"
  | "invalid_request"
  | "output_too_large"
  | "client_gone"
  | "coordinator_restarted"
  | "draining"
  | "storage_failed"
  | "insufficient_credit"
  | "spend_limit"
  | "model_not_allowed";

/** Errors whose message is a node's or a backend's own, and may quote the request. */
export const NODE_ERRORS: readonly JobErrorCode[] = [
  "backend_unreachable",
  "backend_busy",
  "backend_failed",
  "model_not_found",
  "context_length_exceeded",
  "invalid_request",
  "output_too_large",
];

/** Longest message of an error, in UTF-16 units. */
export const maxErrorMessage = 4096;

/** `param`: the field of the request that it is about, where it is one. */
export type JobError = { code: JobErrorCode; message: string; param?: string };

/** One try on one node, as it is kept on the job. Times are milliseconds since the Unix epoch. */
export type AttemptRecord = {
  n: number;
  node: Pubkey;
  node_name: string;
  model: string;
  why: Why;
  /** Marks of the coordinators it was passed on through; absent where the node itself answers. */
  through?: readonly string[];
  /** How it took over from the attempt before; null where it began the answer. */
  took_over: TakeOver | null;
  /**
   * After a restart of the coordinator its node can still give the whole answer. Not so where the node keeps nothing, or
   * continued what was only in the coordinator's memory.
   */
  resumable: boolean;
  dispatched_ms: number;
  first_delta_ms: number | null;
  ended_ms: number | null;
  /** What it gave of the answer: pieces, about one a token, and UTF-8 bytes. */
  pieces: number;
  bytes: number;
  /** Its claim of tokens was more than can be true. */
  clamped?: true;
  /** What its tokens are charged at, where anything is. */
  price?: Price;
  outcome: "completed" | "failed" | "refused" | "lost" | "timed_out" | "cancelled" | null;
  error: JobError | null;
};

/** What an attempt gave of the answer. */
export type Delivery = {
  readonly record: AttemptRecord;
  /** Tokens of the answer that it was given to continue. */
  readonly carried: number;
  /** What its node says it used. */
  readonly usage: Usage | null;
  /** µ$ per million tokens; null where nothing is charged. */
  readonly price: Price | null;
  readonly offer: Offer | null;
  /** Salted hash of what it gave; null where there are no receipts. */
  readonly outputHash: Uint8Array | null;
};

/** What a job may cost, and is held for it. */
export type Held = {
  /** µ$. */
  amount: bigint;
  /** The dearest it was reckoned with: nothing dearer is charged. */
  price: Price;
  atMs: number;
};

/** The try under way. */
export type Run = {
  /** Attempt id: the fence. What names another is not of this run. */
  readonly id: string;
  readonly record: AttemptRecord;
  readonly pubkey: Pubkey;
  /** Joins its output to that of the attempt before; null where it began the answer, or is past the seam. */
  seam: Seam | null;
  /** Null after a restart, until the node is back. */
  offer: Offer | null;
  /** The delta expected next. */
  offset: number;
  /** Anything at all was heard from the node about it. */
  accepted: boolean;
  dispatchedMs: number;
  lastProgressMs: number;
  /** Cost of deltas taken but not yet granted again. */
  owed: number;
  /** Cost of all deltas taken. */
  taken: number;
  /** Deltas that held a tool call. */
  called: number;
  /** Deltas with nothing in them. */
  empty: number;
  /** Tokens of the answer that it was given to continue. */
  carried: number;
  /** What its node says it used; null before its end. */
  usage: Usage | null;
  price: Price | null;
  /** Of its output; null where there are no receipts. */
  hasher: Bun.CryptoHasher | null;
  /** Pieces the reader has not taken yet, and since when it is behind. */
  blocked: number;
  blockedSinceMs: number;
  /** The link is gone: when to stop waiting for the node's return. */
  returnByMs: number | null;
  /** Its end is being stored. */
  settling: boolean;
};

/** Where a job's answer goes. */
export type Output = {
  /**
   * Takes the next pieces, which are never repeated and never leave a gap. Returns a promise when the reader is behind;
   * the node gets no more credit before it resolves.
   */
  deltas(attempt: number, offset: number, deltas: readonly Delta[]): Promise<void> | undefined;
  /** True while nothing was shown that could not be taken back, so that the job may start over. */
  canRestart(): boolean;
  /** What was given so far is void. */
  restart(): void;
  /** What an answer that its node calls whole has not got; undefined where nothing is missing. Left out: nothing can be. */
  lacking?(): string | undefined;
  /** The job reached its end state. Called once. */
  end(job: Job): void;
};

export type JobSpec = {
  kind: "chat" | "async";
  task: Task;
  accountId: string;
  keyId: string | null;
  fairKey: string;
  /** As it was asked for; of a job, the name of the model that serves it. */
  model: string;
  /** Asked for in its place, in order, where it cannot serve. */
  fallbacks: readonly string[];
  /** The models that its key may use; null: all. */
  allowed: ModelRule | null;
  stream: boolean;
  /** The client's request as it came, JSON; the backend gets all of it but what is addressed to us. */
  bodyJson: string;
  /** Upper bound on the tokens of one choice. */
  maxTokens: number;
  /** The client named no bound of its own: the node is told ours where the model's context surely holds it. */
  defaultMaxTokens: boolean;
  /** Estimate of its prompt's tokens, where no node counted them: images are not what their bytes are. */
  promptGuess: number;
  /** Tokens that its prompt may have beyond the bytes of the request: chat templates, images. */
  promptExtra: number;
  /** Limits of whoever asks, beside the account's balance. */
  budgets: readonly Budget[];
  choices: number;
  wishes: Wishes;
  /** Lower bound on the prompt's tokens. */
  minContext: number;
  /** Estimate of what prompt and answer take. */
  wantContext: number;
  /** Null where its beginning is not worth finding. */
  affinity: AffinityKeys | null;
  cost: number;
  /** What it has taken of its key's tokens a minute; null where those are not limited. */
  reserved: TokenReservation | null;
  /** The answer has a fixed format (OpenAI: `response_format`). */
  structured: boolean;
  /** The same request gives the same answer: temperature 0, or a seed. */
  repeatable: boolean;
  /** The coordinators that the request came through; absent where it came through none. */
  trail?: Trail;
};

export type Job = JobSpec &
  Queued & {
    readonly id: JobId;
    readonly output: Output;
    readonly createdMs: number;
    /** What the wishes demand of every node. */
    readonly demands: readonly Demand[];
    displaceable: boolean;
    model: string;
    /** Models left to fall back to. */
    rest: readonly string[];
    /** Attempts made when the job fell back to this model: they do not count against it. */
    before: number;
    minContext: number;
    state: JobState;
    /** Number of the current or last attempt; 0 before the first. */
    attempt: number;
    attempts: AttemptRecord[];
    run: Run | null;
    queuedMs: number;
    /** Nodes that failed it have a moment to recover: they do not have it again before. */
    againMs: number;
    /** While it waits: since when nobody is there that its wishes allow. */
    unservedMs: number | null;
    dispatchedMs: number | null;
    firstDeltaMs: number | null;
    endedMs: number | null;
    error: JobError | null;
    finish: { index: number; reason: FinishReason }[];
    usage: Usage | null;
    /** Those of the attempts that count, in order. */
    deliveries: Delivery[];
    /** Null where nothing is charged. */
    held: Held | null;
    /** µ$, once it has ended; null where nothing is charged. */
    charged: bigint | null;
    /** What readers have, or may have, of the answer; null for a whole chat, which nobody sees before its end. */
    shown: Shown | null;
    /** Pieces of former attempts that the present one continues: they are spent of the answer's bound. */
    carried: number;
    /** How the next attempt may take the answer over; null where it begins it. */
    ways: readonly TakeOver[] | null;
    /** Called at the first delta or the end, whichever is first; set by whoever waits for it. */
    onStarted: (() => void) | null;
    /** Called at the end, once it is stored where it must be; set by whoever waits for it. */
    onOver: (() => void) | null;
  };

/** The attempt's record and run as they begin. */
export function newRun(job: Job, offer: Offer, why: Why, nowMs: number): Run {
  const record: AttemptRecord = {
    n: job.attempt,
    node: offer.node.pubkey,
    node_name: offer.node.name,
    model: offer.model,
    why,
    ...(offer.path.length > 0 ? { through: offer.path } : {}),
    took_over: null,
    resumable: offer.node.channel?.forgetful !== true,
    dispatched_ms: nowMs,
    first_delta_ms: null,
    ended_ms: null,
    pieces: 0,
    bytes: 0,
    outcome: null,
    error: null,
  };
  return { ...resumableRun(job, record, nowMs), offer };
}

/** An attempt that a former process began: its node may come back with it. */
export function resumableRun(job: Job, record: AttemptRecord, nowMs: number): Run {
  return {
    id: attemptId(job.id, job.attempt),
    record,
    pubkey: record.node as Pubkey,
    seam: null,
    offer: null,
    offset: 0,
    accepted: false,
    dispatchedMs: nowMs,
    lastProgressMs: nowMs,
    owed: 0,
    taken: 0,
    called: 0,
    empty: 0,
    carried: 0,
    usage: null,
    price: record.price ?? null,
    hasher: null,
    blocked: 0,
    blockedSinceMs: 0,
    returnByMs: null,
    settling: false,
  };
}

export function newJob(id: JobId, spec: JobSpec, output: Output, nowMs: number): Job {
  return {
    ...spec,
    id,
    output,
    createdMs: nowMs,
    demands: demandsOf(spec.wishes),
    displaceable: spec.kind === "chat",
    rest: [],
    before: 0,
    state: "queued",
    attempt: 0,
    attempts: [],
    run: null,
    queuedMs: nowMs,
    againMs: 0,
    unservedMs: null,
    dispatchedMs: null,
    firstDeltaMs: null,
    endedMs: null,
    error: null,
    finish: [],
    usage: null,
    deliveries: [],
    held: null,
    charged: null,
    shown: spec.kind === "async" || spec.stream ? nothingShown() : null,
    carried: 0,
    ways: null,
    onStarted: null,
    onOver: null,
  };
}
