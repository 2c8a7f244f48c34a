// Till: where jobs meet money. Holds what a job may cost before it begins and settles what it did cost at its end. What
// comes together shares one transaction, and so one wait for the disk.
import type { Execute, ExecuteMany } from "../db/executor.ts";
import type { Db } from "../db/open.ts";
import { type Hold, type HoldRefusal, holdAll, type Price, release, takeAll } from "../ledger/holds.ts";
import { clientLedger } from "../ledger/ledger.ts";
import {
  closeBook,
  type Earned,
  type Issuer,
  openBook,
  type Settlement,
  settle,
  settleOne,
} from "../ledger/settlement.ts";
import { usd } from "../lib/money.ts";
import { ok, type Result } from "../lib/result.ts";
import { attemptId } from "../protocol/primitives.ts";
import { jobSalt, saltedHasher, textHash } from "../protocol/receipts.ts";
import type { Held, Job } from "./job.ts";
import { chargeFor, costsOf, type Share } from "./metering.ts";
import { writeChatEnds } from "./records.ts";
import type { JobEnd } from "./settle.ts";

export type TillDeps = {
  db: Db;
  issuer: Issuer;
  /** Key of the HMAC that gives each job its salt. */
  saltKey: Uint8Array;
  /** Asked for nowhere dearer: `[coordinator] price_*_max`. */
  highestPrice: Price;
  /** This coordinator: what it holds for chats is let go when its next process starts. */
  owner: string;
  /** The same, where several share the database. */
  recordOwner: string | null;
};

export type Till = {
  readonly highestPrice: Price;
  /** Holds durably what the job may cost. A job whose price is nothing holds nothing. */
  hold(job: Job, held: Held): Promise<Result<void, HoldRefusal>>;
  /** The same as part of the caller's transaction. */
  holdOf(job: Job, held: Held): Hold | null;
  /** Ends a chat: its record, what it cost and its receipts, durably and together. False: it had ended already. */
  end(job: Job, end: JobEnd): Promise<boolean>;
  /** Settles a job whose end the caller has just written in the transaction of `execute`. */
  settleIn(execute: Execute, job: Job, shares: readonly Share[]): Promise<void>;
  /** Lets go of what a job holds that never began. */
  release(jobId: string): Promise<void>;
  /** 32 bytes, the same each time: what the job's hashes are salted with, so that short prompts cannot be guessed. */
  saltOf(jobId: string): Uint8Array;
  /** For an output of the job. */
  hasherOf(jobId: string): Bun.CryptoHasher;
  /** Writes what waits now; resolves once it is written, or was refused. */
  flush(): Promise<void>;
};

type Waiting<T, R> = { what: T; done(value: R): void; failed(error: unknown): void };
type Ending = Waiting<{ job: Job; end: JobEnd }, boolean>;
type Holding = Waiting<Hold, Result<void, HoldRefusal>>;
/** Jobs that share a transaction: the event loop turns between two. */
const MOST_AT_ONCE = 64;
/**
 * While more chats than this are under way, ends wait so long for others, or for a hold, to share the wait for the disk:
 * a commit costs as much as several jobs. Holds wait for nobody.
 */
const FEW = 2;
const GATHER_MS = 2;
const ENOUGH = 16;

export function createTill({ db, issuer, saltKey, owner, recordOwner, highestPrice }: TillDeps): Till {
  const endings: Ending[] = [];
  const holdings: Holding[] = [];
  let working = false;
  /** Chats that began and have not ended. */
  let open = 0;
  const flushed: (() => void)[] = [];
  let gathering: ReturnType<typeof setTimeout> | null = null;

  const saltOf = (jobId: string): Uint8Array => jobSalt(saltKey, jobId);

  /** Ends go first: what they let go of may be held again. */
  async function together(ends: readonly Ending[], wanted: readonly Holding[]): Promise<void> {
    const [ended, held] = await db.writer.transact(async (_, execute, many) => [
      ends.length === 0 ? [] : await endAll(execute, many, ends),
      wanted.length === 0
        ? []
        : await holdAll(
            execute,
            many,
            wanted.map(({ what }) => what),
          ),
    ]);
    open -= ends.length;
    for (const [i, { done }] of ends.entries()) done(ended[i] === true);
    for (const [i, { done }] of wanted.entries()) done(held[i] ?? ok(undefined));
  }

  async function endAll(execute: Execute, many: ExecuteMany, ends: readonly Ending[]): Promise<boolean[]> {
    const jobs = ends.map(({ what }) => ({ ...what, charged: chargeFor(what.job, what.end.shares) }));
    const written = await writeChatEnds(execute, many, recordOwner, jobs);
    const firsts = jobs.filter((_, i) => written[i]);
    await takeAll(
      execute,
      many,
      firsts.flatMap(({ job, charged }) =>
        job.held && job.held.amount > 0n
          ? [{ jobId: job.id, amount: job.held.amount, spent: charged, budgets: job.budgets }]
          : [],
      ),
    );
    const book = await openBook(execute, many, issuer, partiesOf(firsts));
    for (const { job, end } of firsts)
      job.charged = settle(book, settlementOf(job, end.shares), job.held?.amount ?? 0n);
    await closeBook(book);
    return written;
  }

  function settlementOf(job: Job, shares: readonly Share[]): Settlement {
    const costs = costsOf(job, shares);
    const requestHash = new Uint8Array(saltedHasher(saltOf(job.id)).update(job.bodyJson).digest());
    const earned = shares.flatMap((share, i) => earnedBy(job, share, costs[i] ?? 0n));
    return { jobId: job.id, accountId: job.accountId, requestHash, finishedMs: job.endedMs ?? 0, earned };
  }

  /** One that cannot be written does not keep the others from it. */
  async function apart(ends: readonly Ending[], wanted: readonly Holding[]): Promise<void> {
    for (const one of ends) await together([one], []).catch(one.failed);
    for (const one of wanted) await together([], [one]).catch(one.failed);
  }

  const isDue = () => holdings.length > 0 || endings.length >= ENOUGH || (endings.length > 0 && open <= FEW);

  async function work(): Promise<void> {
    do {
      const ends = endings.splice(0, MOST_AT_ONCE);
      const wanted = holdings.splice(0, MOST_AT_ONCE);
      try {
        await together(ends, wanted);
      } catch (error) {
        if (ends.length + wanted.length > 1) await apart(ends, wanted);
        else for (const { failed } of [...ends, ...wanted]) failed(error);
      }
    } while (isDue());
    working = false;
    for (const resolve of flushed.splice(0)) resolve();
    if (endings.length > 0) gathering ??= setTimeout(start, GATHER_MS);
  }

  function start(): void {
    if (gathering) clearTimeout(gathering);
    gathering = null;
    if (working) return;
    working = true;
    setImmediate(() => void work());
  }

  function enter<T, R>(queue: Waiting<T, R>[], what: T): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      queue.push({ what, done: resolve, failed: reject });
      if (working) return;
      if (isDue()) start();
      else gathering ??= setTimeout(start, GATHER_MS);
    });
  }

  const holdOf = (job: Job, held: Held): Hold | null =>
    held.amount === 0n
      ? null
      : {
          jobId: job.id,
          account: clientLedger(job.accountId),
          amount: held.amount,
          price: held.price,
          budgets: job.budgets,
          owner: job.kind === "chat" ? owner : null,
          atMs: held.atMs,
        };

  return {
    highestPrice,
    saltOf,
    hasherOf: (jobId) => saltedHasher(saltOf(jobId)),
    holdOf,
    async hold(job, held) {
      const wanted = holdOf(job, held);
      open++;
      let answer: Result<void, HoldRefusal> | undefined;
      try {
        answer = wanted ? await enter(holdings, wanted) : ok(undefined);
        return answer;
      } finally {
        if (!answer?.ok) open--;
      }
    },
    async flush() {
      while (working || endings.length + holdings.length > 0) {
        const written = new Promise<void>((resolve) => flushed.push(resolve));
        start();
        await written;
      }
    },
    async release(jobId) {
      open--;
      await db.writer.transact((_, execute) => release(execute, jobId));
    },
    end: (job, end) => enter(endings, { job, end }),
    async settleIn(execute, job, shares) {
      job.charged = await settleOne(execute, issuer, settlementOf(job, shares));
    },
  };
}

const partiesOf = (ends: readonly { job: Job; end: JobEnd }[]) => ({
  accountIds: new Set(ends.map(({ job }) => job.accountId)),
  nodes: new Set(ends.flatMap(({ end }) => end.shares.map(({ record }) => record.node))),
});

function earnedBy(job: Job, share: Share, gross: bigint): Earned[] {
  const { record, promptTokens, completionTokens, outputHash } = share;
  if (outputHash === null) return [];
  return [
    {
      attempt: attemptId(job.id, record.n),
      node: record.node,
      gross,
      promptTokens,
      completionTokens,
      model: record.model,
      modelHash: hashOfModel(share.offer?.info.digest ?? record.model),
      outputHash,
    },
  ];
}

const modelHashes = new Map<string, Uint8Array>();
const MOST_MODEL_HASHES = 4096;

/** Models are few and jobs are many. */
function hashOfModel(name: string): Uint8Array {
  const known = modelHashes.get(name);
  if (known) return known;
  if (modelHashes.size >= MOST_MODEL_HASHES) modelHashes.clear();
  const hash = textHash(name);
  modelHashes.set(name, hash);
  return hash;
}

/** What the refusal of a hold is to the one who asked. */
export function refusedHold(refusal: HoldRefusal, held: Held): { code: HoldRefusal["code"]; message: string } {
  const most = `may cost up to $${usd(held.amount)}`;
  return refusal.code === "insufficient_credit"
    ? {
        code: refusal.code,
        message: `this request ${most}, and the account has less left; add credit or lower max_tokens`,
      }
    : { code: refusal.code, message: `this request ${most}, which is past a spending limit of this key` };
}
