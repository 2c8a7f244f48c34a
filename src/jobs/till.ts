// Till: where jobs meet money. Holds what a job may cost before it begins and settles what it did cost at its end. What
// comes together shares one transaction, and so one wait for the disk.
import type { Db } from "../db/open.ts";
import { type Hold, type HoldRefusal, hold, type Price, release } from "../ledger/holds.ts";
import { clientLedger } from "../ledger/ledger.ts";
import { type Book, closeBook, type Earned, type Issuer, openBook, settle } from "../ledger/settlement.ts";
import { fromHex } from "../lib/hex.ts";
import { ok, type Result } from "../lib/result.ts";
import { attemptId } from "../protocol/primitives.ts";
import { grossOf, saltedHasher, textHash } from "../protocol/receipts.ts";
import type { Held, Job } from "./job.ts";
import type { Share } from "./metering.ts";
import { writeChatEnd } from "./records.ts";
import type { JobEnd } from "./settle.ts";

export type TillDeps = {
  db: Db;
  issuer: Issuer;
  /** Key of the HMAC that gives each job its salt. */
  saltKey: Uint8Array;
  /** Asked for nowhere dearer: `[coordinator] price_*_max`. */
  highestPrice: Price;
  /** This instance: what it holds for chats is let go when its next process starts. */
  owner: string;
};

export type Till = {
  readonly highestPrice: Price;
  /** Holds durably what the job may cost. A job whose price is nothing holds nothing. */
  hold(job: Job, held: Held): Promise<Result<void, HoldRefusal>>;
  /** The same as part of the caller's transaction. */
  holdOf(job: Job, held: Held): Hold | null;
  /** Ends a chat: its record, what it cost and its receipts, durably and together. False: it had ended already. */
  end(job: Job, end: JobEnd): Promise<boolean>;
  /** Settles a job whose end the caller has just written in the transaction of `book`. Gives what it cost, µ$. */
  settleIn(book: Book, job: Job, shares: readonly Share[]): Promise<bigint>;
  /** A book of the caller's transaction. */
  book(execute: Book["execute"]): Book;
  /** Lets go of what a job holds that never began. */
  release(jobId: string): Promise<void>;
  /** 32 bytes, the same each time: what the job's hashes are salted with, so that short prompts cannot be guessed. */
  saltOf(jobId: string): Uint8Array;
  /** For an output of the job. */
  hasherOf(jobId: string): Bun.CryptoHasher;
};

type Waiting = {
  /** Ends go first: what they let go of may be held again. */
  isEnd: boolean;
  act(book: Book): Promise<unknown>;
  done(value: unknown): void;
  failed(error: unknown): void;
};
/** Jobs that share a transaction: the event loop turns between two. */
const MOST_AT_ONCE = 64;

export function createTill({ db, issuer, saltKey, owner, highestPrice }: TillDeps): Till {
  const waiting: Waiting[] = [];
  let working = false;

  const saltOf = (jobId: string): Uint8Array =>
    new Uint8Array(new Bun.CryptoHasher("sha256", saltKey).update(idBytes(jobId)).digest());

  const together = (group: readonly Waiting[]): Promise<unknown[]> =>
    db.writer.transact(async (_, execute) => {
      const book = openBook(execute, issuer);
      const values: unknown[] = [];
      let open = true;
      for (const { isEnd, act } of group) {
        if (!isEnd && open) {
          await closeBook(book);
          open = false;
        }
        values.push(await act(book));
      }
      if (open) await closeBook(book);
      return values;
    });

  /** One that cannot be written does not keep the others from it. */
  async function apart(group: readonly Waiting[]): Promise<void> {
    for (const one of group) await together([one]).then(([value]) => one.done(value), one.failed);
  }

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      const group = waiting.splice(0, MOST_AT_ONCE).sort((a, b) => Number(b.isEnd) - Number(a.isEnd));
      try {
        const values = await together(group);
        for (const [i, { done }] of group.entries()) done(values[i]);
      } catch (error) {
        if (group.length === 1) group[0]?.failed(error);
        else await apart(group);
      }
    }
    working = false;
  }

  function enter<T>(isEnd: boolean, act: (book: Book) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      waiting.push({ isEnd, act, done: (value) => resolve(value as T), failed: reject });
      if (working) return;
      working = true;
      setImmediate(() => void work());
    });
  }

  const till: Till = {
    highestPrice,
    saltOf,
    hasherOf: (jobId) => saltedHasher(saltOf(jobId)),
    book: (execute) => openBook(execute, issuer),
    holdOf: (job, held) =>
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
          },
    async hold(job, held) {
      const wanted = till.holdOf(job, held);
      return wanted ? enter(false, ({ execute }) => hold(execute, wanted)) : ok(undefined);
    },
    release: async (jobId) => void (await enter(false, ({ execute }) => release(execute, jobId))),
    end: (job, end) =>
      enter(true, async (book) => {
        const charged = chargeFor(job, end.shares);
        const isFirst = await writeChatEnd(book.execute, job, end.state, charged);
        if (isFirst) await till.settleIn(book, job, end.shares);
        return isFirst;
      }),
    async settleIn(book, job, shares) {
      const costs = costsOf(job, shares);
      const hasher = saltedHasher(saltOf(job.id));
      const requestHash = new Uint8Array(hasher.update(job.bodyJson).digest());
      const earned = shares.flatMap((share, i) => earnedBy(job, share, costs[i] ?? 0n));
      const charged = await settle(book, {
        jobId: job.id,
        accountId: job.accountId,
        requestHash,
        finishedMs: job.endedMs ?? 0,
        earned,
      });
      job.charged = charged;
      return charged;
    },
  };
  return till;
}

const idBytes = (jobId: string): Uint8Array => fromHex(jobId.replaceAll("-", ""));

/** µ$ of each share. Together never more than is held: where rounding up each would pass it, the last has less. */
function costsOf(job: Job, shares: readonly Share[]): bigint[] {
  let left = job.held?.amount ?? 0n;
  return shares.map(({ promptTokens, completionTokens, price }) => {
    if (price === null) return 0n;
    const gross = grossOf(promptTokens, completionTokens, price.input, price.output);
    const cost = gross < left ? gross : left;
    left -= cost;
    return cost;
  });
}

/** µ$ that the job costs. */
export const chargeFor = (job: Job, shares: readonly Share[]): bigint =>
  costsOf(job, shares).reduce((sum, cost) => sum + cost, 0n);

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
  const most = `may cost up to ${usd(held.amount)}`;
  return refusal.code === "insufficient_credit"
    ? {
        code: refusal.code,
        message: `this request ${most}, and the account has less left; add credit or lower max_tokens`,
      }
    : { code: refusal.code, message: `this request ${most}, which is past a spending limit of this key` };
}

/** µ$ as USD, exact, for people. */
const usd = (amount: bigint): string => `$${amount / 1_000_000n}.${(amount % 1_000_000n).toString().padStart(6, "0")}`;
