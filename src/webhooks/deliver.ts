// Deliver: tells receivers of the ends of jobs, at least once each. What is due is read from the database, so that nothing
// is lost with this process; a receiver that is down is tried again, ever more rarely, for a day.
import type { StoredSecrets } from "../accounts/stored-secrets.ts";
import type { Db } from "../db/open.ts";
import {
  claimWebhook,
  type DueWebhook,
  dueWebhooks,
  readAddress,
  webhookDelivered,
  webhookFailed,
} from "../jobs/webhooks.ts";
import type { Clock } from "../lib/clock.ts";
import type { Log } from "../lib/log.ts";
import { POST_TIMEOUT_MS, type Post } from "./post.ts";
import { signedHeaders } from "./sign.ts";

export type DeliverDeps = {
  db: Db;
  secrets: StoredSecrets;
  clock: Clock;
  log: Log;
  random: () => number;
  post: Post;
  /** The account's key: 32 bytes. */
  keyOf(accountId: string): Uint8Array;
  /** The job as its owner sees it at `GET /api/v1/jobs/:id`; null where it is not there any more. */
  jobObject(accountId: string, jobId: string): Promise<object | null>;
  /** Goes into `User-Agent`. */
  version: string;
};

const LOOK_EVERY_MS = 5_000;
/** Deliveries at once; no account can take them all with a receiver that is slow. */
const MOST_AT_ONCE = 32;
const MOST_PER_ACCOUNT = 8;
/** A try that nothing more was heard of, because its process died, is made again. */
const CLAIM_MS = 1.5 * POST_TIMEOUT_MS;

/** Then it is given up. The waits between are 5 s, 25 s, 2 min, 10 min, 48 min, 4 h and 19 h, a day in all. */
export const MAX_TRIES = 8;
const FIRST_WAIT_MS = 5_000;
const GROWTH = 4.9;
/** Waits differ by so much from each other, so that those of one outage do not all come at once. */
const JITTER = 0.2;

/** After the `tries`th try, in milliseconds; null: that was the last. `random` in [0, 1). */
export function waitAfter(tries: number, random: number): number | null {
  if (tries >= MAX_TRIES) return null;
  return Math.round(FIRST_WAIT_MS * GROWTH ** (tries - 1) * (1 - JITTER + 2 * JITTER * random));
}

export type Deliveries = {
  /** Looks for what is due now; resolves when what it began is over. */
  look(): Promise<void>;
  /** A job has ended: its receiver may be due. */
  nudge(): void;
  /** Breaks off what is under way: it is made again by the next process. */
  stop(): Promise<void>;
};

/** Looks every second until it is stopped. */
export function deliverWebhooks(deps: DeliverDeps): Deliveries {
  const { db, clock, log } = deps;
  const stopping = new AbortController();
  /** By job, whose it is. */
  const underWay = new Map<string, string>();
  const running = new Set<Promise<void>>();
  /** What is being begun; one at a time. */
  let reading: Promise<Promise<void>[]> | null = null;

  const isFull = (accountId: string): boolean =>
    [...underWay.values()].filter((other) => other === accountId).length >= MOST_PER_ACCOUNT;
  const hasRoom = ({ jobId, accountId }: DueWebhook): boolean =>
    underWay.size < MOST_AT_ONCE && !underWay.has(jobId) && !isFull(accountId);

  const begin = (webhook: DueWebhook): Promise<void> => {
    underWay.set(webhook.jobId, webhook.accountId);
    const delivery = deliver(deps, webhook, stopping.signal)
      .catch((error: unknown) => log.warn("a webhook could not be seen to; it is tried again", { err: error }))
      .finally(() => {
        underWay.delete(webhook.jobId);
        running.delete(delivery);
      });
    running.add(delivery);
    return delivery;
  };

  /** Begins what there is room for. Reads again where an account became full, whose rows may have hidden others'. */
  const read = async (): Promise<Promise<void>[]> => {
    const begun: Promise<void>[] = [];
    while (underWay.size < MOST_AT_ONCE && !stopping.signal.aborted) {
      const without = [...new Set(underWay.values())].filter(isFull);
      const due = await dueWebhooks(db, { nowMs: clock.nowMs(), limit: 2 * MOST_AT_ONCE, without });
      const before = begun.length;
      for (const webhook of due) if (hasRoom(webhook)) begun.push(begin(webhook));
      if (begun.length === before) break;
    }
    return begun;
  };
  const look = async (): Promise<void> => {
    reading ??= read().finally(() => {
      reading = null;
    });
    await Promise.all(await reading);
  };
  const nudge = () => {
    look().catch((error: unknown) => log.warn("due webhooks cannot be read; trying again", { err: error }));
  };
  const stopLooking = clock.every(LOOK_EVERY_MS, nudge);
  return {
    look,
    nudge,
    async stop() {
      stopLooking();
      stopping.abort();
      await reading?.catch(() => []); // Said already, by whoever looked.
      await Promise.all(running);
    },
  };
}

const UNREADABLE = "its address was sealed under another master key than this instance has";

/** One try, from the claim to what became of it. */
async function deliver(deps: DeliverDeps, webhook: DueWebhook, signal: AbortSignal): Promise<void> {
  const { db, clock, log } = deps;
  const { jobId, accountId } = webhook;
  if (!(await claimWebhook(db, webhook, clock.nowMs() + CLAIM_MS))) return;
  const url = readAddress(deps.secrets, jobId, webhook.url);
  if (url === null) return webhookFailed(db, jobId, UNREADABLE, null);
  const job = await deps.jobObject(accountId, jobId);
  if (job === null) return webhookDelivered(db, jobId);
  const body = JSON.stringify(job);
  const n = webhook.tries + 1;
  const headers = {
    "content-type": "application/json",
    "user-agent": `infernet/${deps.version}`,
    ...signedHeaders(deps.keyOf(accountId), jobId, Math.floor(clock.nowMs() / 1000), body),
  };
  const posted = await deps.post(url, headers, body, n, signal);
  // Broken off, not failed: it is made again once its claim is over.
  if (signal.aborted) return;
  if (posted.ok) return webhookDelivered(db, jobId);
  const { status, message } = posted.error;
  // "Gone" asks to be told nothing any more (Standard Webhooks, "Delivery").
  const waitMs = status === 410 ? null : waitAfter(n, deps.random());
  await webhookFailed(db, jobId, message, waitMs === null ? null : clock.nowMs() + waitMs);
  if (waitMs === null) log.warn("a webhook is given up", { job: jobId, tries: n, reason: message });
}
